//! From the configuration to a [`RouteTable`], or to every mistake in it.

use crate::config::{Config, Route};
use crate::routing::condition;
use crate::routing::index::{Gather, HostIndex, SourceIndex, TextIndex};
use crate::routing::number::{Number, Rewrite};
use crate::routing::patterns::Patterns;
use crate::routing::prefix::{PrefixTable, RuleIndex};
use crate::routing::problems::{Problems, did_you_mean};
use crate::routing::rule::{Action, ForwardTo, Mode, NamedTable, RedirectTo, Rule};
use crate::routing::sets::RuleSetsBuilder;
use crate::routing::table::RouteTable;
use crate::routing::target::{NextHop, Policy, TargetSet, TargetSetId};
use crate::store::NumberTable;
use std::collections::HashMap;
use std::sync::Arc;

/// The number tables of the file by name, opened.
pub type NumberTables = HashMap<String, Arc<dyn NumberTable>>;

/// Most rules in a table: the cost of a decision and the memory of a set grow with it. Numbers by the thousand belong in
/// the `prefixes` of one rule, by the million in a `[[table]]`.
pub const MAX_RULES: usize = 16_384;

impl RouteTable {
    /// Compiles the routing part of a configuration. `tables` holds every table that could be opened.
    ///
    /// # Errors
    /// All mistakes, in the order of the file.
    pub fn build(config: &Config, tables: &NumberTables) -> Result<Self, Vec<crate::config::ConfigError>> {
        let mut problems = Problems::default();
        let target_sets: Option<Vec<TargetSet>> = (config.target_set.iter().enumerate())
            .map(|(index, entry)| TargetSet::build(index, entry, &mut problems))
            .collect::<Vec<_>>()
            .into_iter()
            .collect();
        names(config, &mut problems);
        if config.route.len() > MAX_RULES {
            problems.add("route", format!("{} rules; at most {MAX_RULES} can be compiled", config.route.len()));
            return Err(problems.all());
        }

        let mut gathered = Gathered::new();
        let mut rules = Vec::with_capacity(config.route.len());
        for (index, route) in config.route.iter().enumerate() {
            gathered.add(index as RuleIndex, route, &mut problems);
            rules.extend(Reader { config, tables, index, route, problems: &mut problems }.rule());
        }
        let patterns = Patterns::new(&gathered.patterns)
            .map_err(|error| format!("the expressions in uri cannot be compiled together: {error}"));
        let patterns = problems.keep(|| "route".to_owned(), patterns);
        let (Some(target_sets), Some(patterns), true) = (target_sets, patterns, problems.is_empty()) else {
            return Err(problems.all());
        };

        let mut sets = RuleSetsBuilder::new(rules.len());
        Ok(Self {
            rules: rules.into(),
            methods: TextIndex::new(gathered.methods, &mut sets),
            hosts: HostIndex::new(gathered.hosts, &mut sets),
            users: TextIndex::new(gathered.users, &mut sets),
            sources: SourceIndex::new(gathered.sources, &mut sets),
            unprefixed: sets.union([&gathered.unprefixed[..]]),
            sets: sets.finish(),
            prefixes: PrefixTable::new(gathered.prefixes),
            patterns,
            counts_calls: target_sets.iter().any(|set| set.policy() == Policy::Calls),
            target_sets: target_sets.into(),
        })
    }
}

/// Names that must be there, and there once.
fn names(config: &Config, problems: &mut Problems) {
    let mut once = |kind: &str, names: &mut dyn Iterator<Item = (usize, &str)>| {
        let mut known: HashMap<&str, usize> = HashMap::new();
        for (index, name) in names {
            match known.get(name) {
                Some(first) => {
                    problems
                        .add(format!("{kind}[{index}].name"), format!("{name:?} is the name of {kind}[{first}] too"));
                }
                None => {
                    known.insert(name, index);
                }
            }
        }
    };
    once("target_set", &mut config.target_set.iter().map(|set| set.name.as_str()).enumerate());
    once("table", &mut config.table.iter().map(|table| table.name.as_str()).enumerate());
    let routes = config.route.iter().map(|route| route.name.as_str()).enumerate();
    once("route", &mut routes.filter(|(_, name)| !name.is_empty()));
    for (index, set) in config.target_set.iter().enumerate() {
        if set.name.is_empty() || set.name == "request-uri" || set.name.contains(':') {
            let problem = format!("{:?} cannot be told from a URI, from request-uri or from nothing", set.name);
            problems.add(format!("target_set[{index}].name"), problem);
        }
    }
}

