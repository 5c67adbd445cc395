//! What is kept of sources, by all workers together: bans, and buckets of what each may still do. A fixed number of words,
//! which the store maps from a file; nothing in it is locked, and whoever dies leaves nothing half done that matters.
//!
//! ```text
//! bans in force | next sweep | seed | (5 free)       one line of 8 words
//! 4,096 × 4 × { source | until << 8 | reason }       one line for each set
//! 4,096 × 8 × { source | spent × 3 | proved | spent | (2 free) }   one line for each source
//! ```
//!
//! A source has its place in one set. When all places of the set are taken, the ban that ends first, or the source that has
//! spent least, makes room. Two that write the same place at once may mix what they charge; nobody is banned by that who did
//! not send.

use super::source::Source;
use crate::store::Words;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

/// Why a source was banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// Wrong credentials, again and again.
    Failures = 1,
    /// The operator wanted it.
    Operator = 2,
    /// Too many messages that come to nothing.
    Refused = 3,
    /// It says that it is a scanner.
    Scanner = 4,
}

impl Reason {
    const ALL: [Self; 4] = [Self::Failures, Self::Operator, Self::Refused, Self::Scanner];

    /// In words, for the operator.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Failures => "wrong credentials",
            Self::Operator => "by the operator",
            Self::Refused => "too many refused messages",
            Self::Scanner => "a scanner",
        }
    }
}

/// A source whose messages are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Who.
    pub source: Source,
    /// Milliseconds since 1970 when it ends.
    pub until_ms: u64,
    /// Why.
    pub reason: Reason,
}

/// What is counted of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Bucket {
    /// Wrong credentials.
    Failures = 1,
    /// Messages that came to nothing.
    Refused = 2,
    /// Requests outside dialogs.
    Requests = 3,
    /// STUN requests of somebody who has not proved himself.
    Stun = 5,
}

/// Size of a bucket and how it fills again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Tokens of a full bucket.
    pub most: u32,
    /// Time until one more is there.
    pub each_us: u64,
}

const LINE: usize = 8;
const IN_FORCE: usize = 0;
const NEXT_SWEEP: usize = 1;
const SEED: usize = 2;
const SETS: usize = 4096;
const BAN_WAYS: usize = 4;
const WAYS: usize = 8;
const BANS: usize = LINE;
const SOURCES: usize = BANS + SETS * LINE;
/// Words within the line of a source, besides the buckets.
const NAME: usize = 0;
const PROVED: usize = 4;
/// Words of the whole table.
pub const WORDS: usize = SOURCES + SETS * WAYS * LINE;
/// Milliseconds after which bans that have ended are looked for.
const SWEEP_MS: u64 = 10_000;

/// See the module. Without words nobody is banned and nothing is counted.
#[derive(Debug)]
pub struct SourceTable<W>(W);

impl<W: Words> SourceTable<W> {
    /// Over [`WORDS`] words that are zero when new; `seed` is random, and counts for the first user only.
    pub fn new(words: W, seed: u64) -> Self {
        if let Some(word) = words.get(SEED) {
            let _ = word.compare_exchange(0, seed | 1, AcqRel, Relaxed);
        }
        Self(words)
    }

    /// The words.
    #[must_use]
    pub fn words(&self) -> &W {
        &self.0
    }

    /// Whether anybody is banned. Asked for every message: one load.
    #[inline]
    #[must_use]
    pub fn has_bans(&self) -> bool {
        self.0.get(IN_FORCE).is_some_and(|word| word.load(Relaxed) > 0)
    }

    /// Whether this source is.
    #[must_use]
    pub fn is_banned(&self, source: Source, now_ms: u64) -> bool {
        self.sweep_in_time(now_ms);
        self.ban_places(source)
            .any(|[name, value]| name.load(Acquire) == source.word() && value.load(Acquire) >> 8 > now_ms)
    }

    /// Bans a source, or bans it anew. Whether it was not banned before.
    pub fn ban(&self, ban: Ban, now_ms: u64) -> bool {
        let value = ban.until_ms << 8 | ban.reason as u64;
        let known = self.ban_places(ban.source).find(|[name, _]| name.load(Acquire) == ban.source.word());
        if let Some([_, word]) = known {
            return word.swap(value, AcqRel) >> 8 <= now_ms;
        }
        // Free ones have 0 there.
        let Some([name, word]) = self.ban_places(ban.source).min_by_key(|[_, value]| value.load(Relaxed)) else {
            return false;
        };
        let before = name.load(Acquire);
        // Whoever loses the race for the place loses the ban, until its source asks for it again.
        if name.compare_exchange(before, ban.source.word(), AcqRel, Relaxed).is_err() {
            return false;
        }
        word.store(value, Release);
        if before == 0 {
            self.count(1);
        }
        true
    }

    /// Ends a ban. Whether there was one.
    pub fn lift(&self, source: Source, now_ms: u64) -> bool {
        self.ban_places(source).any(|place| {
            let until = place[1].load(Acquire) >> 8;
            self.free(place, source.word()) && until > now_ms
        })
    }

