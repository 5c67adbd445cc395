//! Number tables: telephone numbers or prefixes, and where they lead, in one immutable file that all workers map.
//!
//! A look-up is for the longest entry that the digits start with. [`compile`] makes the file from CSV; [`NumberFile`]
//! opens it at once, whatever its size.

mod compile;
mod csv;
mod format;
mod write;

pub use compile::{CompileError, compile};
pub use csv::{CsvError, CsvProblem};
pub use write::{NumberTableBuilder, NumberTableError};

use crate::map::Frozen;
use dialplane_core::store::NumberTable;
use format::{Header, LINE, LONGEST, Length};
use std::fs::File;
use std::io;
use std::path::Path;

/// An opened number table.
///
/// The file may be replaced by another one of the same name at any time (look-ups go on in the old one); it must never be
/// changed in place.
#[derive(Debug)]
pub struct NumberFile {
    map: Frozen,
    header: Header,
}

/// Why a number table cannot be opened.
#[derive(Debug)]
pub enum NumberFileError {
    /// It is not a number table, or a piece of it is missing or changed.
    Damaged,
    /// It was made by a version with another format: compile it again.
    OtherVersion,
    /// What the system said.
    System(io::Error),
}

impl std::fmt::Display for NumberFileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged => f.write_str("not a compiled number table, or damaged"),
            Self::OtherVersion => f.write_str("compiled by another version; it has to be compiled again"),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for NumberFileError {}

impl From<io::Error> for NumberFileError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl NumberFile {
    /// Opens the file at `path`. Only its header is read.
    ///
    /// # Errors
    /// [`NumberFileError`]
    pub fn open(path: &Path) -> Result<Self, NumberFileError> {
        let file = File::open(path)?;
        if file.metadata()?.len() < format::HEADER as u64 {
            return Err(NumberFileError::Damaged);
        }
        let map = Frozen::map(&file)?;
        let header = Header::read(&map)?;
        map.will_need();
        Ok(Self { map, header })
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.header.entries
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it was compiled from the file at `csv` as it is now (by its length and time of change).
    ///
    /// # Errors
    /// What the system says.
    pub fn is_made_from(&self, csv: &Path) -> io::Result<bool> {
        Ok(compile::stamp(&File::open(csv)?)? == self.header.stamp)
    }

    /// The value of one number among those of its length, if it has an entry.
    #[inline(always)]
    fn find(&self, length: &Length, line: &[u8; LINE], probe: Probe) -> Option<&[u8]> {
        let mut line = line;
        for displacement in 0..=format::FARTHEST {
            let wanted = length.key(probe.remainder, displacement);
            for word in line.as_chunks::<8>().0 {
                let word = u64::from_le_bytes(*word);
                if word == 0 {
                    return None;
                }
                if length.key_of(word) == wanted {
                    return length.value(&self.map, word);
                }
            }
            line = length.line(&self.map, probe.home + displacement + 1)?;
        }
        None
    }
}

/// Where a number would be.
#[derive(Clone, Copy, Default)]
struct Probe {
    home: u64,
    remainder: u64,
}

impl NumberTable for NumberFile {
    fn longest(&self, digits: &[u8]) -> Option<(usize, &[u8])> {
        let mut probes: [Option<(&Length, &[u8; LINE], Probe)>; LONGEST + 1] = [None; LONGEST + 1];
        let mut touched = 0;
        let mut number = 0;
        let mut longest = 0;
        for (at, digit) in digits.iter().take(LONGEST).enumerate() {
            let digit = digit.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            longest = at + 1;
            number = number * 10 + u64::from(digit);
            let Some(length) = &self.header.lengths[longest] else { continue };
            let (home, remainder) = length.place(number);
            let Some(line) = length.line(&self.map, home) else { continue };
            // Read all lines before looking into one: the waits for memory then overlap.
            touched ^= line[0];
            probes[longest] = Some((length, line, Probe { home, remainder }));
        }
        std::hint::black_box(touched);
        (1..=longest).rev().find_map(|count| {
            let (length, line, probe) = probes[count]?;
            Some((count, self.find(length, line, probe)?))
        })
    }
}

#[cfg(test)]
mod tests;
