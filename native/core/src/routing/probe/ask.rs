//! One question to a target: a non-INVITE client transaction in small. RFC 3261 §17.1.2.
//!
//! Timer E sends it again over UDP, at T1 and then at twice the time up to T2, or at T2 once a provisional response has come; over
//! streams it sends nothing, but the prober looks for the answer then. Timer F, here the configured timeout, ends it. An answer that comes after the end finds no question.

use super::{Outcome, ProbeSettings};
use crate::path::Transport;

/// RFC 3261 §17.1.1.1 and §17.1.2.2, Table 4.
const T1_MS: u64 = 500;
const T2_MS: u64 = 4000;

/// States of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// The last one has ended.
    Idle {
        /// When to ask the next.
        due: u64,
    },
    /// A provisional response has come.
    Proceeding {
        /// When the next question would be due.
        next: u64,
        /// Timer E.
        resend: u64,
        /// Timer F.
        end: u64,
    },
    /// Sent, nothing has come.
    Trying {
        /// When the next question would be due.
        next: u64,
        /// Timer E and its present interval.
        resend: u64,
        interval: u64,
        /// Timer F.
        end: u64,
    },
}

/// What happens to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// It is time to ask.
    Due,
    /// A final response has come.
    Final(Outcome),
    /// A provisional response has come.
    Provisional,
    /// Timer E fires.
    TimerE,
    /// Timer F fires.
    TimerF,
}

/// What a step wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// The question has ended.
    End(Outcome),
    /// Nothing.
    Nothing,
    /// Send the question, the first time or again.
    Send,
}

impl Ask {
    /// One step.
    pub(super) fn on_event(
        &mut self,
        now: u64,
        event: Event,
        settings: &ProbeSettings,
        transport: Option<Transport>,
    ) -> Effect {
        let again = match transport {
            None | Some(Transport::Udp) => Effect::Send,
            Some(Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss) => Effect::Nothing,
        };
        let (state, effect) = match (*self, event) {
            (Self::Idle { .. }, Event::Due) => {
                let (next, end) = (now + settings.interval_ms, now + settings.timeout_ms);
                (Self::Trying { next, resend: now + T1_MS, interval: T1_MS, end }, Effect::Send)
            }
            // Late: the question that it answers has ended.
            (Self::Idle { due }, Event::Final(_) | Event::Provisional) => (Self::Idle { due }, Effect::Nothing),
            // Not set in this state.
            (Self::Idle { due }, Event::TimerE | Event::TimerF) => (Self::Idle { due }, Effect::Nothing),

            (Self::Trying { next, .. } | Self::Proceeding { next, .. }, Event::Final(outcome)) => {
                (Self::Idle { due: next }, Effect::End(outcome))
            }
            (Self::Trying { next, .. } | Self::Proceeding { next, .. }, Event::TimerF) => {
                (Self::Idle { due: next }, Effect::End(Outcome::Dead))
            }
            // Not set in these states.
            (Self::Trying { .. } | Self::Proceeding { .. }, Event::Due) => (*self, Effect::Nothing),

            (Self::Trying { next, end, .. }, Event::Provisional) => {
                (Self::Proceeding { next, resend: now + T2_MS, end }, Effect::Nothing)
            }
            (Self::Trying { next, interval, end, .. }, Event::TimerE) => {
                let interval = (2 * interval).min(T2_MS);
                (Self::Trying { next, resend: now + interval, interval, end }, again)
            }

            (Self::Proceeding { .. }, Event::Provisional) => (*self, Effect::Nothing),
            (Self::Proceeding { next, end, .. }, Event::TimerE) => {
                (Self::Proceeding { next, resend: now + T2_MS, end }, again)
            }
        };
        *self = state;
        effect
    }

    /// When the next timer fires.
    pub(super) fn timer(&self) -> u64 {
        match *self {
            Self::Idle { due } => due,
            Self::Proceeding { resend, end, .. } | Self::Trying { resend, end, .. } => resend.min(end),
        }
    }

    /// Which timer has fired; one has.
    pub(super) fn fired(&self, now: u64) -> Event {
        match self {
            Self::Idle { .. } => Event::Due,
            Self::Proceeding { .. } | Self::Trying { .. } if self.is_late(now) => Event::TimerF,
            Self::Proceeding { .. } | Self::Trying { .. } => Event::TimerE,
        }
    }

    /// Whether Timer F has fired.
    pub(super) fn is_late(&self, now: u64) -> bool {
        match self {
            Self::Idle { .. } => false,
            Self::Proceeding { end, .. } | Self::Trying { end, .. } => *end <= now,
        }
    }
}
