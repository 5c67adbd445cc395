//! Making a number table: entries are collected in memory, then laid out and written to a file that appears whole.

use super::format::{FARTHEST, HEADER, Header, LINE, LINE_WORDS, LONGEST, Length, VALUE_UNIT, bits};
use crate::place;
use siphasher::sip::SipHasher13;
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::hash::{BuildHasherDefault, Hasher};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Longest value, octets.
const MAX_VALUE: usize = 255;
/// Entries per line at most, on average; where eight fit, six leave the look-ups short.
const LINE_SHARE: usize = 6;
/// Different values that are remembered to be found again, per number of digits. Where there are more, hardly any two are
/// the same.
const REMEMBERED: usize = 1 << 20;

/// Collects entries for a number table.
#[derive(Debug, Default)]
pub struct NumberTableBuilder {
    /// By number of digits.
    lengths: [Entries; LONGEST + 1],
}

/// Why an entry, or the whole table, cannot be stored.
#[derive(Debug)]
pub enum NumberTableError {
    /// No digits, more than 15 of them, or something else than digits.
    NotANumber,
    /// Two values for one number. The number, as digits.
    Twice(String),
    /// More than 255 octets, or none.
    ValueLength,
    /// What the system said.
    System(io::Error),
}

impl fmt::Display for NumberTableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotANumber => f.write_str("a number is 1 to 15 digits"),
            Self::Twice(number) => write!(f, "{number} has two different values"),
            Self::ValueLength => f.write_str("a value is 1 to 255 octets"),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for NumberTableError {}

impl From<io::Error> for NumberTableError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

#[derive(Debug, Default)]
struct Entries {
    numbers: Vec<u64>,
    /// Where the value of each is in `values`, in units.
    places: Vec<u32>,
    /// What the file will have.
    values: Vec<u8>,
    /// Hash of a value → where it is.
    known: HashMap<u64, u32, BuildHasherDefault<AlreadyHashed>>,
}

#[derive(Default)]
struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        self.0 = place::word(octets);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl NumberTableBuilder {
    /// A builder without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry: 1 to 15 digits (ASCII, without `+`) and a value of 1 to 255 octets.
    ///
    /// # Errors
    /// [`NumberTableError::NotANumber`], [`NumberTableError::ValueLength`]; the entry is then left out.
    pub fn add(&mut self, digits: &[u8], value: &[u8]) -> Result<(), NumberTableError> {
        if !(1..=LONGEST).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
            return Err(NumberTableError::NotANumber);
        }
        if !(1..=MAX_VALUE).contains(&value.len()) {
            return Err(NumberTableError::ValueLength);
        }
        let number = digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
        let entries = &mut self.lengths[digits.len()];
        let place = entries.intern(value)?;
        entries.numbers.push(number);
        entries.places.push(place);
        Ok(())
    }

    /// Writes the table to `path`, in place of what is there, and returns the number of entries. `stamp` is kept in it.
    ///
    /// # Errors
    /// [`NumberTableError::Twice`], [`NumberTableError::System`]; what is at `path` stays as it is.
    pub fn write(self, path: &Path, stamp: [u64; 2]) -> Result<u64, NumberTableError> {
        let mut header = Header { stamp, file_length: HEADER as u64, ..Header::default() };
        let mut outcome = Ok(());
        place::create_in_place(path, |file| {
            // The header comes last, so that an unfinished file is nothing.
            let mut out = BufWriter::with_capacity(1 << 16, file);
            out.write_all(&[0; HEADER])?;
            for (digits, entries) in
                self.lengths.into_iter().enumerate().filter(|(_, entries)| !entries.numbers.is_empty())
            {
                match entries.lay_out(digits, header.file_length as usize) {
                    Ok(laid_out) => laid_out.write(&mut out, &mut header, digits)?,
                    Err(error) => {
                        outcome = Err(error);
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                }
            }
            out.flush()?;
            drop(out);
            finish(file, &header)
        })
        .map_err(|error| std::mem::replace(&mut outcome, Ok(())).err().unwrap_or(NumberTableError::System(error)))?;
        Ok(header.entries)
    }
}

