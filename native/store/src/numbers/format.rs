//! The file of a number table.
//!
//! ```text
//! header       one page, with its own checksum: what there is for each number of digits, and where
//! per length   lines of 64 octets, each eight words; then the values, each at a multiple of 4: length octet, octets
//! word         place of the value, in fours | how many lines from home (4 bits) | rest of the scrambled number
//! ```
//! A number of n digits is scrambled by a permutation of all numbers of as many bits; the first bits of the result are
//! the line it belongs to, the rest is in the word. So eight octets tell number and value exactly, and a look-up touches
//! one line in most cases. A full line sends what comes later to the next one; a word of zero ends the search.

use super::NumberFileError;
use crate::place::word;
use siphasher::sip::SipHasher13;

/// Digits of the longest number: E.164 has 15.
pub(super) const LONGEST: usize = 15;
/// Octets of the header.
pub(super) const HEADER: usize = 4096;
/// Octets of a line.
pub(super) const LINE: usize = 64;
/// Words of a line.
pub(super) const LINE_WORDS: usize = LINE / 8;
/// How many lines from home an entry may be.
pub(super) const FARTHEST: u64 = 15;
const FARTHEST_BITS: u32 = 4;
/// Unit of the places of values.
pub(super) const VALUE_UNIT: usize = 4;

const MAGIC: u64 = u64::from_le_bytes(*b"dpl:numb");
const VERSION: u64 = 1;
/// Words of the header before the lengths, words of each length, and the word of the checksum.
const LENGTHS_AT: usize = 8;
const LENGTH_WORDS: usize = 4;
const CHECKSUM_AT: usize = HEADER / 8 - 1;

/// What the header says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) entries: u64,
    /// Length and time of change of what it was made from.
    pub(super) stamp: [u64; 2],
    pub(super) file_length: u64,
    /// By number of digits.
    pub(super) lengths: [Option<Length>; LONGEST + 1],
}

/// The entries of one number of digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Length {
    /// Bits of the largest number.
    bits: u32,
    /// There are 2^`log2` lines.
    log2: u32,
    lines_at: usize,
    values_at: usize,
    values_length: usize,
}

impl Header {
    /// Reads and checks the header of a whole file.
    ///
    /// # Errors
    /// [`NumberFileError`]
    pub(super) fn read(file: &[u8]) -> Result<Self, NumberFileError> {
        let head = file.first_chunk::<HEADER>().ok_or(NumberFileError::Damaged)?;
        let at = |number: usize| word(&head[number * 8..]);
        if at(0) != MAGIC {
            return Err(NumberFileError::Damaged);
        }
        if at(1) != VERSION {
            return Err(NumberFileError::OtherVersion);
        }
        let file_length = at(2);
        if at(CHECKSUM_AT) != checksum(head) || file_length != file.len() as u64 {
            return Err(NumberFileError::Damaged);
        }
        let mut header = Self { entries: at(3), stamp: [at(4), at(5)], file_length, ..Self::default() };
        for digits in 1..=LONGEST {
            let words = LENGTHS_AT + digits * LENGTH_WORDS;
            if at(words) != 0 {
                let parts = [at(words), at(words + 1), at(words + 2), at(words + 3)];
                let length = Length::unpack(digits, parts, file.len()).ok_or(NumberFileError::Damaged)?;
                header.lengths[digits] = Some(length);
            }
        }
        Ok(header)
    }

    pub(super) fn write(&self) -> [u8; HEADER] {
        let mut head = [0; HEADER];
        let mut put = |number: usize, value: u64| head[number * 8..][..8].copy_from_slice(&value.to_le_bytes());
        let words = [MAGIC, VERSION, self.file_length, self.entries, self.stamp[0], self.stamp[1]];
        words.into_iter().enumerate().for_each(|(number, value)| put(number, value));
        for (digits, length) in self.lengths.iter().enumerate() {
            for (number, value) in length.iter().flat_map(Length::pack).enumerate() {
                put(LENGTHS_AT + digits * LENGTH_WORDS + number, value);
            }
        }
        let checksum = checksum(&head);
        head[CHECKSUM_AT * 8..].copy_from_slice(&checksum.to_le_bytes());
        head
    }
}

impl Length {
    pub(super) fn new(digits: usize, log2: u32, lines_at: usize, values_at: usize, values_length: usize) -> Self {
        Self { bits: bits(digits), log2, lines_at, values_at, values_length }
    }

    fn pack(&self) -> impl Iterator<Item = u64> {
        [u64::from(self.log2) + 1, self.lines_at as u64, self.values_at as u64, self.values_length as u64].into_iter()
    }

    fn unpack(digits: usize, [log2, lines_at, values_at, values_length]: [u64; 4], file: usize) -> Option<Self> {
        let within = |at: u64, length: u64| Some(usize::try_from(at.checked_add(length)?).ok()? <= file);
        let log2 = u32::try_from(log2 - 1).ok().filter(|log2| *log2 <= bits(digits))?;
        let are_within = within(lines_at, (LINE as u64) << log2)? && within(values_at, values_length)?;
        let length = Self::new(digits, log2, lines_at as usize, values_at as usize, values_length as usize);
        are_within.then_some(length)
    }

