//! Cost of a routing decision and of choosing a target. `cargo bench -p dialplane-core --bench routing`.
//!
//! Each request of a round differs from the one before it, so that neither branches nor caches know the answer.

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot be set up has nothing to say")]

use criterion::{Criterion, criterion_group, criterion_main};
use dialplane_core::config::Config;
use dialplane_core::routing::target::{Choices, TargetSet};
use dialplane_core::routing::{RouteKey, RouteTable};
use dialplane_core::store::TargetHealth;
use dialplane_core::testing::defaults;
use dialplane_syntax::Uri;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::hint::black_box;

/// Requests of a round.
const ROUND: usize = 4096;

fn config(routes: Vec<Value>, target_sets: Value) -> Config {
    defaults::config(json!({"domains": [], "route": routes, "target_set": target_sets}))
}

fn route(conditions: Value) -> Value {
    let mut route = defaults::rule(conditions);
    route["drop"] = Value::Bool(true);
    route
}

fn table(conditions: Vec<Value>) -> RouteTable {
    RouteTable::build(&config(conditions.into_iter().map(route).collect(), json!([])), &HashMap::new()).unwrap()
}

/// Pseudo-random numbers, the same in each run.
fn numbers() -> impl Iterator<Item = u64> {
    let mut state = 1_u64;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 20
    })
}

fn decide(criterion: &mut Criterion, name: &str, table: &RouteTable, uris: impl Iterator<Item = String>) {
    let uris: Vec<String> = uris.take(ROUND).collect();
    let keys: Vec<RouteKey<'_>> = uris
        .iter()
        .map(|uri| {
            let parsed = Uri::parse(uri.as_bytes()).unwrap();
            RouteKey::new(b"INVITE", uri.as_bytes(), &parsed, "192.0.2.7".parse().unwrap())
        })
        .collect();
    let mut next = (0..ROUND).cycle();
    criterion.bench_function(name, |bencher| {
        bencher.iter(|| table.decide(black_box(&keys[next.next().unwrap_or(0)])).map(|rule| rule.index));
    });
}

fn tables(criterion: &mut Criterion) {
    // What a small office has: guards, own domain, two carriers by prefix, the rest.
    let ten = table(vec![
        json!({"sources": ["198.51.100.0/24", "203.0.113.0/24", "2001:db8:bad::/48"]}),
        json!({"methods": ["SUBSCRIBE", "PUBLISH"]}),
        json!({"domains": ["example.com"], "users": ["conference", "echo"]}),
        json!({"domains": ["example.com"], "prefixes": ["110", "112"]}),
        json!({"domains": ["example.com"], "prefixes": ["+49", "0049", "00"]}),
        json!({"domains": ["example.com"], "prefixes": ["+1", "+44", "+33"]}),
        json!({"domains": ["example.com"], "prefixes": ["+"]}),
        json!({"domains": ["example.com"]}),
        json!({"domains": ["example.org", "example.net"]}),
        json!({}),
    ]);
    let users = ["alice", "bob", "+4930123456", "+12015550123", "conference", "0049891234", "+81312345678"];
    let hosts = ["example.com", "example.net", "Example.COM", "elsewhere.example"];
    let uris =
        numbers().map(|n| format!("sip:{}@{}", users[n as usize % users.len()], hosts[n as usize / 64 % hosts.len()]));
    decide(criterion, "10 rules", &ten, uris);

    let thousand = |extra: Value| {
        table(
            (0..1000)
                .map(|i| {
                    let mut rule = extra.clone();
                    rule["domains"] = json!([format!("customer{i}.example.com")]);
                    if i % 3 == 0 {
                        rule["sources"] = json!([format!("10.{}.{}.0/24", i / 256, i % 256), "192.0.2.0/24"]);
                    }
                    rule
                })
                .collect(),
        )
    };
    let customers = || numbers().map(|n| format!("sip:alice@customer{}.example.com", n % 1000));
    decide(criterion, "1,000 rules by domain", &thousand(json!({})), customers());
    decide(criterion, "1,000 rules, none holds", &thousand(json!({"methods": ["MESSAGE"]})), customers());

    let prefixes: Vec<String> =
        numbers().map(|n| format!("+{}", 1_000_000 + n % 900_000_000)).take(1_000_000).collect();
    let rules = prefixes.chunks(1000).map(|prefixes| json!({"prefixes": prefixes})).collect();
    let million = table(rules);
    let uris = numbers().skip(1_000_000).map(|n| format!("sip:+{}@example.com", 100_000_000_000 + n % 900_000_000_000));
    decide(criterion, "1,000,000 prefixes, random numbers", &million, uris);
    let uris = numbers().map(|n| format!("sip:{}55@example.com", prefixes[n as usize % prefixes.len()]));
    decide(criterion, "1,000,000 prefixes, known numbers", &million, uris);

    let expressions = |count: usize| {
        let mut rules: Vec<_> = (0..count).map(|i| json!({"uri": format!("^sips?:service{i}[0-9]*@")})).collect();
        rules.push(json!({}));
        table(rules)
    };
    let uris = || numbers().map(|n| format!("sip:alice{}@example.com", n % 1000));
    decide(criterion, "1 expression that fails", &expressions(1), uris());
    decide(criterion, "100 expressions that fail", &expressions(100), uris());
}

struct AllUp;

impl TargetHealth for AllUp {
    fn read(&self, _target: u64) -> u64 {
        black_box(0)
    }

    fn write(&self, _target: u64, _state: u64) {}

    fn update(&self, _target: u64, _change: impl FnMut(u64) -> u64) {}
}

fn target_set(policy: &str, count: usize) -> TargetSet {
    let target =
        |i| json!({"uri": format!("sip:gw{i}.example.com"), "weight": 1 + i % 3, "priority": 0, "drain": false});
    let set = json!([{"name": "set", "policy": policy, "hash_by": "call-id", "probe": null, "eject": null, "longest_call": 14400.0,
                      "targets": (0..count).map(target).collect::<Value>()}]);
    RouteTable::build(&config(Vec::new(), set), &HashMap::new()).unwrap().target_sets()[0].clone()
}

fn targets(criterion: &mut Criterion) {
    let call_ids: Vec<String> = numbers().map(|n| format!("{n:016x}@192.0.2.1")).take(ROUND).collect();
    for (policy, count) in [("weight", 4), ("weight", 32), ("hash", 4), ("round-robin", 4), ("priority", 4)] {
        let set = target_set(policy, count);
        let mut next = (0..ROUND).cycle();
        criterion.bench_function(&format!("first of {count} by {policy}"), |bencher| {
            bencher.iter(|| {
                let request = next.next().unwrap_or(0);
                set.first(black_box(call_ids[request].as_bytes()), request as u64, 0, &AllUp)
            });
        });
    }
    let set = target_set("weight", 8);
    let mut choices = Choices::new();
    let mut next = (0..ROUND).cycle();
    criterion.bench_function("order of 8 by weight", |bencher| {
        bencher.iter(|| set.choose(b"", next.next().unwrap_or(0) as u64, 0, &AllUp, black_box(&mut choices)));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().without_plots().warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_millis(700));
    targets = tables, targets
}
criterion_main!(benches);
