//! Overload: which new requests are turned away while messages wait too long in the kernel. RFC 7339 §5.10, RFC 6357.
//!
//! What waits is served in order, so each message has waited as long as the queue is. When that is above the target for
//! longer than a burst, a growing share of the new requests is refused: in each batch the latest ones, so that who has
//! waited longest is served. First come those whose sender has not proved himself: they are refused, then, when that is not
//! enough, dropped without a word, which is cheaper. Only when none of them is left to drop come the others, and only
//! where they are a real share of what comes: against a flood of strangers it helps nobody to refuse those who are known. What
//! belongs to something that was let in before is not asked about.

/// Whom a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    Known,
    Stranger,
}

/// What is to become of a new request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Not even an answer: that would cost more than the request is worth.
    Drop,
    /// 503.
    Refuse,
    Serve,
}

/// The state of one worker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shed {
    /// Per cent of the strangers' requests that are refused, beyond 100 per cent of these that are dropped, and beyond 200 per
    /// cent of all others that are refused.
    level: u32,
    /// Since when messages have waited too long.
    above_since: Option<u64>,
    stepped_ms: u64,
    /// New requests of this batch, of the one before, and since the last step, strangers first.
    seen: [u32; 2],
    before: [u32; 2],
    recent: [u32; 2],
    /// Hundredths of requests of this batch that may still be served.
    quota: [u32; 2],
    /// Hundredths of a stranger's request that are to be dropped.
    drops: u32,
}

/// As long may a burst last.
const BURST_MS: u64 = 200;
const STEP_MS: u64 = 50;
const STEP: u32 = 10;
/// Levels at which all strangers are refused, at which all of them are dropped, and at which nobody new is served.
const REFUSED: u32 = 100;
const DROPPED: u32 = 200;
const MOST: u32 = 300;
/// What part of the requests has to be of known senders before any of them is refused: one in so many.
const PART: u32 = 10;

impl Shed {
    /// A batch begins whose first message has waited for `delay_ms`.
    pub(crate) fn begin_batch(&mut self, now_ms: u64, delay_ms: u64, target_ms: u64) {
        self.before = std::mem::take(&mut self.seen);
        self.recent = [self.recent[0] + self.before[0], self.recent[1] + self.before[1]];
        for (place, sender) in [Sender::Stranger, Sender::Known].into_iter().enumerate() {
            // As many as last time are expected; what was left is carried over, so that batches of one have their share too.
            self.quota[place] = self.quota[place].min(100) + self.before[place] * (100 - self.share(sender));
        }
        if delay_ms <= target_ms {
            self.above_since = None;
        }
        let lasts = delay_ms > target_ms && now_ms - *self.above_since.get_or_insert(now_ms) >= BURST_MS;
        if now_ms < self.stepped_ms + STEP_MS {
            return;
        }
        self.stepped_ms = now_ms;
        let [strangers, known] = std::mem::take(&mut self.recent);
        let most = if known * PART >= strangers { MOST } else { DROPPED };
        if lasts {
            if !self.is_on() {
                self.quota = [100; 2];
            }
            self.level = (self.level + STEP).min(most);
        } else if delay_ms < target_ms / 2 {
            self.level = self.level.saturating_sub(STEP / 2);
        }
    }

