//! Calls that targets have open, in words that all workers share: what [`Policy::Calls`](crate::routing::target::Policy) counts.
//!
//! A call counts from its INVITE leaving for the target until that branch fails, or a BYE of its dialog passes (RFC 3261 §15),
//! or its time is up: the end of a call that takes another way, or of one whose peers both died, is never seen. It is known by its
//! Call-ID. Nothing is lost when a worker dies; what that one had in hand ends with its time.
//!
//! ```text
//! next sweep | (7 free)                       one line of 8 words
//! 8,192 × 16 × { call | target | until }      one set for each 16 calls
//! ```
//!
//! `target` is the upper half of its identity, `until` seconds since 1970. A call has its place in one set; where all places
//! of it are taken, the call is not counted.

use crate::routing::target::TargetIdentity;
use crate::store::Words;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

/// What a call is known by: a keyed hash of its Call-ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallKey(pub u64);

/// The upper half of a target's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetHalf(u32);

impl TargetHalf {
    /// That of a target.
    #[must_use]
    pub fn of(identity: TargetIdentity) -> Self {
        Self((identity.0 >> 32) as u32)
    }

    /// Name of the word with its number of open calls (see [`crate::store::TargetHealth`]).
    #[must_use]
    pub fn count_word(self) -> u64 {
        u64::from(self.0) << 32 | 0x0ca1_1500
    }
}

/// What became of [`CallTable::put`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// There was no room.
    Full,
    /// The call was another target's, or this one's, before.
    Moved(TargetHalf),
    /// The call is new.
    New,
}

const LINE: usize = 8;
const NEXT_SWEEP: usize = 0;
const SETS: usize = 8192;
const WAYS: usize = 16;
/// Words of the whole table.
pub const WORDS: usize = LINE + SETS * WAYS * 2;
/// Seconds after which calls whose time is up are looked for.
const SWEEP_S: u64 = 60;

/// See the module. Without words nothing is counted.
#[derive(Debug)]
pub struct CallTable<W>(W);

impl<W: Words> CallTable<W> {
    /// Over [`WORDS`] words that are zero when new.
    pub fn new(words: W) -> Self {
        Self(words)
    }

    /// The words.
    pub fn words(&self) -> &W {
        &self.0
    }

    /// Notes that `call` is `target`'s until that second.
    pub fn put(&self, call: CallKey, target: TargetHalf, until_s: u64) -> Put {
        let name = name(call);
        let value = u64::from(target.0) << 32 | until_s & u64::from(u32::MAX);
        if let Some([_, word]) = self.find(call) {
            let before = word.swap(value, AcqRel);
            return if before == 0 { Put::New } else { Put::Moved(half(before)) };
        }
        for [key, word] in self.places(call) {
            if key.compare_exchange(0, name, AcqRel, Relaxed).is_ok() {
                word.store(value, Release);
                return Put::New;
            }
        }
        Put::Full
    }

    /// Whose the call is.
    pub fn target(&self, call: CallKey) -> Option<TargetHalf> {
        let value = self.find(call)?[1].load(Acquire);
        (value != 0).then(|| half(value))
    }

    /// Forgets a call, if it is `of` this target; of any for `None`. Says whose it was.
    pub fn take(&self, call: CallKey, of: Option<TargetHalf>) -> Option<TargetHalf> {
        let [key, word] = self.find(call)?;
        let value = word.load(Acquire);
        if value == 0 || of.is_some_and(|of| of != half(value)) {
            return None;
        }
        free([key, word], value)
    }

    /// Forgets the calls whose time is up, if that is due, and tells whose they were.
    pub fn sweep_in_time(&self, now_s: u64, mut ended: impl FnMut(TargetHalf)) {
        let Some(next) = self.0.get(NEXT_SWEEP) else { return };
        let due = next.load(Relaxed);
        // One of the workers does it.
        if due > now_s || next.compare_exchange(due, now_s + SWEEP_S, AcqRel, Relaxed).is_err() {
            return;
        }
        for place in pairs(self.0.get(LINE..).unwrap_or_default()) {
            let value = place[1].load(Acquire);
            if value != 0 && value & u64::from(u32::MAX) <= now_s {
                free(place, value).into_iter().for_each(&mut ended);
            }
        }
    }

    fn find(&self, call: CallKey) -> Option<[&AtomicU64; 2]> {
        let name = name(call);
        self.places(call).find(|[key, _]| key.load(Acquire) == name)
    }

    fn places(&self, call: CallKey) -> impl Iterator<Item = [&AtomicU64; 2]> {
        let begin = LINE + (call.0 >> 32) as usize % SETS * WAYS * 2;
        pairs(self.0.get(begin..begin + WAYS * 2).unwrap_or_default())
    }
}

