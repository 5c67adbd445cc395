//! Number prefixes of all rules in one table: finds every prefix of a number, longest first. RFC 3966 §3.
//!
//! A prefix is one word, four bits per symbol, and the table is hashed. A look-up asks once for each length that
//! any prefix has; these questions do not depend on each other, so that even in a million prefixes they wait for memory
//! together, where a tree would wait level by level.

use crate::routing::number::Number;

/// Index of a rule in its table.
pub(super) type RuleIndex = u32;

/// The table.
#[derive(Debug, Default)]
pub(super) struct PrefixTable {
    /// Lengths that occur, longest first.
    lengths: Box<[u8]>,
    /// Open addressing, at most half full; 0 is free, since no symbol is 0.
    keys: Box<[u64]>,
    /// For each key a rule, or [`SHARED`] and an index into `shared`.
    rules: Box<[u32]>,
    /// Rules of those prefixes that more than one rule has: a count, then that many rules in file order.
    shared: Box<[RuleIndex]>,
}

const SHARED: u32 = 1 << 31;

impl PrefixTable {
    /// Longest prefix; a word has no room for more.
    pub(super) const LONGEST: usize = 16;

    /// Builds the table from pairs of prefix and rule, in any order. No prefix is empty or longer than [`Self::LONGEST`].
    pub(super) fn new(mut pairs: Vec<(Number, RuleIndex)>) -> Self {
        pairs.sort_unstable();
        pairs.dedup();
        let mut table = Self::default();
        let mut lengths: Vec<u8> = pairs.iter().map(|(prefix, _)| prefix.symbols() as u8).collect();
        lengths.sort_unstable();
        lengths.dedup();
        lengths.reverse();
        table.lengths = lengths.into();
        if pairs.is_empty() {
            return table;
        }
        let places = (2 * pairs.len()).next_power_of_two();
        (table.keys, table.rules) = (vec![0; places].into(), vec![0; places].into());
        let mut shared = Vec::new();
        for same in pairs.chunk_by(|a, b| a.0 == b.0) {
            let (prefix, mut rules) = same[0];
            if same.len() > 1 {
                rules = SHARED | shared.len() as u32;
                shared.push(same.len() as u32);
                shared.extend(same.iter().map(|(_, rule)| rule));
            }
            let key = prefix.word();
            let place = (0..places).map(|step| table.place(key, step)).find(|&place| table.keys[place] == 0);
            if let Some(place) = place {
                (table.keys[place], table.rules[place]) = (key, rules);
            }
        }
        table.shared = shared.into();
        table
    }

    /// Whether no rule has a prefix.
    pub(super) fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Every prefix of `number` with its rules.
    #[inline]
    pub(super) fn matches(&self, number: Number) -> Matches<'_> {
        Matches { table: self, word: number.word(), symbols: number.symbols(), lengths: self.lengths.iter() }
    }

    #[inline]
    fn find(&self, key: u64) -> Option<u32> {
        let mut place = self.place(key, 0);
        loop {
            match *self.keys.get(place)? {
                0 => return None,
                found if found == key => return self.rules.get(place).copied(),
                _ => place = (place + 1) & (self.keys.len() - 1),
            }
        }
    }

    /// Where `key` may be, `step` places on.
    #[inline]
    fn place(&self, key: u64, step: usize) -> usize {
        // The symbols are in the high bits; folded first, all of them reach the bits that are taken.
        let hash = (key ^ key >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        (hash as usize).wrapping_add(step) & (self.keys.len() - 1)
    }
}

/// The prefixes of one number, longest first. See [`PrefixTable::matches`].
pub(super) struct Matches<'t> {
    table: &'t PrefixTable,
    word: u64,
    symbols: usize,
    lengths: std::slice::Iter<'t, u8>,
}

impl<'t> Matches<'t> {
    /// Next shorter prefix: its symbols and its rules in file order.
    #[inline]
    pub(super) fn next(&mut self) -> Option<(usize, Rules<'t>)> {
        for length in self.lengths.by_ref().map(|&length| usize::from(length)) {
            if length > self.symbols {
                continue;
            }
            if let Some(rules) = self.table.find(self.word & u64::MAX << (64 - 4 * length)) {
                return Some((length, self.table.list(rules)));
            }
        }
        None
    }
}

