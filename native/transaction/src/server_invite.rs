//! INVITE server transaction. RFC 3261 §17.2.1 (Figure 7), RFC 6026 §7.1.
//!
//! Bytes are opaque here: the machine keeps what it must retransmit and never looks inside.

use crate::sink::{Failure, Sink, Taken};
use crate::timer::{Due, Reliability, Resend, Timer, TimerConfig};
use std::fmt;

/// The machine. `M` is a kept message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInvite<M> {
    state: State<M>,
    reliability: Reliability,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State<M> {
    /// `response`: the latest provisional one; `None` while 100 is all that was said.
    Proceeding {
        response: Option<M>,
    },
    Completed {
        response: M,
        resend: Option<Resend>,
        until: u64,
    },
    Confirmed {
        until: u64,
    },
    Accepted {
        until: u64,
    },
    Terminated,
}

/// What can happen to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<M> {
    /// A retransmission of the INVITE.
    Invite,
    /// An ACK with the branch of the INVITE.
    Ack,
    /// The transaction user sends a response of class 1xx other than 100.
    Provisional(M),
    /// The transaction user sends a response of class 2xx.
    Success,
    /// The transaction user sends a response of class 3xx to 6xx.
    Rejection(M),
    /// Send the final response again.
    TimerG,
    /// No ACK.
    TimerH,
    /// Retransmissions of the ACK have ended.
    TimerI,
    /// Retransmissions of the INVITE have ended.
    TimerL,
    /// A message could not be sent.
    TransportError,
}

impl<M> Event<M> {
    /// The event of a timer of this machine.
    #[must_use]
    pub fn of(timer: Timer) -> Option<Self> {
        match timer {
            Timer::G => Some(Self::TimerG),
            Timer::H => Some(Self::TimerH),
            Timer::I => Some(Self::TimerI),
            Timer::L => Some(Self::TimerL),
            Timer::A | Timer::B | Timer::C | Timer::D | Timer::E | Timer::F | Timer::J | Timer::K | Timer::M => None,
            Timer::Late => None,
        }
    }
}

const STOPPED: &str = "the timer does not run in this state";
const ENDED: &str = "the transaction has ended";
const LATE: &str = "a final response was sent already, and it is not a 2xx that must arrive";
const STAYS: &str = "RFC 6026 §7.1: the state stays, so that retransmissions of the INVITE are absorbed";

impl<M> ServerInvite<M> {
    /// An INVITE has come and 100 goes back at once: the transaction user cannot promise anything within 200 ms.
    pub fn new(reliability: Reliability, sink: &mut impl Sink<M>) -> Self {
        sink.trying();
        Self { state: State::Proceeding { response: None }, reliability }
    }

    /// The final response that is sent until its ACK comes.
    pub fn rejection(&self) -> Option<&M> {
        match &self.state {
            State::Completed { response, .. } => Some(response),
            State::Proceeding { .. } | State::Confirmed { .. } | State::Accepted { .. } | State::Terminated => None,
        }
    }

