//! A file of shared words, of fixed length and without structure: nonce windows, health of targets, counters.

use crate::access::{load, store};
use crate::layout::PAGE_WORDS;
use crate::map::Words;
use crate::place::{self, Boot};
use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::{SystemTime, UNIX_EPOCH};

const MAGIC: u64 = u64::from_le_bytes(*b"dpl:page");

/// Words of the header, which takes one page.
mod head {
    pub(super) const MAGIC: usize = 0;
    /// What is in the file, as its user numbers it.
    pub(super) const KIND: usize = 1;
    pub(super) const LENGTH: usize = 2;
    pub(super) const BOOT: usize = 3;
    pub(super) const CLEAN: usize = 5;
    pub(super) const MADE_MS: usize = 6;
}

/// Words in a file that several processes map. They are zero when the file is new.
///
/// Each access is one of an [`AtomicU64`]; what the words mean, and in which order they are to be written, is the user's.
#[derive(Debug)]
pub struct SharedWords {
    words: Words,
    made_ms: u64,
}

impl SharedWords {
    /// Opens the file at `path` with `length` words of `kind` (a number of the user's choice, to be changed with the
    /// meaning of the words), or makes a new one when there is none of that kind and length, or when the machine went down
    /// while it was in use. Processes that have the old one mapped keep it.
    ///
    /// # Errors
    /// What the system says.
    pub fn open_or_create(path: &Path, kind: u64, length: usize) -> io::Result<Self> {
        let boot = Boot::current()?;
        if let Some(words) = Self::existing(path, kind, length, |head| is_of_boot(head, boot) || is_clean(head))? {
            store(&words.words[head::BOOT], boot.0, Release);
            store(&words.words[head::BOOT + 1], boot.1, Release);
            if is_clean(&words.words) {
                // On the disk too: a later boot must not take it for complete.
                store(&words.words[head::CLEAN], 0, Release);
                words.words.flush(0..PAGE_WORDS)?;
            }
            return Ok(words);
        }
        let made_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        let words = place::create_in_place(path, |file| {
            place::allocate(file, 0, octets(length))?;
            let words = map(file, length)?;
            for (at, value) in [
                (head::KIND, kind),
                (head::LENGTH, length as u64),
                (head::BOOT, boot.0),
                (head::BOOT + 1, boot.1),
                (head::MADE_MS, made_ms),
                (head::MAGIC, MAGIC),
            ] {
                store(&words[at], value, Release);
            }
            Ok(words)
        })?;
        Ok(Self { words, made_ms })
    }

    /// Opens the file at `path` if it has `length` words of `kind` and is in use on this boot.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when there is no such file; what the system says.
    pub fn open(path: &Path, kind: u64, length: usize) -> io::Result<Self> {
        let boot = Boot::current()?;
        Self::existing(path, kind, length, |head| is_of_boot(head, boot))?.ok_or(io::ErrorKind::NotFound.into())
    }

    /// Milliseconds since 1970 when the file was made.
    #[must_use]
    pub fn made_ms(&self) -> u64 {
        self.made_ms
    }

    /// Octets of the file.
    #[must_use]
    pub fn octets(&self) -> u64 {
        octets(self.len())
    }

    /// Writes everything to the disk and notes that it is complete. To be called by the last user.
    ///
    /// # Errors
    /// What the disk says.
    pub fn mark_clean(&self) -> io::Result<()> {
        self.words.flush(0..self.words.len())?;
        store(&self.words[head::CLEAN], 1, Release);
        self.words.flush(0..PAGE_WORDS)
    }

    fn existing(
        path: &Path,
        kind: u64,
        length: usize,
        is_usable: impl FnOnce(&[AtomicU64]) -> bool,
    ) -> io::Result<Option<Self>> {
        let file = match place::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        if file.metadata()?.len() != octets(length) {
            return Ok(None);
        }
        let words = map(&file, length)?;
        let value = |at: usize| load(&words[at], Relaxed);
        let is_ours = value(head::MAGIC) == MAGIC && value(head::KIND) == kind && value(head::LENGTH) == length as u64;
        let made_ms = value(head::MADE_MS);
        Ok((is_ours && is_usable(&words)).then_some(Self { words, made_ms }))
    }
}

impl Deref for SharedWords {
    type Target = [AtomicU64];

    #[inline(always)]
    fn deref(&self) -> &[AtomicU64] {
        &self.words[PAGE_WORDS..]
    }
}

fn is_of_boot(head: &[AtomicU64], boot: Boot) -> bool {
    (load(&head[head::BOOT], Relaxed), load(&head[head::BOOT + 1], Relaxed)) == (boot.0, boot.1)
}

fn is_clean(head: &[AtomicU64]) -> bool {
    load(&head[head::CLEAN], Relaxed) == 1
}

fn octets(length: usize) -> u64 {
    (PAGE_WORDS + length) as u64 * 8
}

fn map(file: &File, length: usize) -> io::Result<Words> {
    Words::map(file, PAGE_WORDS + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_shared_and_stay() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("words");
        assert_eq!(SharedWords::open(&path, 1, 100).expect_err("not there").kind(), io::ErrorKind::NotFound);
        let first = SharedWords::open_or_create(&path, 1, 100).expect("made");
        let second = SharedWords::open(&path, 1, 100).expect("there now");
        store(&first[99], 7, Release);
        assert_eq!(load(&second[99], Relaxed), 7);
        drop((first, second));
        let again = SharedWords::open_or_create(&path, 1, 100).expect("still there");
        assert_eq!((again.len(), load(&again[99], Relaxed)), (100, 7));
    }

    #[test]
    fn another_kind_or_length_is_another_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("words");
        let first = SharedWords::open_or_create(&path, 1, 100).expect("made");
        store(&first[0], 7, Release);
        assert!(SharedWords::open(&path, 2, 100).is_err());
        assert!(SharedWords::open(&path, 1, 101).is_err());
        let other = SharedWords::open_or_create(&path, 2, 100).expect("made anew");
        assert_eq!((load(&other[0], Relaxed), load(&first[0], Relaxed)), (0, 7), "who has the old one keeps it");
    }

    #[test]
    fn only_a_clean_file_outlives_its_boot() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, clean, kept) in [("torn", false, 0), ("clean", true, 7)] {
            let path = folder.path().join(name);
            let words = SharedWords::open_or_create(&path, 1, 8).expect("made");
            store(&words[0], 7, Release);
            if clean {
                words.mark_clean().expect("the disk takes it");
            }
            store(&words.words[head::BOOT], 1, Release);
            drop(words);
            assert!(SharedWords::open(&path, 1, 8).is_err(), "{name}: not before it was taken into use");
            let words = SharedWords::open_or_create(&path, 1, 8).expect("opened");
            assert_eq!(load(&words[0], Relaxed), kept, "{name}");
            assert!(!is_clean(&words.words), "{name}");
        }
    }
}
