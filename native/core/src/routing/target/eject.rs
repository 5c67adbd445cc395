//! Passive ejection: a target that fails in earnest, request after request, is left alone for a while. No question is asked of
//! it; what counts is how it treats requests. (Outlier detection, as Envoy has it.)
//!
//! A failure is no answer at all, a refused connection, or 503 (RFC 3261 §21.5.4). So many in a row eject a target, unless too
//! large a part of the set would be out. It stays out for `time`, twice as long each time that follows, at most `longest`; when
//! it has been good for as long as it was out last, that is forgotten.
//!
//! What all workers know of a target is one word: [`Record`].

use crate::config;
use crate::routing::problems::Problems;
use crate::routing::target::TargetIdentity;

/// How the targets of a set are ejected. See `Eject` in `config.py`.
#[derive(Clone, Debug, PartialEq)]
pub struct EjectSettings {
    /// Failures in a row.
    pub failures: u8,
    /// How long a target is out the first time, in milliseconds.
    pub time_ms: u64,
    /// How long at most.
    pub longest_ms: u64,
    /// Part of the set that may be out at one time.
    pub share: f64,
}

impl EjectSettings {
    /// Reads the settings at `path`; worth nothing when there are problems.
    pub(in crate::routing) fn build(path: &str, eject: &config::Eject, problems: &mut Problems) -> Self {
        if !(1..=255).contains(&eject.failures) {
            problems.add(format!("{path}.failures"), format!("{} is not from 1 to 255", eject.failures));
        }
        if eject.longest < eject.time {
            problems.add(format!("{path}.longest"), format!("{} is below time ({})", eject.longest, eject.time));
        }
        if !(0.0..=1.0).contains(&eject.share) {
            problems.add(format!("{path}.share"), format!("{} is not from 0 to 1", eject.share));
        }
        Self {
            failures: u8::try_from(eject.failures).unwrap_or(u8::MAX),
            time_ms: (eject.time * 1000.0) as u64,
            longest_ms: (eject.longest * 1000.0) as u64,
            share: eject.share,
        }
    }

    /// Targets of a set of `targets` that may be out at one time.
    #[must_use]
    pub fn most(&self, targets: usize) -> usize {
        // What is a third of three for the operator is one target, whatever binary fractions say.
        (self.share * targets as f64 + 1e-9) as usize
    }

    /// How long the ejection number `times` lasts.
    fn span_ms(&self, times: u8) -> u64 {
        let doubled = self.time_ms.saturating_mul(1_u64.checked_shl(u32::from(times.max(1)) - 1).unwrap_or(u64::MAX));
        doubled.min(self.longest_ms)
    }
}

/// How a target treated a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It answered, whatever it said.
    Answered,
    /// See the [module](self).
    Failed,
}

/// What is known of a target: one word, `until << 16 | times << 8 | failures`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Failures in a row.
    pub failures: u8,
    /// Ejections that are not forgotten.
    pub times: u8,
    /// Milliseconds since 1970 when it is, or was, let in again.
    pub until_ms: u64,
}

impl Record {
    /// Takes the word apart.
    #[must_use]
    pub fn of(word: u64) -> Self {
        Self { failures: word as u8, times: (word >> 8) as u8, until_ms: word >> 16 }
    }

    /// The word.
    #[must_use]
    pub fn word(self) -> u64 {
        self.until_ms << 16 | u64::from(self.times) << 8 | u64::from(self.failures)
    }

    /// Whether the target is out.
    #[must_use]
    pub fn is_ejected(self, now_ms: u64) -> bool {
        now_ms < self.until_ms
    }

    /// One step. `may_leave` says whether one more target of the set may be out.
    #[must_use]
    pub fn on(self, treatment: Treatment, now_ms: u64, settings: &EjectSettings, may_leave: bool) -> Self {
        if self.is_ejected(now_ms) {
            // To a request that was on its way when it left.
            return self;
        }
        match treatment {
            Treatment::Answered => {
                let is_good = now_ms >= self.until_ms + settings.span_ms(self.times);
                Self { failures: 0, times: if is_good { 0 } else { self.times }, ..self }
            }
            Treatment::Failed if self.failures.saturating_add(1) < settings.failures || !may_leave => {
                Self { failures: self.failures.saturating_add(1), ..self }
            }
            Treatment::Failed => {
                let times = self.times.saturating_add(1);
                Self { failures: 0, times, until_ms: now_ms + settings.span_ms(times) }
            }
        }
    }
}