    /// All bans in force.
    pub fn bans(&self, now_ms: u64) -> impl Iterator<Item = Ban> {
        self.all_ban_places().filter_map(move |[name, value]| {
            let value = value.load(Acquire);
            let reason = Reason::ALL.into_iter().find(|&reason| reason as u64 == value & 0xff)?;
            let source = Source::from_word(name.load(Acquire))?;
            (value >> 8 > now_ms).then_some(Ban { source, until_ms: value >> 8, reason })
        })
    }

    /// Takes one token of a source's bucket. `false` when there is none left.
    pub fn take(&self, source: Source, bucket: Bucket, allowance: Allowance, now_ms: u64) -> bool {
        let Some(line) = self.line(source, now_ms, true) else { return true };
        let now = now_ms * 1000;
        // The time at which the bucket would be full again stands for what is in it (GCRA, ITU-T I.371).
        let spend = |full: u64| {
            let full = full.max(now) + allowance.each_us;
            (full <= now + allowance.each_us * u64::from(allowance.most)).then_some(full)
        };
        line[bucket as usize].fetch_update(AcqRel, Acquire, spend).is_ok()
    }

    /// Puts one token back.
    pub fn give_back(&self, source: Source, bucket: Bucket, allowance: Allowance, now_ms: u64) {
        if let Some(line) = self.line(source, now_ms, false) {
            let restore = |full: u64| Some(full.saturating_sub(allowance.each_us));
            let _ = line[bucket as usize].fetch_update(AcqRel, Acquire, restore);
        }
    }

    /// Notes that a source receives what is sent to it, until then.
    pub fn prove(&self, source: Source, until_ms: u64, now_ms: u64) {
        if let Some(line) = self.line(source, now_ms, true) {
            line[PROVED].fetch_max(until_ms, AcqRel);
        }
    }

    /// Until when it is known to receive what is sent to it; 0 when it is not.
    #[must_use]
    pub fn proved_until(&self, source: Source, now_ms: u64) -> u64 {
        self.line(source, now_ms, false).map_or(0, |line| line[PROVED].load(Acquire))
    }

    /// The line of a source; with `make`, one is given to it if it has none.
    fn line(&self, source: Source, now_ms: u64, make: bool) -> Option<&[AtomicU64]> {
        let begin = SOURCES + self.set(source)? * WAYS * LINE;
        let lines = self.0.get(begin..begin + WAYS * LINE)?.chunks_exact(LINE);
        if let Some(line) = lines.clone().find(|line| line[NAME].load(Acquire) == source.word()) {
            return Some(line);
        }
        // A source that has proved itself keeps its place against any number of those that have not.
        let worth = |line: &&[AtomicU64]| {
            let spent = (1..PROVED).map(|bucket| line[bucket].load(Relaxed) / 1000).max().unwrap_or(0);
            spent.max(line[PROVED].load(Relaxed)).max(now_ms)
        };
        let line = lines.min_by_key(|line| (line[NAME].load(Relaxed) != 0, worth(line))).filter(|_| make)?;
        let before = line[NAME].load(Acquire);
        line[NAME].compare_exchange(before, source.word(), AcqRel, Relaxed).ok()?;
        line[1..].iter().for_each(|word| word.store(0, Release));
        Some(line)
    }

    /// Frees the places of bans that have ended, from time to time.
    fn sweep_in_time(&self, now_ms: u64) {
        let Some(word) = self.0.get(NEXT_SWEEP) else { return };
        let due = word.load(Relaxed);
        // One of the workers does it.
        if due <= now_ms && word.compare_exchange(due, now_ms + SWEEP_MS, AcqRel, Relaxed).is_ok() {
            for place in self.all_ban_places() {
                let name = place[0].load(Acquire);
                if name != 0 && place[1].load(Acquire) >> 8 <= now_ms {
                    self.free(place, name);
                }
            }
        }
    }

    /// Frees a place if `name` has it.
    fn free(&self, [name, value]: [&AtomicU64; 2], source: u64) -> bool {
        let freed = name.compare_exchange(source, 0, AcqRel, Relaxed).is_ok();
        if freed {
            value.store(0, Release);
            self.count(-1);
        }
        freed
    }

    fn count(&self, change: i64) {
        if let Some(word) = self.0.get(IN_FORCE) {
            word.fetch_add(change as u64, AcqRel);
        }
    }

    fn ban_places(&self, source: Source) -> impl Iterator<Item = [&AtomicU64; 2]> {
        let begin = self.set(source).map_or(usize::MAX, |set| BANS + set * LINE);
        pairs(self.0.get(begin..begin.saturating_add(BAN_WAYS * 2)).unwrap_or_default())
    }

    fn all_ban_places(&self) -> impl Iterator<Item = [&AtomicU64; 2]> {
        pairs(self.0.get(BANS..SOURCES).unwrap_or_default())
    }

