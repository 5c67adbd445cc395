//! Regular expressions of rules, looked at last: only for a rule whose other conditions all hold.
//!
//! Time is linear in the length of the URI whatever the expression (no backtracking).

use crate::routing::prefix::RuleIndex;
use regex::bytes::{Regex, RegexSet, SetMatches};

/// The expressions of one table.
#[derive(Debug)]
pub(super) struct Patterns {
    each: Box<[Regex]>,
    together: RegexSet,
    /// Index of each rule's expression, or [`NONE`].
    of_rule: Box<[u32]>,
}

const NONE: u32 = u32::MAX;
/// Expressions tried alone before all are tried together. One alone costs some 30 ns if it fails at its front, the set
/// some 200 ns however many there are.
const ALONE: usize = 4;

impl Patterns {
    /// `pattern`: one per rule.
    ///
    /// # Errors
    /// The set is larger than the expressions together may be.
    pub(super) fn new(patterns: &[Option<Regex>]) -> Result<Self, regex::Error> {
        let mut each = Vec::new();
        let mut of_rule = Vec::new();
        for pattern in patterns {
            of_rule.push(if pattern.is_some() { each.len() as u32 } else { NONE });
            each.extend(pattern.clone());
        }
        let together = RegexSet::new(each.iter().map(Regex::as_str))?;
        Ok(Self { each: each.into(), together, of_rule: of_rule.into() })
    }

    /// Looks at one URI.
    #[inline]
    pub(super) fn matcher<'a>(&'a self, uri: &'a [u8]) -> Matcher<'a> {
        Matcher { patterns: self, uri, together: None, tried: 0 }
    }
}

/// The expressions on one URI, each evaluated at most once or all at once.
pub(super) struct Matcher<'a> {
    patterns: &'a Patterns,
    uri: &'a [u8],
    together: Option<SetMatches>,
    tried: usize,
}

impl Matcher<'_> {
    /// Whether the rule's expression matches; a rule without one always does.
    #[inline]
    pub(super) fn holds(&mut self, rule: RuleIndex) -> bool {
        match self.patterns.of_rule.get(rule as usize) {
            None | Some(&NONE) => true,
            Some(&pattern) => self.matches(pattern as usize),
        }
    }

    fn matches(&mut self, pattern: usize) -> bool {
        self.tried += 1;
        if self.tried <= ALONE {
            return self.patterns.each.get(pattern).is_some_and(|pattern| pattern.is_match(self.uri));
        }
        self.together.get_or_insert_with(|| self.patterns.together.matches(self.uri)).matched(pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alone_and_together_are_the_same() {
        let texts = ["^sip:a", "b$", "x", "^tel:", "a.*b", "^$", "(?i)SIP"];
        let patterns: Vec<_> = texts.iter().flat_map(|text| [None, Some(Regex::new(text).expect("good"))]).collect();
        let table = Patterns::new(&patterns).expect("small");
        for uri in ["sip:a@b", "tel:1", "", "sip:x"] {
            let mut matcher = table.matcher(uri.as_bytes());
            for (rule, pattern) in patterns.iter().enumerate() {
                let expected = pattern.as_ref().is_none_or(|pattern| pattern.is_match(uri.as_bytes()));
                assert_eq!(matcher.holds(rule as u32), expected, "{uri} {rule}");
            }
        }
    }
}