/// Name of the word that holds the [`Record`] of a target.
#[must_use]
pub fn record_word(target: TargetIdentity) -> u64 {
    target.0.rotate_left(17) ^ 0x00e7_ec7e_d000_0000
}

#[cfg(test)]
mod tests {
    use super::*;
    use Treatment::{Answered, Failed};

    const SETTINGS: EjectSettings = EjectSettings { failures: 3, time_ms: 1000, longest_ms: 3000, share: 0.5 };
    const T0: u64 = 1_767_225_600_000;

    /// `(after ms, treatment)` → failures, times, out for so many ms from then.
    fn table(steps: &[(u64, Treatment, (u8, u8, u64))]) {
        let (mut record, mut now) = (Record::default(), T0);
        for &(after, treatment, expected) in steps {
            now += after;
            record = record.on(treatment, now, &SETTINGS, true);
            assert_eq!(Record::of(record.word()), record, "it fits in its word");
            let out = record.until_ms.saturating_sub(now);
            assert_eq!((record.failures, record.times, out), expected, "after {} ms", now - T0);
            assert_eq!(record.is_ejected(now), out > 0);
        }
    }

    #[test]
    fn failures_in_a_row_eject() {
        table(&[
            (0, Failed, (1, 0, 0)),
            (9, Failed, (2, 0, 0)),
            (9, Answered, (0, 0, 0)),
            (0, Failed, (1, 0, 0)),
            (0, Failed, (2, 0, 0)),
            (0, Failed, (0, 1, 1000)),
            (500, Failed, (0, 1, 500)),
            (400, Answered, (0, 1, 100)),
            (100, Failed, (1, 1, 0)),
        ]);
    }

    #[test]
    fn each_time_is_longer_until_it_has_been_good_for_as_long() {
        table(&[
            (0, Failed, (1, 0, 0)),
            (0, Failed, (2, 0, 0)),
            (0, Failed, (0, 1, 1000)),
            (1000, Failed, (1, 1, 0)),
            (0, Failed, (2, 1, 0)),
            (0, Failed, (0, 2, 2000)),
            (2000, Failed, (1, 2, 0)),
            (0, Failed, (2, 2, 0)),
            (0, Failed, (0, 3, 3000)),
            (3000, Answered, (0, 3, 0)),
            (2999, Answered, (0, 3, 0)),
            (1, Answered, (0, 0, 0)),
            (0, Failed, (1, 0, 0)),
            (0, Failed, (2, 0, 0)),
            (0, Failed, (0, 1, 1000)),
        ]);
    }

    #[test]
    fn one_that_may_not_leave_leaves_as_soon_as_it_may() {
        let mut record = Record::default();
        for _ in 0..300 {
            record = record.on(Failed, T0, &SETTINGS, false);
        }
        assert_eq!((record.failures, record.is_ejected(T0)), (255, false));
        assert!(record.on(Failed, T0, &SETTINGS, true).is_ejected(T0));
        assert_eq!(record.on(Answered, T0, &SETTINGS, true), Record::default());
    }

    #[test]
    fn the_part_that_may_be_out() {
        let most = |share, targets| EjectSettings { share, ..SETTINGS }.most(targets);
        for (share, targets, expected) in
            [(0.5, 1, 0), (0.5, 2, 1), (0.5, 5, 2), (1.0, 3, 3), (0.0, 9, 0), (1.0 / 3.0, 3, 1), (0.1, 10, 1)]
        {
            assert_eq!(most(share, targets), expected, "{share} of {targets}");
        }
    }

    #[test]
    fn spans_do_not_overflow() {
        assert_eq!(SETTINGS.span_ms(255), 3000);
        assert_eq!(EjectSettings { longest_ms: u64::MAX, ..SETTINGS }.span_ms(255), u64::MAX);
    }
}
