//! Number prefixes of all rules in one tree: finds every prefix of a number, longest first. RFC 3966 §3.
//!
//! A node stands for a run of symbols and knows its children by one bit each; they lie side by side. Runs without a
//! branch are kept in the node itself, so that a million prefixes make at most two million nodes of 16 octets.

use crate::routing::number::{MAX_SYMBOLS, Number};
use std::collections::VecDeque;
use std::ops::Range;

/// Index of a rule in its table.
pub(super) type RuleIndex = u32;

/// The tree.
#[derive(Debug, Default)]
pub(super) struct PrefixTree {
    nodes: Box<[Node]>,
    /// Rules of those prefixes that more than one rule has: a count, then that many rules in file order.
    shared: Box<[RuleIndex]>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    /// The symbols of this node, the last in the lowest four bits.
    run: u32,
    run_len: u8,
    /// Bit per symbol that a child starts with.
    children: u16,
    /// Index of the first child.
    first_child: u32,
    /// [`NOTHING`], a rule, or [`SHARED`] and an index into `shared`.
    rules: u32,
}

const NOTHING: u32 = u32::MAX;
const SHARED: u32 = 1 << 31;
/// Symbols that fit in `Node::run`.
const RUN: usize = 8;

impl PrefixTree {
    /// Builds the tree from pairs of prefix and rule, in any order.
    pub(super) fn new(mut pairs: Vec<(Number, RuleIndex)>) -> Self {
        pairs.sort_unstable();
        pairs.dedup();
        let mut shared = Vec::new();
        let entries: Vec<(Number, u32)> = pairs
            .chunk_by(|a, b| a.0 == b.0)
            .map(|same| match same {
                [(prefix, rule)] => (*prefix, *rule),
                _ => {
                    let place = shared.len() as u32;
                    shared.push(same.len() as u32);
                    shared.extend(same.iter().map(|(_, rule)| rule));
                    (same[0].0, SHARED | place)
                }
            })
            .collect();
        Self { nodes: nodes(&entries).into(), shared: shared.into() }
    }

    /// Whether no rule has a prefix.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Every prefix of `number` with its rules.
    #[inline]
    pub(super) fn matches(&self, number: Number) -> Matches<'_> {
        let mut matches = Matches { tree: self, found: [(0, 0); MAX_SYMBOLS], len: 0 };
        let mut depth = 0;
        let mut next = self.nodes.first();
        while let Some(node) = next {
            let run_len = usize::from(node.run_len);
            if number.symbols() - depth < run_len || number.run(depth, run_len) != node.run {
                break;
            }
            depth += run_len;
            if node.rules != NOTHING {
                matches.found[matches.len] = (depth as u32, node.rules);
                matches.len += 1;
            }
            if depth == number.symbols() {
                break;
            }
            let bit = 1 << number.symbol(depth);
            if node.children & bit == 0 {
                break;
            }
            let child = node.first_child + (node.children & (bit - 1)).count_ones();
            next = self.nodes.get(child as usize);
            depth += 1;
        }
        matches
    }
}

/// The prefixes of one number, longest first. See [`PrefixTree::matches`].
pub(super) struct Matches<'t> {
    tree: &'t PrefixTree,
    found: [(u32, u32); MAX_SYMBOLS],
    len: usize,
}

impl<'t> Matches<'t> {
    /// Next shorter prefix: its symbols and its rules in file order.
    #[inline]
    pub(super) fn next(&mut self) -> Option<(usize, Rules<'t>)> {
        self.len = self.len.checked_sub(1)?;
        let (symbols, rules) = self.found[self.len];
        let rules = if rules & SHARED == 0 {
            Rules::One(rules)
        } else {
            let list = self.tree.shared.get((rules & !SHARED) as usize..).unwrap_or_default();
            let (&count, list) = list.split_first().unwrap_or((&0, &[]));
            Rules::Many(list.get(..count as usize).unwrap_or_default())
        };
        Some((symbols as usize, rules))
    }
}