    /// The set of a source, which nobody outside can foresee.
    fn set(&self, source: Source) -> Option<usize> {
        let seed = self.0.get(SEED)?.load(Relaxed);
        let mut word = source.word() ^ seed;
        word = (word ^ word >> 32).wrapping_mul(0xbf58_476d_1ce4_e5b9).wrapping_add(seed);
        word = (word ^ word >> 29).wrapping_mul(0x94d0_49bb_1331_11eb);
        Some((word >> 40) as usize % SETS)
    }
}

/// A table of its own, for one process.
impl Default for SourceTable<Box<[AtomicU64]>> {
    fn default() -> Self {
        Self::new((0..WORDS).map(|_| AtomicU64::new(0)).collect(), 1)
    }
}

fn pairs(words: &[AtomicU64]) -> impl Iterator<Item = [&AtomicU64; 2]> {
    words.chunks_exact(2).map(|pair| [&pair[0], &pair[1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_767_225_600_000;

    fn table() -> SourceTable<Box<[AtomicU64]>> {
        SourceTable::default()
    }

    fn source(number: u32) -> Source {
        Source::of(std::net::Ipv4Addr::from_bits(0x0a00_0000 + number).into())
    }

    fn ban(number: u32, until_ms: u64) -> Ban {
        Ban { source: source(number), until_ms, reason: Reason::Scanner }
    }

    #[test]
    fn a_ban_holds_until_it_ends() {
        let table = table();
        assert!(!table.has_bans() && !table.is_banned(source(1), NOW));
        assert!(table.ban(ban(1, NOW + 100), NOW));
        assert!(!table.ban(ban(1, NOW + 200), NOW), "it was banned already");
        assert!(table.has_bans() && table.is_banned(source(1), NOW + 199) && !table.is_banned(source(2), NOW));
        assert_eq!(table.bans(NOW).collect::<Vec<_>>(), [ban(1, NOW + 200)]);
        assert!(!table.is_banned(source(1), NOW + 200));
        assert!(table.has_bans(), "not swept yet");
        assert!(!table.is_banned(source(2), NOW + SWEEP_MS));
        assert!(!table.has_bans() && table.bans(NOW).next().is_none());
        assert!(table.ban(ban(1, NOW + 99_000), NOW) && table.lift(source(1), NOW) && !table.has_bans());
        assert!(!table.lift(source(1), NOW), "once");
    }

    #[test]
    fn the_ban_that_ends_first_makes_room() {
        let table = table();
        let many = 40_000;
        for number in 0..many {
            table.ban(ban(number, NOW + 1000 + u64::from(number)), NOW);
        }
        let kept: Vec<_> = table.bans(NOW).collect();
        assert!(kept.len() > SETS * BAN_WAYS * 9 / 10 && kept.len() <= SETS * BAN_WAYS, "{}", kept.len());
        assert!(kept.iter().all(|ban| table.is_banned(ban.source, NOW)));
        assert!((many - 1000..many).all(|number| table.is_banned(source(number), NOW)), "the latest are there");
        kept.iter().for_each(|ban| assert!(table.lift(ban.source, NOW)));
        assert!(!table.has_bans());
    }

    #[test]
    fn a_bucket_empties_and_fills() {
        let (table, allowance) = (table(), Allowance { most: 3, each_us: 1_000_000 });
        let take = |seconds: u64| table.take(source(1), Bucket::Refused, allowance, NOW + seconds * 1000);
        assert_eq!([take(0), take(0), take(0), take(0)], [true, true, true, false]);
        assert_eq!([take(1), take(1)], [true, false]);
        assert!(
            table.take(source(1), Bucket::Failures, allowance, NOW)
                && table.take(source(2), Bucket::Refused, allowance, NOW)
        );
        table.give_back(source(1), Bucket::Refused, allowance, NOW + 1000);
        assert_eq!([take(1), take(1)], [true, false]);
        assert_eq!([take(60), take(60), take(60), take(60)], [true, true, true, false]);
    }

    #[test]
    fn who_has_proved_himself_is_not_forgotten_for_a_flood() {
        let (table, allowance) = (table(), Allowance { most: 10, each_us: 1_000_000 });
        table.prove(source(0), NOW + 3_600_000, NOW);
        for number in 1..200_000 {
            table.take(source(number), Bucket::Refused, allowance, NOW);
        }
        assert_eq!(table.proved_until(source(0), NOW), NOW + 3_600_000);
        assert_eq!(table.proved_until(source(1), NOW), 0);
    }

    #[test]
    fn without_words_nothing_is_kept() {
        let table = SourceTable::new(Vec::new(), 1);
        let allowance = Allowance { most: 0, each_us: 1 };
        assert!(table.take(source(1), Bucket::Refused, allowance, NOW) && !table.ban(ban(1, NOW + 1), NOW));
        assert!(!table.has_bans() && !table.is_banned(source(1), NOW) && table.bans(NOW).next().is_none());
    }
}
