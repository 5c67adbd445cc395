//! INVITE client transaction. RFC 3261 §17.1.1 (Figure 5), RFC 6026 §7.2.
//!
//! Bytes are opaque here: the machine keeps what it must retransmit and never looks inside.

use crate::sink::{Failure, Sink, Taken};
use crate::timer::{Due, Reliability, Resend, Timer, TimerConfig};
use std::fmt;

/// The machine. `M` is a kept message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientInvite<M> {
    state: State<M>,
    reliability: Reliability,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State<M> {
    Calling { request: M, resend: Option<Resend>, until: u64 },
    Proceeding { request: M },
    Completed { ack: M, until: u64 },
    Accepted { until: u64 },
    Terminated,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A response of class 1xx.
    Provisional,
    /// A response of class 2xx.
    Success,
    /// A response of class 3xx to 6xx.
    Rejection,
    /// Send the INVITE again.
    TimerA,
    /// No response at all.
    TimerB,
    /// Retransmissions of the final response have ended.
    TimerD,
    /// Retransmissions of the 2xx have ended.
    TimerM,
    /// A message could not be sent.
    TransportError,
}

impl Event {
    /// All of them, in the order of the table.
    pub const ALL: [Event; 8] = [
        Self::Provisional,
        Self::Success,
        Self::Rejection,
        Self::TimerA,
        Self::TimerB,
        Self::TimerD,
        Self::TimerM,
        Self::TransportError,
    ];

    /// The event of a timer of this machine.
    #[must_use]
    pub fn of(timer: Timer) -> Option<Self> {
        match timer {
            Timer::A => Some(Self::TimerA),
            Timer::B => Some(Self::TimerB),
            Timer::D => Some(Self::TimerD),
            Timer::M => Some(Self::TimerM),
            Timer::C | Timer::E | Timer::F | Timer::G | Timer::H | Timer::I | Timer::J | Timer::K | Timer::L => None,
            Timer::Late => None,
        }
    }
}

const STOPPED: &str = "the timer does not run in this state";
const ENDED: &str = "the transaction has ended";

impl<M> ClientInvite<M> {
    /// Sends the request and waits: state Calling.
    pub fn new(now: u64, config: &TimerConfig, reliability: Reliability, request: M, sink: &mut impl Sink<M>) -> Self {
        sink.send(&request);
        let resend = Resend::after(now, config.value(Timer::A, reliability));
        let until = now + config.value(Timer::B, reliability);
        Self { state: State::Calling { request, resend, until }, reliability }
    }

