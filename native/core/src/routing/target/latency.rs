//! How long targets take: the time from a request to the first response, averaged. Shared by all workers.
//!
//! A sample that is worse than the average counts at once, a better one by its weight ("peak EWMA", as Finagle has it): what has
//! become slow must not go on to be taken for fast. The weight of what was known halves every [`HALF_LIFE_MS`]; and so does
//! the average when nothing is heard, so that a target that was slow is tried again.

use crate::routing::target::TargetIdentity;

/// See the module.
const HALF_LIFE_MS: f64 = 5000.0;
/// Steps of one millisecond.
const STEPS: f64 = 64.0;
/// Bits of the word for the value: 65 seconds; the others last until 2109.
const VALUE: u32 = 22;
const LARGEST: u64 = (1 << VALUE) - 1;

/// An average and when it was made: one word, `ms since 1970 << 22 | 1/64 ms`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Average {
    value_ms: f64,
    at_ms: u64,
}

impl Average {
    /// Takes the word apart; 0 is a target of which nothing is known.
    pub(crate) fn of(word: u64) -> Self {
        Self { value_ms: (word & LARGEST) as f64 / STEPS, at_ms: word >> VALUE }
    }

    /// The word.
    pub(crate) fn word(self) -> u64 {
        self.at_ms << VALUE | ((self.value_ms * STEPS) as u64).min(LARGEST)
    }

    /// What it is worth at this time; `now_ms` since 1970.
    pub(crate) fn at(self, now_ms: u64) -> f64 {
        self.value_ms * self.weight(now_ms)
    }

    /// With one more sample.
    pub(crate) fn with(self, sample_ms: u64, now_ms: u64) -> Self {
        let (sample, weight) = (sample_ms as f64, self.weight(now_ms));
        let value = if sample >= self.value_ms { sample } else { self.value_ms * weight + sample * (1.0 - weight) };
        Self { value_ms: value, at_ms: now_ms }
    }

    fn weight(self, now_ms: u64) -> f64 {
        (-(now_ms.saturating_sub(self.at_ms) as f64) / HALF_LIFE_MS).exp2()
    }
}

/// Name of the word that holds the average of a target.
pub(crate) fn average_word(target: TargetIdentity) -> u64 {
    target.0.rotate_left(43) ^ 0x1a7e_0000_0000_0c59
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: u64 = 1_767_225_600_000;

    #[test]
    fn worse_counts_at_once_and_better_by_its_weight() {
        let unknown = Average::of(0);
        assert!(unknown.at(T0) == 0.0, "whoever is not known is tried");
        let slow = unknown.with(100, T0);
        assert!(slow.at(T0) == 100.0);
        let better = slow.with(20, T0 + 5000);
        assert!((better.at(T0 + 5000) - 60.0).abs() < 0.1, "half its age, half its weight: {better:?}");
        assert!(better.with(500, T0 + 5000).at(T0 + 5000) == 500.0);
        assert!((better.with(20, T0 + 5001).at(T0 + 5001) - 60.0).abs() < 0.2, "many good ones at once are one");
    }

    #[test]
    fn what_was_slow_is_forgotten() {
        let slow = Average::of(0).with(3000, T0);
        for (after, expected) in [(0, 3000.0), (5000, 1500.0), (10_000, 750.0), (60_000, 0.73)] {
            assert!((slow.at(T0 + after) - expected).abs() < 0.01, "{after}");
        }
        assert!(slow.at(T0 - 1000) == 3000.0, "a clock that is set back changes nothing");
    }

    #[test]
    fn it_fits_in_a_word() {
        for sample in [0, 1, 7, 3000, 65_000, 66_000, u64::MAX] {
            let average = Average::of(0).with(sample, T0);
            let again = Average::of(average.word());
            assert_eq!(again.at_ms, T0);
            assert!(again.value_ms == (sample as f64).min(LARGEST as f64 / STEPS), "{sample}");
        }
    }
}
