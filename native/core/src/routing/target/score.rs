//! Who comes first for a key: weighted rendezvous hashing, in whole numbers, so that every host computes the same.
//!
//! Each target draws from the key and its identity a number that is exponentially distributed with its weight as rate;
//! the smallest wins, in proportion to the weights (D. Thaler, C. Ravishankar: "A Name-Based Mapping Scheme for
//! Rendezvous", 1996; weights as in J. Schindelhauer, G. Schomaker, 2005). A target that is taken away changes no other
//! target's draw, so only its own share moves.

/// Highest weight; keeps the draw exact enough.
pub(super) const MAX_WEIGHT: u32 = 65_535;

/// `2^48 / weight`, or none for a weight of 0.
pub(crate) fn inverse(weight: u32) -> Option<u64> {
    (1_u64 << 48).checked_div(weight.into())
}

/// The draw of the target with this `identity` and [`inverse`] weight; the smallest comes first.
#[inline]
pub(crate) fn draw(key: u64, identity: u64, inverse: u64) -> u64 {
    let exponential = minus_log2(mix(key ^ identity));
    ((u128::from(exponential) * u128::from(inverse)) >> 32) as u64
}

/// Spreads every input bit over all output bits (the finalizer of `SplitMix64`: Steele, Lea, Flood, 2014).
#[inline]
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

/// Bits behind the point in logarithms.
const FRACTION: u32 = 26;
/// Steps of the table between 1 and 2.
const STEPS: usize = 256;

/// `-log2(value / 2^64)` with [`FRACTION`] bits behind the point, at most 64, wrong by at most 3e-6.
#[inline]
fn minus_log2(value: u64) -> u64 {
    let value = value | 1;
    let zeros = value.leading_zeros();
    // From 1 to below 2, the 1 in the highest bit; then 8 bits for the step and 26 for the way to the next.
    let mantissa = value << zeros;
    let step = (mantissa >> 55) as usize & (STEPS - 1);
    let way = mantissa >> (55 - FRACTION) & ((1 << FRACTION) - 1);
    let (low, high) = (LOG2[step], LOG2[step + 1]);
    (u64::from(zeros + 1) << FRACTION) - low - (((high - low) * way) >> FRACTION)
}

/// `log2(1 + step / STEPS)`.
const LOG2: [u64; STEPS + 1] = {
    let mut table = [0; STEPS + 1];
    let mut step = 0;
    while step < STEPS {
        table[step] = log2((1 << 62) + ((step as u64) << 54));
        step += 1;
    }
    table[STEPS] = 1 << FRACTION;
    table
};

/// Logarithm of a number from 1 to below 2 that has 62 bits behind the point, bit by bit: squaring doubles it.
const fn log2(number: u64) -> u64 {
    let mut number = number as u128;
    let mut result = 0;
    let mut bit = FRACTION;
    while bit > 0 {
        bit -= 1;
        number = (number * number) >> 62;
        if number >> 63 != 0 {
            number >>= 1;
            result |= 1 << bit;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn logarithms_are_right(value: u64, shift in 0u32..64) {
            let value = value >> shift | 1;
            let expected = 64.0 - (value as f64).log2();
            let found = minus_log2(value) as f64 / f64::from(1 << FRACTION);
            prop_assert!((expected - found).abs() < 3e-6, "{value}: {found}, expected {expected}");
        }

        #[test]
        fn a_larger_weight_draws_smaller(key: u64, identity: u64, weight in 1..MAX_WEIGHT) {
            let with = |weight| draw(key, identity, inverse(weight).expect("not 0"));
            prop_assert!(with(weight + 1) <= with(weight));
        }
    }

    #[test]
    fn the_ends() {
        assert_eq!(minus_log2(u64::MAX) >> 5, 0);
        assert_eq!(minus_log2(0), 64 << FRACTION);
        assert_eq!(inverse(0), None);
        assert!(draw(0, 0, inverse(1).expect("not 0")) < u64::MAX, "the largest draw does not overflow");
    }
}