    /// One step of the table.
    pub fn on_event(&mut self, now: u64, event: Event, config: &TimerConfig, sink: &mut impl Sink<M>) -> Taken {
        let reliability = self.reliability;
        let value = |timer| config.value(timer, reliability);
        let state = std::mem::replace(&mut self.state, State::Terminated);
        let (next, taken) = match (state, event) {
            (State::Calling { request, .. } | State::Proceeding { request }, Event::Provisional) => {
                sink.pass();
                (State::Proceeding { request }, Taken::Yes)
            }
            (State::Calling { .. } | State::Proceeding { .. }, Event::Success) => {
                sink.pass();
                (State::Accepted { until: now + value(Timer::M) }, Taken::Yes)
            }
            (State::Calling { request, .. } | State::Proceeding { request }, Event::Rejection) => {
                let ack = sink.acknowledge(&request);
                sink.send(&ack);
                sink.pass();
                let next = match value(Timer::D) {
                    0 => State::Terminated,
                    wait => State::Completed { ack, until: now + wait },
                };
                (next, Taken::Yes)
            }
            (State::Calling { request, resend: Some(resend), until }, Event::TimerA) => {
                sink.send(&request);
                // RFC 3261 §17.1.1.2: doubled without an upper end; Timer B ends it.
                (State::Calling { request, resend: Some(resend.next(now, u64::MAX)), until }, Taken::Yes)
            }
            (state @ State::Calling { resend: None, .. }, Event::TimerA) => {
                (state, Taken::Ignored("a reliable transport retransmits by itself"))
            }
            (State::Calling { .. }, Event::TimerB) => {
                sink.fail(Failure::Timeout);
                (State::Terminated, Taken::Yes)
            }
            (State::Calling { .. }, Event::TransportError) => {
                sink.fail(Failure::Transport);
                (State::Terminated, Taken::Yes)
            }
            (state @ State::Proceeding { .. }, Event::TransportError) => {
                (state, Taken::Ignored("nothing is sent in this state, so the error is of another message"))
            }
            (state @ State::Calling { .. }, Event::TimerD | Event::TimerM) => (state, Taken::Ignored(STOPPED)),
            (state @ State::Proceeding { .. }, Event::TimerA | Event::TimerB | Event::TimerD | Event::TimerM) => {
                (state, Taken::Ignored(STOPPED))
            }
            (state @ State::Completed { .. }, Event::Provisional) => {
                (state, Taken::Ignored("overtaken by the final response"))
            }
            (state @ State::Completed { .. }, Event::Success) => {
                (state, Taken::Ignored("an INVITE has one final response; this one comes after another"))
            }
            (State::Completed { ack, until }, Event::Rejection) => {
                sink.send(&ack);
                (State::Completed { ack, until }, Taken::Yes)
            }
            (State::Completed { .. }, Event::TimerD) => (State::Terminated, Taken::Yes),
            (State::Completed { .. }, Event::TransportError) => {
                sink.fail(Failure::Transport);
                (State::Terminated, Taken::Yes)
            }
            (state @ State::Completed { .. }, Event::TimerA | Event::TimerB | Event::TimerM) => {
                (state, Taken::Ignored(STOPPED))
            }
            (State::Accepted { until }, Event::Success) => {
                sink.pass();
                (State::Accepted { until }, Taken::Yes)
            }
            (State::Accepted { .. }, Event::TimerM) => (State::Terminated, Taken::Yes),
            (state @ State::Accepted { .. }, Event::Provisional) => {
                (state, Taken::Ignored("overtaken by the 2xx, or of a branch that lost downstream"))
            }
            (state @ State::Accepted { .. }, Event::Rejection) => {
                (state, Taken::Ignored("an INVITE has one final response; this one comes after another"))
            }
            (state @ State::Accepted { .. }, Event::TimerA | Event::TimerB | Event::TimerD) => {
                (state, Taken::Ignored(STOPPED))
            }
            (state @ State::Accepted { .. }, Event::TransportError) => {
                (state, Taken::Ignored("the transaction sends nothing more; ACK is the transaction user's"))
            }
            (
                State::Terminated,
                Event::Provisional
                | Event::Success
                | Event::Rejection
                | Event::TimerA
                | Event::TimerB
                | Event::TimerD
                | Event::TimerM
                | Event::TransportError,
            ) => (State::Terminated, Taken::Ignored(ENDED)),
        };
        self.state = next;
        taken
    }

    /// When it wants to be called again.
    #[must_use]
    pub fn due(&self) -> Option<Due> {
        match &self.state {
            State::Calling { resend, until, .. } => {
                let end = Due { at: *until, timer: Timer::B };
                Some(end.earlier(resend.map(|resend| resend.due(Timer::A))))
            }
            State::Completed { until, .. } => Some(Due { at: *until, timer: Timer::D }),
            State::Accepted { until } => Some(Due { at: *until, timer: Timer::M }),
            State::Proceeding { .. } | State::Terminated => None,
        }
    }

    /// The INVITE, while no final response has come: what CANCEL is made from.
    #[must_use]
    pub fn request(&self) -> Option<&M> {
        match &self.state {
            State::Calling { request, .. } | State::Proceeding { request } => Some(request),
            State::Completed { .. } | State::Accepted { .. } | State::Terminated => None,
        }
    }

    /// Whether a provisional response has come and no final one: only then may it be cancelled (RFC 3261 §9.1).
    #[must_use]
    pub fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    /// Whether it is done with.
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    /// Name of the state.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self.state {
            State::Calling { .. } => "Calling",
            State::Proceeding { .. } => "Proceeding",
            State::Completed { .. } => "Completed",
            State::Accepted { .. } => "Accepted",
            State::Terminated => "Terminated",
        }
    }

    /// Ends it without a word: for a transaction user that has given up.
    pub fn abandon(&mut self) {
        self.state = State::Terminated;
    }
}

/// `INVITE client: Calling, Timer A at 500`.
impl<M> fmt::Display for ClientInvite<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::timer::describe(f, "INVITE client", self.state(), self.due())
    }
}
