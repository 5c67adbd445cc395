//! Sets of rules: one bit per rule, in file order.
//!
//! Every value that a condition names (a domain, a user, a network) leads to the set of rules whose condition holds for
//! it; where the sets of all conditions meet are the rules that hold. So the cost of a decision grows with rules / 256,
//! whatever a peer sends.

use crate::routing::prefix::RuleIndex;
use std::collections::BTreeMap;

/// A set in its [`RuleSets`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SetId(u32);

/// Words that are looked at together.
const LANES: usize = 4;

/// [`LANES`] times 64 rules.
pub(super) type Lanes = [u64; LANES];

/// All sets of one table; equal sets are kept once.
#[derive(Debug)]
pub(super) struct RuleSets {
    /// Lanes per set.
    width: usize,
    lanes: Vec<Lanes>,
}

impl RuleSets {
    /// The bits of a set.
    #[inline]
    pub(super) fn bits(&self, set: SetId) -> &[Lanes] {
        let start = set.0 as usize * self.width;
        &self.lanes[start..start + self.width]
    }
}

/// Whether `rule` is in the set of these bits.
#[inline]
pub(super) fn contains(bits: &[Lanes], rule: RuleIndex) -> bool {
    let (word, bit) = (rule as usize / 64, rule % 64);
    bits.get(word / LANES).is_some_and(|lanes| lanes[word % LANES] >> bit & 1 != 0)
}

/// The rules that are in all of these sets, in file order.
pub(super) struct Common<'t, const SETS: usize> {
    sets: [&'t [Lanes]; SETS],
    /// Lane that comes next.
    next: usize,
    /// What is left of the one before it.
    left: Lanes,
}

impl<'t, const SETS: usize> Common<'t, SETS> {
    #[inline]
    pub(super) fn new(sets: [&'t [Lanes]; SETS]) -> Self {
        Self { sets, next: 0, left: [0; LANES] }
    }
}

impl<const SETS: usize> Iterator for Common<'_, SETS> {
    type Item = RuleIndex;

    #[inline]
    fn next(&mut self) -> Option<RuleIndex> {
        while self.left == [0; LANES] {
            let mut lanes = [u64::MAX; LANES];
            for set in self.sets {
                let set = set.get(self.next)?;
                lanes = std::array::from_fn(|lane| lanes[lane] & set[lane]);
            }
            (self.left, self.next) = (lanes, self.next + 1);
        }
        let lane = self.left.iter().position(|&word| word != 0)?;
        let word = (self.next - 1) * LANES + lane;
        let rule = word as RuleIndex * 64 + self.left[lane].trailing_zeros();
        self.left[lane] &= self.left[lane] - 1;
        Some(rule)
    }
}

/// Collects sets while a table is built.
#[derive(Debug)]
pub(super) struct RuleSetsBuilder {
    sets: RuleSets,
    known: BTreeMap<Box<[Lanes]>, SetId>,
}

impl RuleSetsBuilder {
    pub(super) fn new(rules: usize) -> Self {
        Self { sets: RuleSets { width: rules.div_ceil(64 * LANES), lanes: Vec::new() }, known: BTreeMap::new() }
    }

    /// The set of all `rules` of these lists.
    pub(super) fn union<'a>(&mut self, lists: impl IntoIterator<Item = &'a [RuleIndex]>) -> SetId {
        let mut bits = vec![[0; LANES]; self.sets.width];
        for &rule in lists.into_iter().flatten() {
            let word = rule as usize / 64;
            bits[word / LANES][word % LANES] |= 1 << (rule % 64);
        }
        let next = SetId(self.known.len() as u32);
        *self.known.entry(bits.into()).or_insert_with_key(|bits| {
            self.sets.lanes.extend_from_slice(bits);
            next
        })
    }

    pub(super) fn finish(self) -> RuleSets {
        self.sets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sets_are_kept_once() {
        let mut builder = RuleSetsBuilder::new(65);
        let one = builder.union([&[1, 64][..], &[3]]);
        let other = builder.union([&[3, 64, 1][..]]);
        let empty = builder.union([]);
        assert_eq!(one, other);
        assert_ne!(one, empty);
        let sets = builder.finish();
        assert_eq!(sets.bits(one), [[0b1010, 1, 0, 0]]);
        assert_eq!(sets.bits(empty), [[0; LANES]]);
        let bits = sets.bits(one);
        assert!(contains(bits, 64) && !contains(bits, 63) && !contains(bits, 1000));
    }

    #[test]
    fn what_is_common_comes_in_order() {
        let mut builder = RuleSetsBuilder::new(1000);
        let even: Vec<_> = (0..1000).step_by(2).collect();
        let some = [0, 1, 2, 63, 64, 255, 256, 700, 701, 998, 999];
        let (even, some) = (builder.union([&even[..]]), builder.union([&some[..]]));
        let sets = builder.finish();
        let common = Common::new([sets.bits(even), sets.bits(some)]);
        assert_eq!(common.collect::<Vec<_>>(), [0, 2, 64, 256, 700, 998]);
        assert_eq!(Common::new([&[][..]; 2]).next(), None);
    }
}
