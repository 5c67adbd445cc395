//! What is believed of a target: outcomes of questions against the thresholds of the configuration.

use super::{Outcome, ProbeSettings};

/// States of a target. It takes requests in all but `Down` and `Recovering`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// Nothing is known; it counts as up, so that a start or a reload stops no call.
    Unknown,
    /// The last question was answered.
    Up,
    /// So many questions in a row were not answered, fewer than make it down.
    Failing(u32),
    /// Down.
    Down,
    /// Down, but so many questions in a row were answered, fewer than make it up.
    Recovering(u32),
}

/// What an outcome changed for requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The target takes requests again.
    CameUp,
    /// Nothing.
    None,
    /// The target takes no more requests.
    WentDown,
}

impl Liveness {
    /// One step.
    pub(super) fn on_outcome(&mut self, outcome: Outcome, settings: &ProbeSettings) -> Change {
        let failed = |times: u32| match times < settings.failures {
            true => (Self::Failing(times), Change::None),
            false => (Self::Down, Change::WentDown),
        };
        let answered = |times: u32| match times < settings.successes {
            true => (Self::Recovering(times), Change::None),
            false => (Self::Up, Change::CameUp),
        };
        let (state, change) = match (*self, outcome) {
            (Self::Unknown | Self::Up | Self::Failing(_), Outcome::Alive) => (Self::Up, Change::None),
            (Self::Unknown | Self::Up, Outcome::Dead) => failed(1),
            (Self::Failing(times), Outcome::Dead) => failed(times.saturating_add(1)),
            (Self::Down, Outcome::Alive) => answered(1),
            (Self::Recovering(times), Outcome::Alive) => answered(times.saturating_add(1)),
            (Self::Down | Self::Recovering(_), Outcome::Dead) => (Self::Down, Change::None),
        };
        *self = state;
        change
    }
}