/// Rules that have one prefix.
pub(super) enum Rules<'t> {
    One(RuleIndex),
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

/// Lays out the tree level by level. `entries` are sorted, each number once.
fn nodes(entries: &[(Number, u32)]) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut waiting: VecDeque<(Range<usize>, usize)> = VecDeque::new();
    if !entries.is_empty() {
        waiting.push_back((0..entries.len(), 0));
    }
    while let Some((range, depth)) = waiting.pop_front() {
        let (first, last) = (entries[range.start], entries[range.end - 1]);
        let end = first.0.common(last.0).min(depth + RUN);
        let ends_here = first.0.symbols() == end;
        let mut node = Node {
            run: first.0.run(depth, end - depth),
            run_len: (end - depth) as u8,
            children: 0,
            // Those that wait will be laid out before any child of this one.
            first_child: (nodes.len() + 1 + waiting.len()) as u32,
            rules: if ends_here { first.1 } else { NOTHING },
        };
        let mut start = range.start + usize::from(ends_here);
        for child in entries[start..range.end].chunk_by(|a, b| a.0.symbol(end) == b.0.symbol(end)) {
            node.children |= 1 << child[0].0.symbol(end);
            waiting.push_back((start..start + child.len(), end + 1));
            start += child.len();
        }
        nodes.push(node);
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Number {
        Number::read(text.as_bytes()).expect("a number")
    }

    fn all(tree: &PrefixTree, of: &str) -> Vec<(usize, Vec<RuleIndex>)> {
        let mut matches = tree.matches(number(of));
        std::iter::from_fn(|| matches.next().map(|(symbols, rules)| (symbols, rules.as_slice().to_vec()))).collect()
    }

    #[test]
    fn longest_first_and_rules_in_file_order() {
        let pairs = [("49", 7), ("4930", 2), ("49", 3), ("+49", 1), ("4", 5), ("491511234567890", 6), ("*7", 8)];
        let tree = PrefixTree::new(pairs.map(|(prefix, rule)| (number(prefix), rule)).to_vec());
        assert_eq!(all(&tree, "493012"), [(4, vec![2]), (2, vec![3, 7]), (1, vec![5])]);
        assert_eq!(all(&tree, "49"), [(2, vec![3, 7]), (1, vec![5])]);
        assert_eq!(all(&tree, "491511234567890"), [(15, vec![6]), (2, vec![3, 7]), (1, vec![5])]);
        assert_eq!(all(&tree, "49151123456789"), [(2, vec![3, 7]), (1, vec![5])]);
        assert_eq!(all(&tree, "+4930"), [(3, vec![1])]);
        assert_eq!(all(&tree, "*72"), [(2, vec![8])]);
        assert_eq!(all(&tree, "5"), []);
        assert!(PrefixTree::new(Vec::new()).is_empty());
        assert_eq!(all(&PrefixTree::new(Vec::new()), "5"), []);
    }

    proptest! {
        #[test]
        fn the_tree_finds_what_a_scan_finds(
            prefixes in proptest::collection::vec(("\\+?[012]{1,12}|[0-9*#]{1,4}|0{1,32}", 0u32..9), 0..60),
            of in "\\+?[012]{1,14}|[0-9*#]{1,6}|0{1,32}",
        ) {
            let pairs: Vec<_> = prefixes
                .iter()
                .filter_map(|(prefix, rule)| Some((Number::read(prefix.as_bytes())?, *rule)))
                .collect();
            let of = number(&of.replace('+', "+0"));
            let mut expected = Vec::new();
            for symbols in (1..=of.symbols()).rev() {
                let mut rules: Vec<_> =
                    pairs.iter().filter(|(prefix, _)| *prefix == of.front(symbols)).map(|(_, rule)| *rule).collect();
                rules.sort_unstable();
                rules.dedup();
                if !rules.is_empty() {
                    expected.push((symbols, rules));
                }
            }
            let tree = PrefixTree::new(pairs);
            prop_assert_eq!(all(&tree, &of.to_string()), expected);
        }
    }
}
