//! Non-INVITE client transaction. RFC 3261 §17.1.2 (Figure 6).
//!
//! Bytes are opaque here: the machine keeps what it must retransmit and never looks inside.

use crate::sink::{Failure, Sink, Taken};
use crate::timer::{Due, Reliability, Resend, Timer, TimerConfig};
use std::fmt;

/// The machine. `M` is a kept message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientNonInvite<M> {
    state: State<M>,
    reliability: Reliability,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State<M> {
    Trying { request: M, resend: Option<Resend>, until: u64 },
    Proceeding { request: M, resend: Option<Resend>, until: u64 },
    Completed { until: u64 },
    Terminated,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A response of class 1xx.
    Provisional,
    /// A response of class 2xx to 6xx.
    Final,
    /// Send the request again.
    TimerE,
    /// No final response.
    TimerF,
    /// Retransmissions of the final response have ended.
    TimerK,
    /// A message could not be sent.
    TransportError,
}

impl Event {
    /// All of them, in the order of the table.
    pub const ALL: [Event; 6] =
        [Self::Provisional, Self::Final, Self::TimerE, Self::TimerF, Self::TimerK, Self::TransportError];

    /// The event of a timer of this machine.
    #[must_use]
    pub fn of(timer: Timer) -> Option<Self> {
        match timer {
            Timer::E => Some(Self::TimerE),
            Timer::F => Some(Self::TimerF),
            Timer::K => Some(Self::TimerK),
            Timer::A | Timer::B | Timer::C | Timer::D | Timer::G | Timer::H | Timer::I | Timer::J | Timer::L => None,
            Timer::M | Timer::Late => None,
        }
    }
}

const STOPPED: &str = "the timer does not run in this state";
const ENDED: &str = "the transaction has ended";
const RELIABLE: &str = "a reliable transport retransmits by itself";

impl<M> ClientNonInvite<M> {
    /// Sends the request and waits: state Trying.
    pub fn new(now: u64, config: &TimerConfig, reliability: Reliability, request: M, sink: &mut impl Sink<M>) -> Self {
        sink.send(&request);
        let resend = Resend::after(now, config.value(Timer::E, reliability));
        let until = now + config.value(Timer::F, reliability);
        Self { state: State::Trying { request, resend, until }, reliability }
    }

    /// One step of the table.
    pub fn on_event(&mut self, now: u64, event: Event, config: &TimerConfig, sink: &mut impl Sink<M>) -> Taken {
        let state = std::mem::replace(&mut self.state, State::Terminated);
        let (next, taken) = match (state, event) {
            (
                State::Trying { request, resend, until } | State::Proceeding { request, resend, until },
                Event::Provisional,
            ) => {
                sink.pass();
                (State::Proceeding { request, resend, until }, Taken::Yes)
            }
            (State::Trying { .. } | State::Proceeding { .. }, Event::Final) => {
                sink.pass();
                let next = match config.value(Timer::K, self.reliability) {
                    0 => State::Terminated,
                    wait => State::Completed { until: now + wait },
                };
                (next, Taken::Yes)
            }
            (State::Trying { request, resend: Some(resend), until }, Event::TimerE) => {
                sink.send(&request);
                (State::Trying { request, resend: Some(resend.next(now, config.t2)), until }, Taken::Yes)
            }
            // RFC 3261 §17.1.2.2: T2 at once, whatever the interval was.
            (State::Proceeding { request, resend: Some(_), until }, Event::TimerE) => {
                sink.send(&request);
                (State::Proceeding { request, resend: Resend::after(now, config.t2), until }, Taken::Yes)
            }
            (state @ (State::Trying { resend: None, .. } | State::Proceeding { resend: None, .. }), Event::TimerE) => {
                (state, Taken::Ignored(RELIABLE))
            }
            (State::Trying { .. } | State::Proceeding { .. }, Event::TimerF) => {
                sink.fail(Failure::Timeout);
                (State::Terminated, Taken::Yes)
            }
            (State::Trying { .. } | State::Proceeding { .. }, Event::TransportError) => {
                sink.fail(Failure::Transport);
                (State::Terminated, Taken::Yes)
            }
            (state @ (State::Trying { .. } | State::Proceeding { .. }), Event::TimerK) => {
                (state, Taken::Ignored(STOPPED))
            }
            (State::Completed { .. }, Event::TimerK) => (State::Terminated, Taken::Yes),
            (state @ State::Completed { .. }, Event::Provisional | Event::Final) => {
                (state, Taken::Ignored("a retransmission; the transaction user has its final response"))
            }
            (state @ State::Completed { .. }, Event::TimerE | Event::TimerF) => (state, Taken::Ignored(STOPPED)),
            (state @ State::Completed { .. }, Event::TransportError) => {
                (state, Taken::Ignored("nothing is sent in this state, so the error is of another message"))
            }
            (
                State::Terminated,
                Event::Provisional
                | Event::Final
                | Event::TimerE
                | Event::TimerF
                | Event::TimerK
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
            State::Trying { resend, until, .. } | State::Proceeding { resend, until, .. } => {
                let end = Due { at: *until, timer: Timer::F };
                Some(end.earlier(resend.map(|resend| resend.due(Timer::E))))
            }
            State::Completed { until } => Some(Due { at: *until, timer: Timer::K }),
            State::Terminated => None,
        }
    }

    /// Whether no final response has come and one may.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Trying { .. } | State::Proceeding { .. })
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
            State::Trying { .. } => "Trying",
            State::Proceeding { .. } => "Proceeding",
            State::Completed { .. } => "Completed",
            State::Terminated => "Terminated",
        }
    }

    /// Ends it without a word: for a transaction user that has given up.
    pub fn abandon(&mut self) {
        self.state = State::Terminated;
    }
}

/// `non-INVITE client: Trying, Timer E at 500`.
impl<M> fmt::Display for ClientNonInvite<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::timer::describe(f, "non-INVITE client", self.state(), self.due())
    }
}
