//! Tests of the routing table as a whole: the order of rules, mistakes, explanations, and a plain scan as reference.

mod errors;
mod explain;
mod order;
mod reference;

use super::{NumberTables, RouteKey, RouteTable};
use crate::config::{Config, ConfigError};
use crate::store::NumberTable;
use crate::testing::defaults;
use dialplane_syntax::Uri;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;

/// A configuration with these routes and target sets, each with the defaults of `config.py` for what it leaves out.
pub(in crate::routing) fn config(routes: Value, target_sets: Value, tables: &[&str]) -> Config {
    let each = |list: Value, whole: fn(Value) -> Value| match list {
        Value::Array(list) => list.into_iter().map(whole).collect::<Value>(),
        other => unreachable!("{other} is no list"),
    };
    defaults::config(json!({
        "domains": [],
        "auth": {"register": true, "calls": true},
        "proxy": {"record_route": true},
        "target_set": each(target_sets, defaults::target_set),
        "table": tables.iter().map(|name| json!({"name": name, "file": "numbers.csv"})).collect::<Value>(),
        "route": each(routes, defaults::rule),
    }))
}

struct NoNumbers;

impl NumberTable for NoNumbers {
    fn longest(&self, _digits: &[u8]) -> Option<(usize, &[u8])> {
        None
    }
}

/// Every table of the configuration, empty.
fn tables(config: &Config) -> NumberTables {
    config.table.iter().map(|table| (table.name.clone(), Arc::new(NoNumbers) as Arc<dyn NumberTable>)).collect()
}

fn build(config: &Config) -> Result<RouteTable, Vec<ConfigError>> {
    RouteTable::build(config, &tables(config))
}

/// A table of these routes, with one target set `carrier`.
fn table(routes: Value) -> RouteTable {
    build(&config(routes, carrier(), &["numbers"])).expect("the rules of a test are right")
}

fn carrier() -> Value {
    json!([
        {"name": "carrier", "targets": ["sip:192.0.2.1"]},
        {"name": "counted", "policy": "calls", "targets": ["sip:192.0.2.1"]},
        {"name": "ejecting", "eject": {}, "targets": ["sip:192.0.2.1"]},
    ])
}

fn key<'a>(method: &'a str, uri: &'a str, source: &str) -> RouteKey<'a> {
    let parsed = Uri::parse(uri.as_bytes()).expect("the URI of a test is right");
    RouteKey::new(method.as_bytes(), uri.as_bytes(), &parsed, source.parse::<IpAddr>().expect("an address"))
}

/// Name of the rule that decides for an INVITE from 192.0.2.9.
fn decided<'t>(table: &'t RouteTable, uri: &str) -> Option<&'t str> {
    table.decide(&key("INVITE", uri, "192.0.2.9")).map(|rule| &*rule.name)
}