fn finish(file: &File, header: &Header) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, &header.write(), 0)?;
    file.sync_all()
}

impl Entries {
    /// Stores a value once, and returns where it is.
    fn intern(&mut self, value: &[u8]) -> io::Result<u32> {
        let hash = SipHasher13::new().hash(value);
        if let Some(place) = self.known.get(&hash).filter(|place| self.value(**place) == Some(value)) {
            return Ok(*place);
        }
        // The first place is left free, so that no word is zero.
        self.values.resize(self.values.len().next_multiple_of(VALUE_UNIT).max(VALUE_UNIT), 0);
        let place =
            u32::try_from(self.values.len() / VALUE_UNIT).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        self.values.push(value.len() as u8);
        self.values.extend_from_slice(value);
        if self.known.len() < REMEMBERED {
            self.known.insert(hash, place);
        }
        Ok(place)
    }

    fn value(&self, place: u32) -> Option<&[u8]> {
        let (length, rest) = self.values.get(place as usize * VALUE_UNIT..)?.split_first()?;
        rest.get(..usize::from(*length))
    }

    /// Puts all entries into lines; into twice as many if some would come to lie too far from home.
    fn lay_out(mut self, digits: usize, at: usize) -> Result<LaidOut, NumberTableError> {
        self.known = HashMap::default();
        let fewest = self.numbers.len().div_ceil(LINE_SHARE).next_power_of_two().ilog2();
        for log2 in fewest..=bits(digits) {
            let values_at = at + (LINE << log2);
            let length = Length::new(digits, log2, at, values_at, self.values.len());
            let mut words = vec![0; LINE_WORDS << log2];
            if let Some(entries) = self.place_all(&length, digits, &mut words)? {
                return Ok(LaidOut { words, values: self.values, entries, length });
            }
        }
        Err(NumberTableError::System(io::ErrorKind::FileTooLarge.into()))
    }

    /// Returns how many entries there are, or `None` when one finds no place near enough.
    fn place_all(&self, length: &Length, digits: usize, words: &mut [u64]) -> Result<Option<u64>, NumberTableError> {
        let mut entries = 0;
        let lines = words.len() / LINE_WORDS;
        for (number, place) in self.numbers.iter().zip(&self.places) {
            let (home, rest) = length.place(*number);
            let mut is_placed = false;
            'lines: for displacement in 0..=FARTHEST.min(lines as u64 - 1) {
                let key = length.key(rest, displacement);
                let Some(word) = length.word(key, u64::from(*place)) else { return Ok(None) };
                let line = (home + displacement) as usize % lines * LINE_WORDS;
                for slot in &mut words[line..line + LINE_WORDS] {
                    if *slot == 0 {
                        *slot = word;
                        entries += 1;
                        is_placed = true;
                        break 'lines;
                    }
                    if length.key_of(*slot) == key {
                        if *slot != word && self.differ(length, *slot, *place) {
                            return Err(NumberTableError::Twice(format!("{number:0digits$}")));
                        }
                        is_placed = true;
                        break 'lines;
                    }
                }
            }
            if !is_placed {
                return Ok(None);
            }
        }
        Ok(Some(entries))
    }

    /// Whether the values differ; those that were not remembered may be there twice.
    fn differ(&self, length: &Length, word: u64, place: u32) -> bool {
        self.value(length.place_of_value(word)) != self.value(place)
    }
}

struct LaidOut {
    words: Vec<u64>,
    values: Vec<u8>,
    entries: u64,
    length: Length,
}

impl LaidOut {
    fn write(self, out: &mut impl Write, header: &mut Header, digits: usize) -> io::Result<()> {
        self.words.iter().try_for_each(|word| out.write_all(&word.to_le_bytes()))?;
        out.write_all(&self.values)?;
        let octets = self.words.len() * 8 + self.values.len();
        let padding = octets.next_multiple_of(LINE) - octets;
        out.write_all(&[0; LINE][..padding])?;
        header.file_length += (octets + padding) as u64;
        header.entries += self.entries;
        header.lengths[digits] = Some(self.length);
        Ok(())
    }
}
