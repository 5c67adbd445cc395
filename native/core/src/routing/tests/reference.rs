//! The compiled table against a plain scan of the configuration, on random rules and requests.

use super::{build, config, key};
use crate::config::Route;
use crate::routing::Outcome;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use regex::Regex;
use serde_json::{Value, json};
use std::sync::OnceLock;

const METHODS: &[&str] = &["INVITE", "BYE", "MESSAGE", "FOO"];
const DOMAINS: &[&str] = &["a.example", "B.example", "192.0.2.1", "[2001:db8::1]"];
const USERS: &[&str] = &["alice", "bob", "4930"];
const PREFIXES: &[&str] = &["+", "+4", "+49", "4", "49", "493", "4930", "49-301", "*7"];
const SOURCES: &[&str] = &["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "::/0", "2001:db8::/32"];
const PATTERNS: &[&str] = &["^sip:", "user=phone", "[0-9]{5}", "^tel:", "example$"];

fn some(of: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![3 => Just(Vec::new()), 2 => vec(select(of), 1..4)]
}

fn route() -> impl Strategy<Value = Value> {
    let pattern = proptest::option::weighted(0.2, select(PATTERNS));
    (some(METHODS), some(DOMAINS), some(USERS), some(PREFIXES), some(SOURCES), pattern).prop_map(
        |(methods, domains, users, prefixes, sources, uri)| {
            json!({"methods": methods, "domains": domains, "users": users, "prefixes": prefixes, "sources": sources,
                   "uri": uri, "drop": true})
        },
    )
}

fn uri() -> impl Strategy<Value = String> {
    let user = prop_oneof![
        Just(String::new()),
        select(&["alice@", "BOB@", "b%6Fb@", "4930@", "+4930@", "%2B49@", "(49)30-12@", "*72@"][..])
            .prop_map(str::to_owned),
        "\\+?[0-9]{1,7}@",
    ];
    let host = select(&["a.example", "A.EXAMPLE.", "b.example", "192.0.2.1", "[2001:DB8:0::1]", "c.example"][..]);
    let rest = select(&["", ";user=phone", ":5060"][..]);
    prop_oneof![
        4 => (user, host, rest).prop_map(|(user, host, rest)| format!("sip:{user}{host}{rest}")),
        1 => "tel:\\+4[0-9]{1,6}",
        1 => Just("urn:service:sos".to_owned()),
    ]
}

fn pattern(text: &str) -> &'static Regex {
    static COMPILED: OnceLock<Vec<Regex>> = OnceLock::new();
    let compiled = COMPILED.get_or_init(|| PATTERNS.iter().map(|text| Regex::new(text).expect("good")).collect());
    compiled.iter().find(|pattern| pattern.as_str() == text).expect("one of them")
}

/// What the request is, taken apart by string operations alone.
struct Plain {
    method: String,
    uri: String,
    user: Option<String>,
    host: Option<String>,
    number: Option<String>,
    source: std::net::IpAddr,
}

impl Plain {
    fn new(method: &str, uri: &str, source: &str) -> Self {
        let (scheme, rest) = uri.split_once(':').expect("a URI");
        let (user, host) = match scheme {
            "sip" => match rest.split_once('@') {
                Some((user, rest)) => (Some(user), Some(rest)),
                None => (None, Some(rest)),
            },
            "tel" => (Some(rest), None),
            _ => (None, None),
        };
        let host = host.map(|host| {
            let host = host.trim_end_matches(";user=phone").trim_end_matches(":5060").trim_end_matches('.');
            host.to_lowercase().replace("[2001:db8:0::1]", "[2001:db8::1]")
        });
        let user = user.map(|user| user.replace("%6F", "o").replace("%2B", "+"));
        let number = user.as_ref().map(|user| user.replace(['(', ')', '-'], ""));
        let number = number.filter(|number| number.chars().all(|c| c.is_ascii_digit() || "+*".contains(c)));
        Self {
            method: if matches!(method, "ACK" | "CANCEL") { "INVITE" } else { method }.to_owned(),
            uri: uri.to_owned(),
            user,
            host,
            number,
            source: source.parse().expect("an address"),
        }
    }

    /// Symbols of the longest prefix, 0 without prefixes, if the rule holds.
    fn holds(&self, route: &Route) -> Option<usize> {
        let any = |values: &[String], fits: &dyn Fn(&str) -> bool| values.is_empty() || values.iter().any(|v| fits(v));
        let in_network = |network: &str| match network.split_once('/') {
            None => network.parse() == Ok(self.source),
            Some(_) => network.parse::<ipnet::IpNet>().is_ok_and(|network| network.contains(&self.source)),
        };
        let holds = any(&route.methods, &|method| method == self.method)
            && any(&route.domains, &|domain| self.host == Some(domain.to_lowercase()))
            && any(&route.users, &|user| self.user.as_deref() == Some(user))
            && any(&route.sources, &in_network)
            && route.uri.as_ref().is_none_or(|uri| pattern(uri).is_match(&self.uri));
        if !holds || route.prefixes.is_empty() {
            return holds.then_some(0);
        }
        let prefixes = route.prefixes.iter().map(|prefix| prefix.replace('-', ""));
        let number = self.number.as_ref()?;
        prefixes.filter(|prefix| number.starts_with(prefix)).map(|prefix| prefix.len()).max()
    }

    /// The rules of the module documentation, word by word.
    fn decide(&self, routes: &[Route]) -> Option<usize> {
        let mut best: Option<(usize, usize)> = None;
        for (index, route) in routes.iter().enumerate() {
            match self.holds(route) {
                None => {}
                Some(_) if route.prefixes.is_empty() => return Some(best.map_or(index, |(_, index)| index)),
                Some(symbols) if best.is_none_or(|(most, _)| symbols > most) => best = Some((symbols, index)),
                Some(_) => {}
            }
        }
        best.map(|(_, index)| index)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 100 } else { 5000 }))]

    #[test]
    fn the_table_decides_as_a_scan(
        routes in vec(route(), 0..90),
        requests in vec((select(&["INVITE", "ACK", "CANCEL", "BYE", "MESSAGE", "FOO", "BAR"][..]), uri(),
                         select(&["10.1.2.3", "10.1.2.4", "10.2.0.1", "192.0.2.9", "2001:db8::7", "2001:db9::7"][..])), 20),
    ) {
        let config = config(routes.into(), json!([]), &[]);
        let table = build(&config).expect("only good values");
        for (method, uri, source) in requests {
            let key = key(method, &uri, source);
            let decided = table.decide(&key).map(|rule| rule.index);
            prop_assert_eq!(decided, Plain::new(method, &uri, source).decide(&config.route), "{} {} {}", method, uri, source);

            let explanation = table.explain(&config.route, &key);
            prop_assert_eq!(explanation.decides.map(|rule| rule.index), decided);
            for step in &explanation.steps {
                let holds = Plain::new(method, &uri, source).holds(&config.route[step.rule.index]).is_some();
                prop_assert_eq!(holds, !matches!(step.outcome, Outcome::Failed { .. }), "{:?}", step);
                prop_assert_eq!(decided == Some(step.rule.index), matches!(step.outcome, Outcome::Decides { .. }));
            }
        }
    }
}
