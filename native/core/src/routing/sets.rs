//! Sets of rules: one bit per rule, in file order.
//!
//! Every value that a condition names (a domain, a user, a network) leads to the set of rules whose condition holds for
//! it; where the sets of all conditions meet are the rules that hold. So the cost of a decision grows with rules / 64,
//! whatever a peer sends.

use crate::routing::prefix::RuleIndex;
use std::collections::BTreeMap;

/// A set in its [`RuleSets`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SetId(u32);

/// All sets of one table; equal sets are kept once.
#[derive(Debug)]
pub(super) struct RuleSets {
    /// Words per set.
    width: usize,
    words: Vec<u64>,
}

impl RuleSets {
    /// The words of a set.
    #[inline]
    pub(super) fn words(&self, set: SetId) -> &[u64] {
        let start = set.0 as usize * self.width;
        &self.words[start..start + self.width]
    }
}

/// Whether `rule` is in the set of these words.
#[inline]
pub(super) fn contains(words: &[u64], rule: RuleIndex) -> bool {
    words.get(rule as usize / 64).is_some_and(|word| word >> (rule % 64) & 1 != 0)
}

/// Collects sets while a table is built.
#[derive(Debug)]
pub(super) struct RuleSetsBuilder {
    sets: RuleSets,
    known: BTreeMap<Box<[u64]>, SetId>,
}

impl RuleSetsBuilder {
    pub(super) fn new(rules: usize) -> Self {
        Self { sets: RuleSets { width: rules.div_ceil(64), words: Vec::new() }, known: BTreeMap::new() }
    }

    /// The set of all `rules` of these lists.
    pub(super) fn union<'a>(&mut self, lists: impl IntoIterator<Item = &'a [RuleIndex]>) -> SetId {
        let mut words = vec![0_u64; self.sets.width];
        for &rule in lists.into_iter().flatten() {
            words[rule as usize / 64] |= 1 << (rule % 64);
        }
        let next = SetId(self.known.len() as u32);
        let words = words.into_boxed_slice();
        *self.known.entry(words).or_insert_with_key(|words| {
            self.sets.words.extend_from_slice(words);
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
        assert_eq!(sets.words(one), [0b1010, 1]);
        assert_eq!(sets.words(empty), [0, 0]);
        let words = sets.words(one);
        assert!(contains(words, 64) && !contains(words, 63) && !contains(words, 1000));
    }
}
