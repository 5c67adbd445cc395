//! Health of targets as all workers see it: a small table of words, found by the hash of the target.

use crate::access::{load, store};
use crate::page::SharedWords;
use dialplane_core::store::TargetHealth;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};

/// Targets that can be told apart, a power of two: 256 KiB. One for which there is no room counts as up.
const PLACES: usize = 1 << 14;
const PLACE_WORDS: usize = 2;
const KIND: u64 = u64::from_le_bytes(*b"health 1");
/// Places that are tried for one target.
const TRIES: usize = 64;

/// Health of targets in a mapped file.
#[derive(Debug)]
pub struct SharedHealth {
    words: SharedWords,
}

impl SharedHealth {
    /// Opens the table at `path`, or makes an empty one.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn open_or_create(path: &Path) -> io::Result<Self> {
        Ok(Self { words: SharedWords::open_or_create(path, KIND, PLACES * PLACE_WORDS)? })
    }

    /// Opens the table at `path`.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { words: SharedWords::open(path, KIND, PLACES * PLACE_WORDS)? })
    }

    /// Octets of the file.
    pub(crate) fn octets(&self) -> u64 {
        self.words.octets()
    }

    pub(crate) fn mark_clean(&self) -> io::Result<()> {
        self.words.mark_clean()
    }

    /// Forgets all targets, so that those no longer in the configuration take no room. To be called when nobody writes.
    pub fn clear(&self) {
        for word in self.words.iter() {
            store(word, 0, Release);
        }
    }

    /// The word of a target; `None` when there is no room.
    fn claim(&self, target: u64) -> Option<&AtomicU64> {
        let target = named(target);
        let claimed = self.places(target).find(|(name, _)| {
            let found = match load(name, Acquire) {
                0 => name.compare_exchange(0, target, AcqRel, Acquire).err().unwrap_or(target),
                found => found,
            };
            found == target
        });
        claimed.map(|(_, word)| word)
    }

    fn places(&self, target: u64) -> impl Iterator<Item = (&AtomicU64, &AtomicU64)> {
        (0..TRIES).map(move |step| {
            let at = (target as usize).wrapping_add(step) % PLACES * PLACE_WORDS;
            (&self.words[at], &self.words[at + 1])
        })
    }
}

impl TargetHealth for SharedHealth {
    #[inline]
    fn read(&self, target: u64) -> u64 {
        let target = named(target);
        for (name, state) in self.places(target) {
            match load(name, Acquire) {
                0 => return 0,
                found if found == target => return load(state, Acquire),
                _ => {}
            }
        }
        0
    }

    fn write(&self, target: u64, state: u64) {
        if let Some(word) = self.claim(target) {
            store(word, state, Release);
        }
    }

    fn update(&self, target: u64, mut change: impl FnMut(u64) -> u64) {
        if let Some(word) = self.claim(target) {
            let _ = word.fetch_update(AcqRel, Acquire, |state| Some(change(state)));
        }
    }
}

/// 0 marks a free place.
fn named(target: u64) -> u64 {
    target.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &tempfile::TempDir) -> SharedHealth {
        SharedHealth::open_or_create(&folder.path().join("health")).expect("there is room")
    }

    #[test]
    fn what_one_writes_the_other_reads() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (one, other) = (open(&folder), open(&folder));
        assert_eq!(one.read(7), 0);
        // The same place for all three.
        for (target, state) in [(7, 1), (7 + PLACES as u64, 2), (7 + 2 * PLACES as u64, u64::MAX), (0, 3)] {
            one.write(target, state);
            assert_eq!(other.read(target), state);
        }
        other.write(7, 0);
        assert_eq!(one.read(7), 0);
        assert_eq!(one.read(7 + PLACES as u64), 2);
        one.clear();
        assert_eq!(other.read(7 + PLACES as u64), 0);
    }

    #[test]
    fn without_room_a_target_is_up() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let health = open(&folder);
        let same_place = |number: usize| (5 + number * PLACES) as u64;
        for number in 0..TRIES {
            health.write(same_place(number), 1);
        }
        health.write(same_place(TRIES), 1);
        assert_eq!(health.read(same_place(TRIES)), 0);
        assert_eq!(health.read(same_place(TRIES - 1)), 1);
    }

    #[test]
    fn two_that_claim_at_once_share_one_place() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let health = std::sync::Arc::new(open(&folder));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let health = std::sync::Arc::clone(&health);
                std::thread::spawn(move || (1..2000).for_each(|target| health.write(target * 3, target)))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no thread fails"));
        assert!((1..2000).all(|target| health.read(target * 3) == target));
        let claimed = (0..PLACES).filter(|place| load(&health.words[place * PLACE_WORDS], Acquire) != 0).count();
        assert_eq!(claimed, 1999);
    }
}