    /// One step of the table.
    pub fn on_event(&mut self, now: u64, event: Event<M>, config: &TimerConfig, sink: &mut impl Sink<M>) -> Taken {
        let reliability = self.reliability;
        let value = |timer| config.value(timer, reliability);
        let state = std::mem::replace(&mut self.state, State::Terminated);
        let (next, taken) = match (state, event) {
            (State::Proceeding { response }, Event::Invite) => {
                match &response {
                    Some(response) => sink.send(response),
                    None => sink.trying(),
                }
                (State::Proceeding { response }, Taken::Yes)
            }
            (State::Proceeding { .. }, Event::Provisional(response)) => {
                sink.send(&response);
                (State::Proceeding { response: Some(response) }, Taken::Yes)
            }
            (State::Proceeding { .. }, Event::Success) => {
                sink.pass();
                (State::Accepted { until: now + value(Timer::L) }, Taken::Yes)
            }
            (State::Proceeding { .. }, Event::Rejection(response)) => {
                sink.send(&response);
                let resend = Resend::after(now, value(Timer::G));
                (State::Completed { response, resend, until: now + value(Timer::H) }, Taken::Yes)
            }
            (state @ State::Proceeding { .. }, Event::Ack) => {
                (state, Taken::Ignored("an ACK before a final response belongs to nothing"))
            }
            (state @ State::Proceeding { .. }, Event::TimerG | Event::TimerH | Event::TimerI | Event::TimerL) => {
                (state, Taken::Ignored(STOPPED))
            }
            (
                state @ (State::Proceeding { .. } | State::Completed { .. } | State::Accepted { .. }),
                Event::TransportError,
            ) => (state, Taken::Ignored(STAYS)),
            (State::Completed { response, resend, until }, Event::Invite) => {
                sink.send(&response);
                (State::Completed { response, resend, until }, Taken::Yes)
            }
            (State::Completed { .. }, Event::Ack) => {
                let next = match value(Timer::I) {
                    0 => State::Terminated,
                    wait => State::Confirmed { until: now + wait },
                };
                (next, Taken::Yes)
            }
            (State::Completed { response, resend: Some(resend), until }, Event::TimerG) => {
                sink.send(&response);
                (State::Completed { response, resend: Some(resend.next(now, config.t2)), until }, Taken::Yes)
            }
            (state @ State::Completed { resend: None, .. }, Event::TimerG) => {
                (state, Taken::Ignored("a reliable transport retransmits by itself"))
            }
            (State::Completed { .. }, Event::TimerH) => {
                sink.fail(Failure::Timeout);
                (State::Terminated, Taken::Yes)
            }
            (state @ State::Completed { .. }, Event::Provisional(_) | Event::Success | Event::Rejection(_)) => {
                (state, Taken::Ignored(LATE))
            }
            (state @ State::Completed { .. }, Event::TimerI | Event::TimerL) => (state, Taken::Ignored(STOPPED)),
            (State::Confirmed { .. }, Event::TimerI) => (State::Terminated, Taken::Yes),
            (state @ State::Confirmed { .. }, Event::Invite) => (
                state,
                Taken::Ignored(
                    "a late retransmission: the client has its final response, or it would not have sent ACK",
                ),
            ),
            (state @ State::Confirmed { .. }, Event::Ack) => {
                (state, Taken::Ignored("a retransmission of the ACK: what this state is there to absorb"))
            }
            (state @ State::Confirmed { .. }, Event::Provisional(_) | Event::Success | Event::Rejection(_)) => {
                (state, Taken::Ignored(LATE))
            }
            (state @ State::Confirmed { .. }, Event::TimerG | Event::TimerH | Event::TimerL) => {
                (state, Taken::Ignored(STOPPED))
            }
            (state @ State::Confirmed { .. }, Event::TransportError) => {
                (state, Taken::Ignored("nothing is sent in this state, so the error is of another message"))
            }
            (state @ State::Accepted { .. }, Event::Invite) => {
                (state, Taken::Ignored("RFC 6026 §7.1: absorbed; the transaction user sends its 2xx again by itself"))
            }
            (State::Accepted { until }, Event::Ack | Event::Success) => {
                sink.pass();
                (State::Accepted { until }, Taken::Yes)
            }
            (State::Accepted { .. }, Event::TimerL) => (State::Terminated, Taken::Yes),
            (state @ State::Accepted { .. }, Event::Provisional(_) | Event::Rejection(_)) => {
                (state, Taken::Ignored(LATE))
            }
            (state @ State::Accepted { .. }, Event::TimerG | Event::TimerH | Event::TimerI) => {
                (state, Taken::Ignored(STOPPED))
            }
            (
                State::Terminated,
                Event::Invite
                | Event::Ack
                | Event::Provisional(_)
                | Event::Success
                | Event::Rejection(_)
                | Event::TimerG
                | Event::TimerH
                | Event::TimerI
                | Event::TimerL
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
            State::Completed { resend, until, .. } => {
                let end = Due { at: *until, timer: Timer::H };
                Some(end.earlier(resend.map(|resend| resend.due(Timer::G))))
            }
            State::Confirmed { until } => Some(Due { at: *until, timer: Timer::I }),
            State::Accepted { until } => Some(Due { at: *until, timer: Timer::L }),
            State::Proceeding { .. } | State::Terminated => None,
        }
    }

    /// Whether no final response has been sent.
    #[must_use]
    pub fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    /// Whether a 2xx has been sent.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        matches!(self.state, State::Accepted { .. })
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
            State::Proceeding { .. } => "Proceeding",
            State::Completed { .. } => "Completed",
            State::Confirmed { .. } => "Confirmed",
            State::Accepted { .. } => "Accepted",
            State::Terminated => "Terminated",
        }
    }
}

/// `INVITE server: Completed, Timer G at 500`.
impl<M> fmt::Display for ServerInvite<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::timer::describe(f, "INVITE server", self.state(), self.due())
    }
}