/// Conditions of all rules.
struct Gathered {
    methods: Gather<Box<[u8]>>,
    hosts: Gather<crate::routing::index::HostKey>,
    users: Gather<Box<[u8]>>,
    sources: Gather<ipnet::IpNet>,
    prefixes: Vec<(Number, RuleIndex)>,
    unprefixed: Vec<RuleIndex>,
    patterns: Vec<Option<regex::bytes::Regex>>,
}

impl Gathered {
    fn new() -> Self {
        Self {
            methods: Gather::new(),
            hosts: Gather::new(),
            users: Gather::new(),
            sources: Gather::new(),
            prefixes: Vec::new(),
            unprefixed: Vec::new(),
            patterns: Vec::new(),
        }
    }

    fn add(&mut self, rule: RuleIndex, route: &Route, problems: &mut Problems) {
        fn each<T>(
            rule: RuleIndex,
            field: &str,
            texts: &[String],
            problems: &mut Problems,
            read: impl Fn(&str) -> Result<T, String>,
        ) -> Vec<T> {
            let place = |index| move || format!("route[{rule}].{field}[{index}]");
            let read = |(index, text): (usize, &String)| problems.keep(place(index), read(text));
            texts.iter().enumerate().filter_map(read).collect()
        }
        self.methods.add(rule, each(rule, "methods", &route.methods, problems, condition::method));
        self.hosts.add(rule, each(rule, "domains", &route.domains, problems, condition::host));
        self.users.add(rule, each(rule, "users", &route.users, problems, condition::user));
        self.sources.add(rule, each(rule, "sources", &route.sources, problems, condition::source));
        let prefixes = each(rule, "prefixes", &route.prefixes, problems, condition::prefix);
        if prefixes.is_empty() {
            self.unprefixed.push(rule);
        }
        self.prefixes.extend(prefixes.into_iter().map(|prefix| (prefix, rule)));
        let pattern = route.uri.as_deref().map(condition::pattern);
        self.patterns.push(pattern.and_then(|read| problems.keep(|| format!("route[{rule}].uri"), read)));
    }
}

