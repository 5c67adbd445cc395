//! Non-INVITE server transaction. RFC 3261 §17.2.2 (Figure 8), RFC 4320 §4.
//!
//! Bytes are opaque here: the machine keeps what it must retransmit and never looks inside.

use crate::sink::{Sink, Taken};
use crate::timer::{Due, Reliability, Timer, TimerConfig};
use std::fmt;

/// The machine. `M` is a kept message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerNonInvite<M> {
    state: State<M>,
    reliability: Reliability,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State<M> {
    Trying { late: u64 },
    Proceeding,
    Completed { response: M, until: u64 },
    Terminated,
}

/// What can happen to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<M> {
    /// A retransmission of the request.
    Request,
    /// The transaction user sends a response of class 2xx to 6xx.
    Final(M),
    /// The transaction user has no response and will have none (RFC 4320 §4.2: there is no 408).
    Silence,
    /// Retransmissions of the request have ended.
    TimerJ,
    /// 100 is due (RFC 4320 §4.1).
    TimerLate,
    /// A message could not be sent.
    TransportError,
}

impl<M> Event<M> {
    /// The event of a timer of this machine.
    #[must_use]
    pub fn of(timer: Timer) -> Option<Self> {
        match timer {
            Timer::J => Some(Self::TimerJ),
            Timer::Late => Some(Self::TimerLate),
            Timer::A | Timer::B | Timer::C | Timer::D | Timer::E | Timer::F | Timer::G | Timer::H | Timer::I => None,
            Timer::K | Timer::L | Timer::M => None,
        }
    }
}

const STOPPED: &str = "the timer does not run in this state";
const ENDED: &str = "the transaction has ended";

impl<M> ServerNonInvite<M> {
    /// A request has come: state Trying. Nothing is said before it must be.
    #[must_use]
    pub fn new(now: u64, config: &TimerConfig, reliability: Reliability) -> Self {
        Self { state: State::Trying { late: now + config.value(Timer::Late, reliability) }, reliability }
    }

    /// One step of the table.
    pub fn on_event(&mut self, now: u64, event: Event<M>, config: &TimerConfig, sink: &mut impl Sink<M>) -> Taken {
        let state = std::mem::replace(&mut self.state, State::Terminated);
        let (next, taken) = match (state, event) {
            (state @ State::Trying { .. }, Event::Request) => {
                (state, Taken::Ignored("a retransmission, and there is nothing to say yet"))
            }
            (State::Trying { .. }, Event::TimerLate) => {
                sink.trying();
                (State::Proceeding, Taken::Yes)
            }
            (State::Proceeding, Event::Request) => {
                sink.trying();
                (State::Proceeding, Taken::Yes)
            }
            (State::Trying { .. } | State::Proceeding, Event::Final(response)) => {
                sink.send(&response);
                let next = match config.value(Timer::J, self.reliability) {
                    0 => State::Terminated,
                    wait => State::Completed { response, until: now + wait },
                };
                (next, Taken::Yes)
            }
            (State::Trying { .. } | State::Proceeding, Event::Silence) => (State::Terminated, Taken::Yes),
            (State::Proceeding, Event::TimerLate) => (State::Proceeding, Taken::Ignored(STOPPED)),
            (state @ (State::Trying { .. } | State::Proceeding), Event::TimerJ) => (state, Taken::Ignored(STOPPED)),
            (state @ State::Trying { .. }, Event::TransportError) => {
                (state, Taken::Ignored("nothing is sent in this state, so the error is of another message"))
            }
            (State::Proceeding | State::Completed { .. }, Event::TransportError) => (State::Terminated, Taken::Yes),
            (State::Completed { response, until }, Event::Request) => {
                sink.send(&response);
                (State::Completed { response, until }, Taken::Yes)
            }
            (state @ State::Completed { .. }, Event::Final(_)) => {
                (state, Taken::Ignored("RFC 3261 §17.2.2: any other final response is discarded"))
            }
            (state @ State::Completed { .. }, Event::Silence) => {
                (state, Taken::Ignored("the final response was sent already"))
            }
            (State::Completed { .. }, Event::TimerJ) => (State::Terminated, Taken::Yes),
            (state @ State::Completed { .. }, Event::TimerLate) => (state, Taken::Ignored(STOPPED)),
            (
                State::Terminated,
                Event::Request
                | Event::Final(_)
                | Event::Silence
                | Event::TimerJ
                | Event::TimerLate
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
            State::Trying { late } => Some(Due { at: *late, timer: Timer::Late }),
            State::Completed { until, .. } => Some(Due { at: *until, timer: Timer::J }),
            State::Proceeding | State::Terminated => None,
        }
    }

    /// Whether no final response has been sent and one may be.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Trying { .. } | State::Proceeding)
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
            State::Proceeding => "Proceeding",
            State::Completed { .. } => "Completed",
            State::Terminated => "Terminated",
        }
    }
}

/// `non-INVITE server: Completed, Timer J at 32000`.
impl<M> fmt::Display for ServerNonInvite<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::timer::describe(f, "non-INVITE server", self.state(), self.due())
    }
}