/// A table of its own, for one process.
impl Default for CallTable<Box<[AtomicU64]>> {
    fn default() -> Self {
        Self::new((0..WORDS).map(|_| AtomicU64::new(0)).collect())
    }
}

/// Frees a place that has this value. Only who changes the value may tell that the call has ended; the name goes last, so that
/// nobody takes the place before.
fn free([key, word]: [&AtomicU64; 2], value: u64) -> Option<TargetHalf> {
    word.compare_exchange(value, 0, AcqRel, Relaxed).ok()?;
    key.store(0, Release);
    Some(half(value))
}

/// 0 marks a free place.
fn name(call: CallKey) -> u64 {
    call.0.max(1)
}

fn half(value: u64) -> TargetHalf {
    TargetHalf((value >> 32) as u32)
}

fn pairs(words: &[AtomicU64]) -> impl Iterator<Item = [&AtomicU64; 2]> {
    words.chunks_exact(2).map(|pair| [&pair[0], &pair[1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: TargetHalf = TargetHalf(1);
    const TWO: TargetHalf = TargetHalf(2);

    fn table() -> CallTable<Box<[AtomicU64]>> {
        CallTable::default()
    }

    #[test]
    fn a_call_is_of_one_target_until_it_is_taken() {
        let (table, call) = (table(), CallKey(7));
        assert_eq!((table.target(call), table.take(call, None)), (None, None));
        assert_eq!(table.put(call, ONE, 100), Put::New);
        assert_eq!(table.put(call, TWO, 100), Put::Moved(ONE));
        assert_eq!(table.target(call), Some(TWO));
        assert_eq!(table.take(call, Some(ONE)), None, "no longer its own");
        assert_eq!(table.take(call, Some(TWO)), Some(TWO));
        assert_eq!((table.target(call), table.take(call, None)), (None, None));
        assert_eq!(table.put(call, ONE, 100), Put::New, "as if it had never been");
        assert_eq!(table.take(call, None), Some(ONE));
    }

    #[test]
    fn a_set_that_is_full_counts_no_more() {
        let table = table();
        let same_set = |number: usize| CallKey((5 << 32) + number as u64 + 1);
        for number in 0..WAYS {
            assert_eq!(table.put(same_set(number), ONE, 100), Put::New);
        }
        assert_eq!(table.put(same_set(WAYS), ONE, 100), Put::Full);
        assert_eq!(table.put(same_set(0), TWO, 100), Put::Moved(ONE), "those that are there are found");
        assert_eq!(table.take(same_set(3), None), Some(ONE));
        assert_eq!(table.put(same_set(WAYS), ONE, 100), Put::New);
    }

    #[test]
    fn what_nobody_ended_ends_with_its_time() {
        let table = table();
        let mut ended = Vec::new();
        table.sweep_in_time(1000, |target| ended.push(target));
        for (number, (target, until)) in [(ONE, 1050), (TWO, 1061), (ONE, 1060)].into_iter().enumerate() {
            assert_eq!(table.put(CallKey((number as u64) << 40), target, until), Put::New);
        }
        table.sweep_in_time(1059, |target| ended.push(target));
        assert_eq!(ended, [], "once a minute");
        table.sweep_in_time(1060, |target| ended.push(target));
        assert_eq!(ended, [ONE, ONE]);
        assert_eq!(table.target(CallKey(1 << 40)), Some(TWO));
    }

    #[test]
    fn without_words_nothing_is_counted() {
        let table = CallTable::new(Vec::new());
        assert_eq!(table.put(CallKey(1), ONE, 100), Put::Full);
        table.sweep_in_time(1000, |_| unreachable!("nothing is there"));
        assert_eq!(table.take(CallKey(1), None), None);
    }

    #[test]
    fn many_at_once_lose_nothing() {
        let table = std::sync::Arc::new(table());
        let threads: Vec<_> = (0..2_u64)
            .map(|thread| {
                let table = std::sync::Arc::clone(&table);
                std::thread::spawn(move || {
                    let calls = || (0..2000_u64).map(move |number| CallKey((number * 2 + thread) << 31 | 1));
                    let put = calls().filter(|&call| table.put(call, ONE, 100) == Put::New).count();
                    (put, calls().filter(|&call| table.take(call, Some(ONE)).is_some()).count())
                })
            })
            .collect();
        for thread in threads {
            let (put, taken) = thread.join().expect("no thread fails");
            assert_eq!((put, taken), (2000, 2000));
        }
        assert!(table.words()[LINE..].iter().all(|word| word.load(Acquire) == 0));
    }
}