/// Reads what one rule does.
struct Reader<'a> {
    config: &'a Config,
    tables: &'a NumberTables,
    index: usize,
    route: &'a Route,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn rule(mut self) -> Option<Rule> {
        let rewrite = self.rewrite();
        let action = self.action()?;
        let mode = self.mode(&action);
        if matches!(action, Action::Drop | Action::Reply { .. }) && !rewrite.as_ref().is_none_or(Rewrite::is_nothing) {
            self.problem("", "strip and prepend change nothing in a request that is not forwarded");
        }
        Some(Rule {
            index: self.index,
            name: self.route.name.as_str().into(),
            action,
            authenticate: self.route.authenticate,
            record_route: self.route.record_route,
            mode: mode?,
            path: self.path(),
            ring_ms: self.ring(),
            rewrite: rewrite?,
        })
    }

    /// `field`: `.forward`, or nothing for the rule as a whole.
    fn problem(&mut self, field: &str, problem: impl Into<String>) {
        self.problems.add(format!("route[{}]{field}", self.index), problem);
    }

    fn mode(&mut self, action: &Action) -> Option<Option<Mode>> {
        let mode = match self.route.mode.as_deref() {
            None => return Some(None),
            Some("stateful") => Mode::Stateful,
            Some("stateless") => Mode::Stateless,
            Some(other) => {
                self.problem(".mode", format!("{other:?} is neither stateful nor stateless"));
                return None;
            }
        };
        if !matches!(action, Action::Forward(_) | Action::Lookup) {
            self.problem(".mode", "only what is forwarded has a mode");
            return None;
        }
        if let (Mode::Stateless, Some(why)) = (mode, self.watch()) {
            self.problem(".mode", format!("{why}, and stateless remembers nothing"));
        }
        Some(Some(mode))
    }

    /// What of its target set has to know what becomes of requests.
    fn watch(&self) -> Option<&'static str> {
        let set = self.config.target_set.iter().find(|set| Some(&set.name) == self.route.forward.as_ref())?;
        match &*set.policy {
            "calls" => Some("the policy of the target set counts calls"),
            "latency" => Some("the policy of the target set measures latency"),
            _ => set.eject.as_ref().map(|_| "the target set ejects targets that fail"),
        }
    }

    fn path(&mut self) -> bool {
        if self.route.path && self.route.forward.is_none() {
            self.problem(".path", "only REGISTER that is forwarded gets a Path");
        }
        self.route.path
    }

    fn ring(&mut self) -> Option<u32> {
        let ring = self.route.ring?;
        if !self.route.lookup {
            self.problem(".ring", "only contacts that are looked up ring one after the other");
        }
        Some((ring * 1000.0) as u32)
    }

    fn rewrite(&mut self) -> Option<Rewrite> {
        let prepend = condition::user_text(&self.route.prepend);
        let index = self.index;
        self.problems.keep(|| format!("route[{index}].prepend"), prepend)?;
        Some(Rewrite { strip: self.route.strip as usize, prepend: self.route.prepend.as_bytes().into() })
    }

    fn action(&mut self) -> Option<Action> {
        let route = self.route;
        let given = [
            ("forward", route.forward.is_some()),
            ("lookup", route.lookup),
            ("redirect", route.redirect.is_some()),
            ("reply", route.reply.is_some()),
            ("drop", route.drop),
        ];
        let given: Vec<&str> = given.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
        match given[..] {
            ["forward"] => self.forward(route.forward.as_deref()?).map(Action::Forward),
            ["lookup"] => Some(Action::Lookup),
            ["redirect"] => self.redirect(route.redirect.as_ref()?),
            ["reply"] => self.reply(route.reply.as_ref()?),
            ["drop"] => Some(Action::Drop),
            [] => {
                self.problem("", "a rule does one of forward, lookup, redirect, reply, drop; this one does none");
                None
            }
            _ => {
                self.problem("", format!("a rule does one thing; this one does {}", given.join(" and ")));
                None
            }
        }
    }

    fn forward(&mut self, to: &str) -> Option<ForwardTo> {
        if to == "request-uri" {
            return Some(ForwardTo::RequestUri);
        }
        if to.contains(':') {
            let index = self.index;
            return self.problems.keep(|| format!("route[{index}].forward"), NextHop::read(to)).map(ForwardTo::Hop);
        }
        let sets = self.config.target_set.iter().map(|set| set.name.as_str());
        match sets.clone().position(|name| name == to) {
            Some(place) => Some(ForwardTo::Set(TargetSetId(place as u16))),
            None => {
                let near = did_you_mean(to, sets.chain(["request-uri"]));
                self.problem(".forward", format!("{to:?} is no target set, no URI and not request-uri{near}"));
                None
            }
        }
    }

    fn redirect(&mut self, redirect: &crate::config::Redirect) -> Option<Action> {
        if !(300..=399).contains(&redirect.status) {
            self.problem(".redirect.status", format!("{} is not a status from 300 to 399", redirect.status));
        }
        let to = match (&redirect.table, &redirect.contacts[..], redirect.lookup) {
            (Some(name), [], false) => RedirectTo::Table(self.table(name)?),
            (None, [], true) => RedirectTo::Lookup,
            (None, contacts @ [_, ..], false) => RedirectTo::Contacts(self.contacts(contacts)?),
            _ => {
                self.problem(".redirect", "a redirect takes its contacts from exactly one of table, contacts, lookup");
                return None;
            }
        };
        Some(Action::Redirect { to, status: redirect.status })
    }

    fn table(&mut self, name: &str) -> Option<NamedTable> {
        let Some(place) = self.config.table.iter().position(|table| table.name == name) else {
            let near = did_you_mean(name, self.config.table.iter().map(|table| table.name.as_str()));
            self.problem(".redirect.table", format!("there is no table {name:?}{near}"));
            return None;
        };
        let Some(table) = self.tables.get(name) else {
            self.problem(".redirect.table", format!("table[{place}] {name:?} has not been opened"));
            return None;
        };
        Some(NamedTable { name: name.into(), table: Arc::clone(table) })
    }

    fn contacts(&mut self, contacts: &[String]) -> Option<Box<[Box<[u8]>]>> {
        let index = self.index;
        let read: Vec<_> = (contacts.iter().enumerate())
            .map(|(place, text)| {
                let path = || format!("route[{index}].redirect.contacts[{place}]");
                self.problems.keep(path, condition::contact(text))
            })
            .collect();
        read.into_iter().collect()
    }

    fn reply(&mut self, reply: &crate::config::Reply) -> Option<Action> {
        if !(200..=699).contains(&reply.status) {
            self.problem(".reply.status", format!("{} is not a final status, 200 to 699", reply.status));
        }
        // RFC 3261 §25.1 `Reason-Phrase`: no CR or LF, which would start a header field.
        if reply.reason.as_ref().is_some_and(|reason| reason.chars().any(char::is_control)) {
            self.problem(".reply.reason", "control characters cannot stand in a status line");
        }
        Some(Action::Reply { status: reply.status, reason: reply.reason.as_deref().map(Into::into) })
    }
}
