//! Tests of the routing table as a whole: the order of rules, mistakes, explanations, and a plain scan as reference.

mod errors;
mod explain;
mod order;
mod reference;

use super::{NumberTables, RouteKey, RouteTable};
use crate::config::{Config, ConfigError};
use crate::store::NumberTable;
use dialplane_syntax::Uri;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;

/// A configuration with these routes, each with the defaults of `config.py` for what it leaves out.
pub(in crate::routing) fn config(routes: Value, target_sets: Value, tables: &[&str]) -> Config {
    let with = |defaults: Value, given: &Value| {
        let mut defaults = defaults;
        for (key, value) in given.as_object().expect("a table") {
            defaults[key] = value.clone();
        }
        defaults
    };
    let list = |value: &Value| value.as_array().expect("a list").clone();
    let route = |given: &Value| {
        let mut route = with(
            json!({"name": "", "methods": [], "domains": [], "users": [], "prefixes": [], "sources": [], "uri": null,
                   "authenticate": null, "record_route": null, "mode": null, "ring": null, "path": false, "strip": 0, "prepend": "", "forward": null,
                   "lookup": false, "redirect": null, "reply": null, "drop": false}),
            given,
        );
        if !route["redirect"].is_null() {
            let defaults = json!({"table": null, "contacts": [], "lookup": false, "status": 302});
            route["redirect"] = with(defaults, &route["redirect"]);
        }
        if !route["reply"].is_null() {
            route["reply"] = with(json!({"reason": null}), &route["reply"]);
        }
        route
    };
    let set = |given: &Value| {
        let defaults = json!({"policy": "weight", "hash_by": "call-id", "probe": null});
        let mut set = with(defaults, given);
        let target = |target: &Value| match target {
            Value::String(uri) => json!({"uri": uri, "weight": 1, "priority": 0}),
            target => with(json!({"weight": 1, "priority": 0}), target),
        };
        set["targets"] = list(&set["targets"]).iter().map(target).collect();
        set
    };
    serde_json::from_value(json!({
        "domains": [],
        "server": {"steering": "auto", "workers": 1, "data": "", "name": "", "log": "auto", "log_level": "info"},
        "listen": [],
        "certificate": [],
        "connections": {"most": 100000, "buffer": 262144, "connect": 4.0, "first": 10.0, "message": 32.0, "idle": 7500.0, "balancers": []},
        "tls": {"authorities": null, "verify": true, "oldest": "1.2"},
        "limits": {"message": 65536, "fields": 256, "via": 64, "route": 32, "field": 16384, "contacts": 64, "bindings": 10},
        "guard": {"allow": ["0.0.0.0/0", "::/0"], "requests": 0, "refused": 600, "failures": 10, "scanners": [], "ban": 600.0, "delay": 0.05, "emergency": ["112"]},
        "auth": {"realm": null, "algorithms": [], "nonce_lifetime": 300, "register": true, "calls": true},
        "registrar": {"default_expires": 3600, "min_expires": 60, "max_expires": 7200, "path": "supported", "nat": "auto",
        "service_route": [], "flow_timer": 0},
        "proxy": {"record_route": true, "trusted": [], "relay": true, "recurse": false, "patience": 3.0, "ring": 30.0},
        "dns": {"servers": [], "timeout": 2.0, "attempts": 2, "longest": 86400.0, "stale": 3600.0, "avoid": 30.0},
        "database": {"url": "none", "bindings": true, "urgent": 1.0, "refresh": 30.0},
        "admin": {"address": ""},
        "target_set": list(&target_sets).iter().map(set).collect::<Value>(),
        "table": tables.iter().map(|name| json!({"name": name, "file": "numbers.csv"})).collect::<Value>(),
        "route": list(&routes).iter().map(route).collect::<Value>(),
    }))
    .expect("the configuration of a test is well formed")
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
    json!([{"name": "carrier", "targets": ["sip:192.0.2.1"]}])
}

fn key<'a>(method: &'a str, uri: &'a str, source: &str) -> RouteKey<'a> {
    let parsed = Uri::parse(uri.as_bytes()).expect("the URI of a test is right");
    RouteKey::new(method.as_bytes(), uri.as_bytes(), &parsed, source.parse::<IpAddr>().expect("an address"))
}

/// Name of the rule that decides for an INVITE from 192.0.2.9.
fn decided<'t>(table: &'t RouteTable, uri: &str) -> Option<&'t str> {
    table.decide(&key("INVITE", uri, "192.0.2.9")).map(|rule| &*rule.name)
}
