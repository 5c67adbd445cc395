//! Configurations for tests: the defaults of `config.py`, with what a test changes.
//!
//! `defaults.json` is written by `python -m tests.native.defaults`, and a test tells when it is out of date.

use crate::config::Config;
use serde_json::{Value, json};

const DEFAULTS: &str = include_str!("defaults.json");

/// A configuration with the domain `example.com`, without database and listeners, that challenges and bans nobody;
/// `change` replaces what it names. Tables of lists (`route`, `target_set`) are to be whole: see [`rule`] and [`target_set`].
///
/// # Panics
/// When the change fits no configuration.
#[must_use]
pub fn config(change: Value) -> Config {
    let mut config = part("config");
    let open = json!({
        "domains": ["example.com"],
        "listen": [],
        "server": {"workers": 1, "name": ""},
        "guard": {"allow": ["0.0.0.0/0", "::/0"], "scanners": []},
        "auth": {"register": false, "calls": false},
        "proxy": {"record_route": false},
        "database": {"url": "none"},
        "admin": {"address": ""},
    });
    merge(&mut config, open);
    merge(&mut config, change);
    serde_json::from_value(config).expect("a whole configuration")
}

/// A rule that holds always and does nothing, but for `change`.
#[must_use]
pub fn rule(change: Value) -> Value {
    let mut rule = with("route", change);
    for name in ["redirect", "reply"] {
        if let Some(given) = rule.get_mut(name).filter(|given| given.is_object()) {
            *given = with(name, given.take());
        }
    }
    rule
}

/// A target set with the given fields; a target may be a URI alone.
#[must_use]
pub fn target_set(change: Value) -> Value {
    let mut set = with("target_set", change);
    if let Some(eject) = set.get_mut("eject").filter(|given| given.is_object()) {
        *eject = with("eject", eject.take());
    }
    for target in set.get_mut("targets").and_then(Value::as_array_mut).into_iter().flatten() {
        let given = target.take();
        *target = with("target", if given.is_string() { json!({"uri": given}) } else { given });
    }
    set
}

fn with(name: &str, change: Value) -> Value {
    let mut whole = part(name);
    merge(&mut whole, change);
    whole
}

fn part(name: &str) -> Value {
    let mut parts: Value = serde_json::from_str(DEFAULTS).expect("JSON that Python wrote");
    parts[name].take()
}

fn merge(whole: &mut Value, change: Value) {
    match (whole, change) {
        (Value::Object(whole), Value::Object(change)) => {
            for (key, value) in change {
                merge(whole.entry(key).or_insert(Value::Null), value);
            }
        }
        (whole, change) => *whole = change,
    }
}