    /// Whether anything is refused.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.level > 0
    }

    /// Per cent of a kind of requests that are refused.
    pub(crate) fn share(&self, sender: Sender) -> u32 {
        match sender {
            Sender::Stranger => self.level.min(REFUSED),
            Sender::Known => self.level.saturating_sub(DROPPED),
        }
    }

    /// What becomes of the next new request.
    pub(crate) fn judge(&mut self, sender: Sender) -> Fate {
        let (share, place) = (self.share(sender), usize::from(sender == Sender::Known));
        self.seen[place] += 1;
        if self.seen[place] > self.before[place] {
            self.quota[place] += 100 - share;
        }
        if self.quota[place] >= 100 && share < 100 {
            self.quota[place] -= 100;
            return Fate::Serve;
        }
        if sender == Sender::Stranger {
            self.drops += self.level.clamp(REFUSED, DROPPED) - REFUSED;
            if self.drops >= 100 {
                self.drops -= 100;
                return Fate::Drop;
            }
        }
        Fate::Refuse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batches of ten strangers and ten known senders each, one in 10 ms, all having waited for `delay_ms`. What was served.
    fn run(shed: &mut Shed, from_ms: u64, batches: u64, delay_ms: u64) -> [u32; 2] {
        let mut served = [0; 2];
        for batch in 0..batches {
            shed.begin_batch(from_ms + batch * 10, delay_ms, 50);
            for _ in 0..10 {
                for (place, sender) in [Sender::Stranger, Sender::Known].into_iter().enumerate() {
                    served[place] += u32::from(shed.judge(sender) == Fate::Serve);
                }
            }
        }
        served
    }

    #[test]
    fn a_burst_passes() {
        let mut shed = Shed::default();
        assert_eq!(run(&mut shed, 1000, 15, 500), [150, 150]);
        assert!(!shed.is_on());
        run(&mut shed, 2000, 15, 0);
        assert_eq!(run(&mut shed, 3000, 15, 500), [150, 150], "a new burst, a new patience");
    }

    #[test]
    fn strangers_go_first_and_come_back_last() {
        let mut shed = Shed::default();
        run(&mut shed, 1000, 80, 500);
        assert_eq!((shed.share(Sender::Stranger), shed.share(Sender::Known)), (100, 0));
        let fates: Vec<_> = (0..10).map(|_| shed.judge(Sender::Stranger)).collect();
        assert_eq!(
            fates.iter().filter(|&&fate| fate == Fate::Drop).count(),
            2,
            "of those refused, some already: {fates:?}"
        );
        run(&mut shed, 1800, 50, 500);
        assert_eq!(shed.share(Sender::Known), 20, "only when none of the others is left");
        let mut level = Shed { level: 40, ..Shed::default() };
        assert_eq!(run(&mut level, 1000, 4, 40), [24, 40], "between half the target and the target nothing changes");
        run(&mut shed, 10_000, 200, 500);
        assert_eq!(run(&mut shed, 20_000, 5, 500), [0, 0]);
        assert_eq!(shed.judge(Sender::Stranger), Fate::Drop);
        assert_eq!(shed.judge(Sender::Known), Fate::Refuse);
        run(&mut shed, 30_000, 150, 0);
        assert!(shed.is_on() && shed.share(Sender::Known) == 0);
        run(&mut shed, 40_000, 300, 0);
        assert!(!shed.is_on());
    }

    #[test]
    fn a_flood_of_strangers_is_not_paid_for_by_others() {
        let mut shed = Shed::default();
        let mut refused = 0;
        for batch in 0..2000 {
            shed.begin_batch(1000 + batch * 10, 500, 50);
            for number in (0..60).filter(|_| shed.is_on()).collect::<Vec<_>>() {
                shed.judge(Sender::Stranger);
                refused += u32::from(number % 30 == 0 && shed.judge(Sender::Known) != Fate::Serve);
            }
        }
        assert_eq!((refused, shed.judge(Sender::Stranger)), (0, Fate::Drop));
    }

    #[test]
    fn the_latest_of_a_batch_are_refused() {
        let mut shed = Shed { level: 50, before: [10, 0], ..Shed::default() };
        shed.seen = [10, 0];
        shed.begin_batch(1000, 40, 50);
        let fates: Vec<_> = (0..10).map(|_| shed.judge(Sender::Stranger)).collect();
        assert!(
            fates[..5].iter().all(|&fate| fate == Fate::Serve) && fates[5..].iter().all(|&fate| fate == Fate::Refuse)
        );
    }
}
