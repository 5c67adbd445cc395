//! What is different in each message: identifiers that look random and can be read back.
//!
//! Every value comes from the number of the exchange and the seed, so that a message can be rebuilt when an answer to it
//! arrives: nothing about it is stored, and two runs with one seed send the same octets.

/// Stages within one exchange, told apart by the branch.
pub const STAGES: u64 = 4;

/// Numbers that a user part may hold: nine digits behind `+493`.
pub const NUMBERS: u64 = 1_000_000_000;

/// A bijection of 64-bit integers that scatters its input (the finalizer of SplitMix64).
pub fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The inverse of [`mix`].
pub fn unmix(mut x: u64) -> u64 {
    x = (x ^ (x >> 31) ^ (x >> 62)).wrapping_mul(0x3196_42b2_d24d_8ec3);
    x = (x ^ (x >> 27) ^ (x >> 54)).wrapping_mul(0x96de_1b17_3f11_9089);
    x ^ (x >> 30) ^ (x >> 60)
}

/// Maps exchange numbers to identifiers and back.
#[derive(Clone, Copy)]
pub struct Ident {
    key: u64,
}

impl Ident {
    /// `seed` of the run.
    pub fn new(seed: u64) -> Self {
        Self { key: mix(seed ^ 0x6469_616c_706c_616e) }
    }

    /// The 64 bits of the branch of message `stage` in exchange `id`.
    pub fn branch(&self, id: u64, stage: u64) -> u64 {
        mix((id * STAGES + stage) ^ self.key)
    }

    /// Exchange and stage of a branch. Any 64 bits give some answer: the caller checks that it asked for it.
    pub fn read_branch(&self, branch: u64) -> (u64, u64) {
        let token = unmix(branch) ^ self.key;
        (token / STAGES, token % STAGES)
    }

    /// The index that [`Self::value`] with this `salt` was made from. Any 64 bits give some answer, as with branches.
    pub fn read_value(&self, value: u64, salt: u64) -> u64 {
        unmix(unmix(value).wrapping_sub(salt)) ^ self.key
    }

    /// Another value that belongs to `index`; `salt` names which.
    pub fn value(&self, index: u64, salt: u64) -> u64 {
        mix(mix(index ^ self.key).wrapping_add(salt))
    }
}

/// The nine digits of subscriber `index`: distinct below [`NUMBERS`], scattered over the whole range.
pub fn number(index: u64) -> u64 {
    (index * 7_368_787 + 123_456_789) % NUMBERS
}

/// The index that [`number`] maps to `digits`, which are below [`NUMBERS`].
#[cfg(test)]
pub fn index(digits: u64) -> u64 {
    // 7_368_787 is odd and no multiple of 5, so it has an inverse modulo 10^9; found by the extended Euclid below.
    let (mut old, mut now) = (7_368_787i128, NUMBERS as i128);
    let (mut a, mut b) = (1i128, 0i128);
    while now != 0 {
        let q = old / now;
        (old, now) = (now, old - q * now);
        (a, b) = (b, a - q * b);
    }
    let shifted = (digits + NUMBERS - 123_456_789) % NUMBERS;
    ((shifted as i128 * a.rem_euclid(NUMBERS as i128)) % NUMBERS as i128) as u64
}

/// Sixteen lower-case hexadecimal digits.
pub fn write_hex(value: u64, out: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (i, byte) in out.iter_mut().enumerate().take(16) {
        *byte = DIGITS[(value >> (60 - 4 * i)) as usize & 15];
    }
}

/// Reads sixteen hexadecimal digits.
pub fn read_hex(text: &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for &c in text.get(..16)? {
        let digit = match c {
            b'0'..=b'9' => c - b'0',
            b'a'..=b'f' => c - b'a' + 10,
            _ => return None,
        };
        value = value << 4 | u64::from(digit);
    }
    Some(value)
}

/// Decimal digits with leading zeros, as many as `out` has room for.
pub fn write_decimal(mut value: u64, out: &mut [u8]) {
    for byte in out.iter_mut().rev() {
        *byte = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mix_is_undone() {
        for x in [0, 1, 2, 77, u64::MAX, 0x8000_0000_0000_0000, 0x0123_4567_89ab_cdef] {
            assert_eq!(unmix(mix(x)), x);
        }
    }

    #[test]
    fn branch_is_read_back() {
        let ident = Ident::new(7);
        for id in [0, 1, 99_999, 1 << 40] {
            for stage in 0..STAGES {
                assert_eq!(ident.read_branch(ident.branch(id, stage)), (id, stage));
            }
        }
    }

    #[test]
    fn value_is_read_back() {
        let ident = Ident::new(7);
        for (id, salt) in [(0, 2), (1, 2), (99_999, 17), (1 << 40, 0)] {
            assert_eq!(ident.read_value(ident.value(id, salt), salt), id);
        }
    }

    #[test]
    fn numbers_are_distinct() {
        for i in (0..10_000_000).step_by(997) {
            assert_eq!(index(number(i)), i);
        }
    }

    #[test]
    fn hex_round_trip() {
        let mut text = [0; 16];
        write_hex(0x00fe_dcba_9876_5432, &mut text);
        assert_eq!(&text, b"00fedcba98765432");
        assert_eq!(read_hex(&text), Some(0x00fe_dcba_9876_5432));
        assert_eq!(read_hex(b"00fedcba9876543G"), None);
        assert_eq!(read_hex(b"00fe"), None);
    }

    #[test]
    fn decimal_has_leading_zeros() {
        let mut text = [0; 9];
        write_decimal(12_345, &mut text);
        assert_eq!(&text, b"000012345");
    }
}
