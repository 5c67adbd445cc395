//! Files mapped into memory: the only unsafe code of this crate.
//!
//! Two calls, one for each promise. [`Words`] is memory that other processes change under our hands, so it is handed out
//! as atomics and nothing else. [`Frozen`] is a file that nobody changes once it has its name, so it is handed out as bytes.

use memmap2::{Mmap, MmapOptions, MmapRaw};
use std::fs::File;
use std::io;
use std::ops::Deref;
use std::sync::atomic::AtomicU64;

/// A file shared between processes, as 64-bit words.
#[derive(Debug)]
pub(crate) struct Words {
    raw: MmapRaw,
    len: usize,
}

impl Words {
    /// Maps the first `words` words of `file`, which may still be shorter: whoever uses a word has to know that the file
    /// has grown that far, as the kernel ends a process that touches what lies behind the end (`SIGBUS`).
    ///
    /// # Errors
    /// What the kernel says, such as no address range of that size.
    pub(crate) fn map(file: &File, words: usize) -> io::Result<Self> {
        let octets = words.checked_mul(8).ok_or(io::ErrorKind::InvalidInput)?;
        let raw = MmapOptions::new().len(octets).map_raw(file)?;
        // Keys are hashed, so what lies beside a page is not wanted next; reading ahead made the first touch of a page three
        // times as dear. A kernel that refuses the advice only does that.
        let _ = raw.advise(memmap2::Advice::Random);
        Ok(Self { raw, len: words })
    }

    /// Asks the kernel for the pages of `range` in one go. Each of them costs several times as much when it is taken at its
    /// first use.
    pub(crate) fn populate(&self, range: std::ops::Range<usize>) {
        // A kernel older than 5.14 refuses, and gives each page when it is used.
        #[cfg(target_os = "linux")]
        let _ = self.raw.advise_range(memmap2::Advice::PopulateWrite, range.start * 8, range.len() * 8);
    }

    /// Writes the words of `range` to the disk and waits for it.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn flush(&self, range: std::ops::Range<usize>) -> io::Result<()> {
        self.raw.flush_range(range.start * 8, (range.end - range.start) * 8)
    }
}

impl Deref for Words {
    type Target = [AtomicU64];

    #[inline(always)]
    #[allow(unsafe_code, reason = "named place: mapped memory as atomics")]
    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is `len * 8` octets long, begins at a page and lives as long as `self`. Other processes write
        // to it at any time, which `AtomicU64` allows: every process of every version goes through atomics. Any bit pattern
        // is a valid value.
        unsafe { std::slice::from_raw_parts(self.raw.as_mut_ptr().cast::<AtomicU64>(), self.len) }
    }
}

/// A file that is complete and never written again, as octets.
#[derive(Debug)]
pub(crate) struct Frozen {
    map: Mmap,
}

impl Frozen {
    /// Maps the whole of `file`.
    ///
    /// # Errors
    /// What the kernel says.
    #[allow(unsafe_code, reason = "named place: an immutable file as octets")]
    pub(crate) fn map(file: &File) -> io::Result<Self> {
        // SAFETY: the files mapped here (number tables) are written under another name, synced and renamed into place; no
        // code of ours opens them for writing afterwards. An operator who overwrites one in place instead of replacing it
        // breaks that promise; the documentation of `NumberFile` tells so.
        let map = unsafe { Mmap::map(file)? };
        Ok(Self { map })
    }

    /// Asks the kernel to bring the file into memory, without waiting.
    pub(crate) fn will_need(&self) {
        // A kernel that refuses the advice only makes the first look-ups slower.
        let _ = self.map.advise(memmap2::Advice::WillNeed);
    }
}

impl Deref for Frozen {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        &self.map
    }
}
