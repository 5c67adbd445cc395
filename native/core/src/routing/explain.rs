//! Why a request goes where it goes: each rule tried, and the first of its conditions that failed.
//!
//! The answers come from the same indexes as [`RouteTable::decide`]; the configuration only lends its words.

use crate::config::Route;
use crate::routing::key::RouteKey;
use crate::routing::number::Number;
use crate::routing::prefix::RuleIndex;
use crate::routing::rule::Rule;
use crate::routing::sets::contains;
use crate::routing::table::{Holding, RouteTable};
use std::fmt::{self, Display};

/// How a route was found. See [`RouteTable::explain`].
#[derive(Clone, Debug)]
pub struct Explanation<'t> {
    /// Every rule that was tried, in file order: up to the first without prefixes that holds.
    pub steps: Vec<Step<'t>>,
    /// The rule that decides, if any.
    pub decides: Option<&'t Rule>,
}

/// One rule that was tried.
#[derive(Clone, Debug)]
pub struct Step<'t> {
    /// The rule.
    pub rule: &'t Rule,
    /// What came of it.
    pub outcome: Outcome<'t>,
}

/// What came of a rule.
#[derive(Clone, Debug)]
pub enum Outcome<'t> {
    /// All its conditions hold and it decides.
    Decides {
        /// The longest of its prefixes that the number starts with, if it has prefixes.
        prefix: Option<String>,
    },
    /// A condition does not hold; those behind it were not looked at.
    Failed {
        /// Which.
        condition: Condition,
        /// Values that it asks for; the first few of many.
        wanted: String,
        /// Value that the request has.
        found: String,
    },
    /// All its conditions hold, but another rule has a longer prefix, or the same and stands above it.
    Outdone {
        /// The longest of its prefixes that the number starts with, if it has prefixes.
        prefix: Option<String>,
        /// The rule that decides.
        by: &'t Rule,
    },
}

/// A condition, in the order in which they are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `methods`.
    Methods,
    /// `domains`.
    Domains,
    /// `users`.
    Users,
    /// `sources`.
    Sources,
    /// `prefixes`.
    Prefixes,
    /// `uri`.
    Uri,
}

impl Condition {
    /// Key in the file.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Methods => "methods",
            Self::Domains => "domains",
            Self::Users => "users",
            Self::Sources => "sources",
            Self::Prefixes => "prefixes",
            Self::Uri => "uri",
        }
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

impl RouteTable {
    /// Explains [`Self::decide`]. `routes` are those that this table was built from.
    #[must_use]
    pub fn explain<'t>(&'t self, routes: &[Route], key: &RouteKey<'_>) -> Explanation<'t> {
        let holding = self.holding(key);
        let mut matcher = self.patterns.matcher(key.uri);
        let plain = self.first_plain(&holding, &mut matcher);
        let decides = self.longest_prefix(key, &holding, plain, &mut matcher).or(plain);
        let decides = decides.and_then(|rule| self.rules.get(rule as usize));
        let tried = plain.map_or(self.rules.len(), |plain| plain as usize + 1);
        let number = key.user.and_then(Number::read);
        let steps = self.rules.iter().zip(routes).take(tried).map(|(rule, route)| {
            let index = rule.index as RuleIndex;
            let prefix = number.and_then(|number| self.prefix_of(index, number));
            let outcome = if let Some(outcome) = failed(index, route, key, &holding) {
                outcome
            } else if !route.prefixes.is_empty() && prefix.is_none() {
                let found = match (number, key.user) {
                    (Some(number), _) => number.to_string(),
                    (None, Some(user)) => format!("{} (not a number)", user.escape_ascii()),
                    (None, None) => "no user part".to_owned(),
                };
                Outcome::Failed { condition: Condition::Prefixes, wanted: several(&route.prefixes), found }
            } else if !matcher.holds(index) {
                let wanted = route.uri.clone().unwrap_or_default();
                Outcome::Failed { condition: Condition::Uri, wanted, found: key.uri.escape_ascii().to_string() }
            } else {
                match decides {
                    Some(by) if by.index != rule.index => Outcome::Outdone { prefix, by },
                    _ => Outcome::Decides { prefix },
                }
            };
            Step { rule, outcome }
        });
        Explanation { steps: steps.collect(), decides }
    }

    /// The longest prefix of `number` that `rule` has.
    fn prefix_of(&self, rule: RuleIndex, number: Number) -> Option<String> {
        let mut matches = self.prefixes.matches(number);
        while let Some((symbols, rules)) = matches.next() {
            if rules.as_slice().contains(&rule) {
                return Some(number.to_string().chars().take(symbols).collect());
            }
        }
        None
    }
}

/// The first condition of these four that does not hold.
fn failed(rule: RuleIndex, route: &Route, key: &RouteKey<'_>, holding: &Holding<'_>) -> Option<Outcome<'static>> {
    let text = |text: Option<&[u8]>, none: &str| text.map_or(none.to_owned(), |text| text.escape_ascii().to_string());
    let method = || match (key.method, key.rule_method()) {
        (method, looked_up) if method == looked_up => text(Some(method), ""),
        (method, looked_up) => format!("{} (as {})", method.escape_ascii(), looked_up.escape_ascii()),
    };
    let host = || {
        let mut host = Vec::new();
        key.host.inspect(|key| key.write(&mut host));
        text(key.host.map(|_| &host[..]), "no host")
    };
    let (condition, wanted, found) = if !contains(holding.methods, rule) {
        (Condition::Methods, &route.methods, method())
    } else if !contains(holding.hosts, rule) {
        (Condition::Domains, &route.domains, host())
    } else if !contains(holding.users, rule) {
        (Condition::Users, &route.users, text(key.user, "no user part"))
    } else if !contains(holding.sources, rule) {
        (Condition::Sources, &route.sources, key.source.to_string())
    } else {
        return None;
    };
    Some(Outcome::Failed { condition, wanted: several(wanted), found })
}

/// The first few of many values.
fn several(values: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = values.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match values.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