impl PrefixTable {
    fn list(&self, rules: u32) -> Rules<'_> {
        if rules & SHARED == 0 {
            return Rules::One(rules);
        }
        let list = self.shared.get((rules & !SHARED) as usize..).unwrap_or_default();
        let (&count, list) = list.split_first().unwrap_or((&0, &[]));
        Rules::Many(list.get(..count as usize).unwrap_or_default())
    }
}

/// Rules that have one prefix.
pub(super) enum Rules<'t> {
    /// One rule.
    One(RuleIndex),
    /// Several.
    Many(&'t [RuleIndex]),
}

impl Rules<'_> {
    /// In file order.
    #[inline]
    pub(super) fn as_slice(&self) -> &[RuleIndex] {
        match self {
            Self::One(rule) => std::slice::from_ref(rule),
            Self::Many(rules) => rules,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Number {
        Number::read(text.as_bytes()).expect("a number")
    }

    fn all(table: &PrefixTable, of: &str) -> Vec<(usize, Vec<RuleIndex>)> {
        let mut matches = table.matches(number(of));
        std::iter::from_fn(|| matches.next().map(|(symbols, rules)| (symbols, rules.as_slice().to_vec()))).collect()
    }

    #[test]
    fn longest_first_and_rules_in_file_order() {
        let pairs = [("49", 7), ("4930", 2), ("49", 3), ("+49", 1), ("4", 5), ("4915112345678901", 6), ("*7", 8)];
        let table = PrefixTable::new(pairs.map(|(prefix, rule)| (number(prefix), rule)).to_vec());
        assert_eq!(all(&table, "493012"), [(4, vec![2]), (2, vec![3, 7]), (1, vec![5])]);
        assert_eq!(all(&table, "49"), [(2, vec![3, 7]), (1, vec![5])]);
        assert_eq!(all(&table, "491511234567890123"), [(16, vec![6]), (2, vec![3, 7]), (1, vec![5])]);
        assert_eq!(all(&table, "491511234567890"), [(2, vec![3, 7]), (1, vec![5])]);
        assert_eq!(all(&table, "+4930"), [(3, vec![1])]);
        assert_eq!(all(&table, "*72"), [(2, vec![8])]);
        assert_eq!(all(&table, "5"), []);
        assert!(PrefixTable::new(Vec::new()).is_empty());
        assert_eq!(all(&PrefixTable::new(Vec::new()), "5"), []);
    }

    #[test]
    fn numbers_in_a_row_do_not_crowd() {
        for stride in [1, 10, 1000] {
            let pairs = (0..20_000).map(|i| (number(&format!("+49{}", 30_000_000 + stride * i)), 0)).collect();
            let table = PrefixTable::new(pairs);
            let longest = table.keys.split(|key| *key == 0).map(<[u64]>::len).max();
            assert!(longest < Some(60), "{stride}: {longest:?} in a row");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_table_finds_what_a_scan_finds(
            prefixes in proptest::collection::vec(("\\+?[012]{1,12}|[0-9*#]{1,4}|0{1,16}", 0u32..9), 0..60),
            of in "\\+?[012]{1,14}|[0-9*#]{1,6}|0{1,32}",
        ) {
            let pairs: Vec<_> = prefixes
                .iter()
                .filter_map(|(prefix, rule)| Some((Number::read(prefix.as_bytes())?, *rule)))
                .collect();
            let of = number(&of.replace('+', "+0")).to_string();
            let mut expected = Vec::new();
            for symbols in (1..=of.len()).rev() {
                let mut rules: Vec<_> = pairs
                    .iter()
                    .filter(|(prefix, _)| prefix.to_string() == of[..symbols])
                    .map(|(_, rule)| *rule)
                    .collect();
                rules.sort_unstable();
                rules.dedup();
                if !rules.is_empty() {
                    expected.push((symbols, rules));
                }
            }
            prop_assert_eq!(all(&PrefixTable::new(pairs), &of), expected);
        }
    }
}
