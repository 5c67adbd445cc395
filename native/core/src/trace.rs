//! What the engine noted about one message, for `dialplane explain`. Nothing here runs while serving.

use crate::config::Route;
use crate::routing::{Outcome, RouteKey, RouteTable, Step};

/// See the module.
#[derive(Debug, Default)]
pub struct Trace {
    /// What was looked at, in order, for people.
    pub steps: Vec<String>,
    /// Place in the file and name of the rule that decided.
    pub rule: Option<(usize, String)>,
    /// Where the request could go, best first.
    pub candidates: Vec<Candidate>,
    routes: Vec<Route>,
}

/// One place where a request could go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its URI.
    pub uri: String,
    /// Where it comes from, and how it fares: `target set gateways, down`.
    pub why: String,
    /// Whether it is the one.
    pub chosen: bool,
}

impl Trace {
    /// An empty one. `routes` are those that the routing table was built from.
    #[must_use]
    pub fn new(routes: Vec<Route>) -> Self {
        Self { routes, ..Self::default() }
    }

    /// Notes each rule that is tried, and what came of it.
    pub(crate) fn rules(&mut self, table: &RouteTable, key: &RouteKey<'_>) {
        let explanation = table.explain(&self.routes, key);
        self.steps.extend(explanation.steps.iter().map(describe));
        self.rule = explanation.decides.map(|rule| (rule.index, rule.name.to_string()));
    }

    /// Notes a candidate.
    pub(crate) fn candidate(&mut self, uri: &[u8], why: String, chosen: bool) {
        self.candidates.push(Candidate { uri: String::from_utf8_lossy(uri).into_owned(), why, chosen });
    }
}

fn describe(step: &Step<'_>) -> String {
    let rule = step.rule;
    match &step.outcome {
        Outcome::Decides { prefix: Some(prefix) } => format!("rule {rule} decides: its prefix {prefix} is the longest"),
        Outcome::Decides { prefix: None } => format!("rule {rule} decides"),
        Outcome::Failed { condition, wanted, found } => {
            format!("rule {rule} does not: {condition} is {found}, not {wanted}")
        }
        Outcome::Outdone { by, .. } => {
            format!("rule {rule} would, but rule {by} has a longer prefix or stands above it")
        }
    }
}