    /// Home line and rest of a number.
    #[inline(always)]
    pub(super) fn place(&self, number: u64) -> (u64, u64) {
        let scrambled = scramble(number, self.bits);
        (scrambled >> self.rest_bits(), scrambled & ((1 << self.rest_bits()) - 1))
    }

    /// A line, counted on from the last to the first.
    #[inline(always)]
    pub(super) fn line<'f>(&self, file: &'f [u8], number: u64) -> Option<&'f [u8; LINE]> {
        let number = number as usize & ((1 << self.log2) - 1);
        file.get(self.lines_at + number * LINE..)?.first_chunk()
    }

    /// The part of a word that tells the number.
    #[inline(always)]
    pub(super) fn key(&self, rest: u64, displacement: u64) -> u64 {
        displacement << self.rest_bits() | rest
    }

    #[inline(always)]
    pub(super) fn key_of(&self, word: u64) -> u64 {
        word & ((1 << self.key_bits()) - 1)
    }

    /// A word; `None` when the value lies too far behind to be told in it.
    pub(super) fn word(&self, key: u64, value_unit: u64) -> Option<u64> {
        (value_unit < 1 << (64 - self.key_bits())).then(|| value_unit << self.key_bits() | key)
    }

    /// Where the value of a word is.
    pub(super) fn place_of_value(&self, word: u64) -> u32 {
        (word >> self.key_bits()) as u32
    }

    /// The value that a word leads to.
    #[inline(always)]
    pub(super) fn value<'f>(&self, file: &'f [u8], word: u64) -> Option<&'f [u8]> {
        let at = (word >> self.key_bits()) as usize * VALUE_UNIT;
        let values = file.get(self.values_at..self.values_at + self.values_length)?;
        let (length, rest) = values.get(at..)?.split_first()?;
        rest.get(..usize::from(*length))
    }

    fn rest_bits(&self) -> u32 {
        self.bits - self.log2
    }

    fn key_bits(&self) -> u32 {
        self.rest_bits() + FARTHEST_BITS
    }
}

/// Bits of the largest number of that many digits.
pub(super) fn bits(digits: usize) -> u32 {
    10_u64.pow(digits as u32).ilog2() + 1
}

/// A permutation of all numbers of `bits` bits (at least 4) that leaves nothing of their order.
#[inline(always)]
fn scramble(number: u64, bits: u32) -> u64 {
    let (mask, half) = ((1 << bits) - 1, bits.div_ceil(2));
    let mut number = number;
    for factor in [0x9e37_79b9_7f4a_7c15, 0xd6e8_feb8_6659_fd93] {
        number ^= number >> half;
        number = number.wrapping_mul(factor) & mask;
    }
    number ^ number >> half
}

/// Of everything in the header before it.
fn checksum(head: &[u8; HEADER]) -> u64 {
    SipHasher13::new().hash(&head[..CHECKSUM_AT * 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrambling_is_a_permutation() {
        for bits in 4..=14 {
            let mut seen = vec![false; 1 << bits];
            (0..1 << bits).for_each(|number| seen[scramble(number, bits) as usize] = true);
            assert!(seen.into_iter().all(|seen| seen), "{bits}");
        }
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let mut header = Header { entries: 7, stamp: [8, 9], file_length: 9000, ..Header::default() };
        header.lengths[15] = Some(Length::new(15, 3, 4096, 4608, 100));
        let mut file = header.write().to_vec();
        file.resize(9000, 0);
        assert_eq!(Header::read(&file).expect("as written"), header);
        for (name, at) in [("entries", 24), ("a length", LENGTHS_AT * 8 + 15 * 32), ("the checksum", HEADER - 1)] {
            file[at] ^= 1;
            assert!(matches!(Header::read(&file), Err(NumberFileError::Damaged)), "{name}");
            file[at] ^= 1;
        }
        file[8] ^= 1;
        assert!(matches!(Header::read(&file), Err(NumberFileError::OtherVersion)));
        assert!(matches!(Header::read(&file[..HEADER - 1]), Err(NumberFileError::Damaged)));
    }

    #[test]
    fn a_length_beyond_the_file_is_damage() {
        for (lines_at, values_at, values_length) in
            [(8960, 4096, 4), (4096, 8990, 11), (usize::MAX, 4096, 4), (4096, usize::MAX, 4)]
        {
            let mut header = Header { file_length: 9000, ..Header::default() };
            header.lengths[9] = Some(Length::new(9, 0, lines_at, values_at, values_length));
            let mut file = header.write().to_vec();
            file.resize(9000, 0);
            assert!(matches!(Header::read(&file), Err(NumberFileError::Damaged)), "{lines_at} {values_at}");
        }
    }
}
