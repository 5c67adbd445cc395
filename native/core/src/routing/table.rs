//! The compiled routing table. See the [module](super) for what it means.

use crate::routing::index::{HostIndex, SourceIndex, TextIndex};
use crate::routing::key::RouteKey;
use crate::routing::number::Number;
use crate::routing::patterns::{Matcher, Patterns};
use crate::routing::prefix::{PrefixTable, RuleIndex};
use crate::routing::rule::Rule;
use crate::routing::sets::{Common, Lanes, RuleSets, SetId, contains};
use crate::routing::target::{TargetSet, TargetSetId};

/// All rules and target sets of one configuration. Immutable; a reload makes another.
#[derive(Debug)]
pub struct RouteTable {
    pub(super) rules: Box<[Rule]>,
    pub(super) sets: RuleSets,
    pub(super) methods: TextIndex,
    pub(super) hosts: HostIndex,
    pub(super) users: TextIndex,
    pub(super) sources: SourceIndex,
    /// Rules without `prefixes`.
    pub(super) unprefixed: SetId,
    pub(super) prefixes: PrefixTable,
    pub(super) patterns: Patterns,
    pub(super) target_sets: Box<[TargetSet]>,
    /// Whether a set counts the calls of its targets.
    pub(super) counts_calls: bool,
}

/// The sets of rules whose condition of each kind holds, but for prefixes and expressions.
pub(super) struct Holding<'t> {
    pub(super) methods: &'t [Lanes],
    pub(super) hosts: &'t [Lanes],
    pub(super) users: &'t [Lanes],
    pub(super) sources: &'t [Lanes],
}

impl Holding<'_> {
    #[inline]
    fn contains(&self, rule: RuleIndex) -> bool {
        [self.methods, self.hosts, self.users, self.sources].iter().all(|bits| contains(bits, rule))
    }
}

impl RouteTable {
    /// The rule for a request; `None` when no rule holds.
    #[must_use]
    pub fn decide(&self, key: &RouteKey<'_>) -> Option<&Rule> {
        let holding = self.holding(key);
        let mut matcher = self.patterns.matcher(key.uri);
        let plain = self.first_plain(&holding, &mut matcher);
        let decides = self.longest_prefix(key, &holding, plain, &mut matcher).or(plain);
        self.rules.get(decides? as usize)
    }

    /// A target set; `None` for an id of another table.
    #[must_use]
    pub fn target_set(&self, id: TargetSetId) -> Option<&TargetSet> {
        self.target_sets.get(usize::from(id.0))
    }

    /// All target sets; [`TargetSetId`] is the index.
    #[must_use]
    pub fn target_sets(&self) -> &[TargetSet] {
        &self.target_sets
    }

    /// Whether a set counts the calls of its targets.
    #[inline]
    #[must_use]
    pub fn counts_calls(&self) -> bool {
        self.counts_calls
    }

    /// All rules in file order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    pub(super) fn holding(&self, key: &RouteKey<'_>) -> Holding<'_> {
        Holding {
            methods: self.sets.bits(self.methods.find(Some(key.rule_method()))),
            hosts: self.sets.bits(self.hosts.find(key.host)),
            users: self.sets.bits(self.users.find_unescaped(key.user)),
            sources: self.sets.bits(self.sources.find(key.source)),
        }
    }

    /// First rule without prefixes that holds.
    pub(super) fn first_plain(&self, holding: &Holding<'_>, matcher: &mut Matcher<'_>) -> Option<RuleIndex> {
        let unprefixed = self.sets.bits(self.unprefixed);
        let Holding { methods, hosts, users, sources } = *holding;
        Common::new([unprefixed, methods, hosts, users, sources]).find(|&rule| matcher.holds(rule))
    }

    /// Among the rules with prefixes that hold and stand above `plain`, the one with the longest prefix of the number;
    /// among equals the first.
    pub(super) fn longest_prefix(
        &self,
        key: &RouteKey<'_>,
        holding: &Holding<'_>,
        plain: Option<RuleIndex>,
        matcher: &mut Matcher<'_>,
    ) -> Option<RuleIndex> {
        if self.prefixes.is_empty() || plain == Some(0) {
            return None;
        }
        let end = plain.unwrap_or(RuleIndex::MAX);
        let mut matches = self.prefixes.matches(Number::read(key.user?)?);
        while let Some((_, rules)) = matches.next() {
            let above = rules.as_slice().iter().take_while(|&&rule| rule < end);
            if let Some(rule) = above.copied().find(|&rule| holding.contains(rule) && matcher.holds(rule)) {
                return Some(rule);
            }
        }
        None
    }
}
