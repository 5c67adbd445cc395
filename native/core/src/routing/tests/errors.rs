//! Mistakes in the configuration: each at its place, in words, and all at once.

use super::{build, carrier, config};
use crate::routing::{MAX_RULES, NumberTables, RouteTable};
use serde_json::{Value, json};

/// Mistakes of a configuration as `path: problem`.
fn mistakes(routes: Value, target_sets: Value, tables: &[&str]) -> Vec<String> {
    let errors = build(&config(routes, target_sets, tables)).err().unwrap_or_default();
    errors.iter().map(|error| format!("{}: {}", error.path, error.problem)).collect()
}

#[test]
fn mistakes_in_a_rule() {
    for (route, expected) in [
        (json!({}), "route[0]: a rule does one of"),
        (json!({"lookup": true, "drop": true}), "route[0]: a rule does one thing; this one does lookup and drop"),
        (
            json!({"methods": ["invite"], "drop": true}),
            "route[0].methods[0]: methods are case-sensitive; did you mean \"INVITE\"?",
        ),
        (
            json!({"methods": ["BYE", "IN VITE"], "drop": true}),
            "route[0].methods[1]: \"IN VITE\" is not a method; did you mean \"INVITE\"?",
        ),
        (json!({"methods": ["ACK"], "drop": true}), "route[0].methods[0]: ACK goes the way of its INVITE"),
        (
            json!({"domains": ["sip:example.com"], "drop": true}),
            "route[0].domains[0]: \"sip:example.com\" is not a host",
        ),
        (json!({"domains": ["example.com:5060"], "drop": true}), "route[0].domains[0]:"),
        (json!({"domains": [""], "drop": true}), "route[0].domains[0]:"),
        (
            json!({"users": ["bob@example.com"], "drop": true}),
            "route[0].users[0]: \"bob@example.com\" is not a user part",
        ),
        (json!({"users": [""], "drop": true}), "route[0].users[0]:"),
        (json!({"prefixes": ["49", "4x"], "drop": true}), "route[0].prefixes[1]: \"4x\" is not the front of a number"),
        (json!({"prefixes": [""], "drop": true}), "route[0].prefixes[0]:"),
        (json!({"prefixes": ["49;ext=1"], "drop": true}), "route[0].prefixes[0]:"),
        (json!({"prefixes": ["123456789012345678901234567890123"], "drop": true}), "route[0].prefixes[0]:"),
        (json!({"sources": ["192.0.2.0/33"], "drop": true}), "route[0].sources[0]: \"192.0.2.0/33\" is neither"),
        (json!({"sources": ["192.0.2.7/24"], "drop": true}), "did you mean \"192.0.2.0/24\"?"),
        (json!({"sources": ["::ffff:192.0.2.7"], "drop": true}), "IPv4 addresses are written as such"),
        (json!({"uri": "(", "drop": true}), "route[0].uri: \"(\" is not a regular expression: unclosed group"),
        (json!({"uri": "", "drop": true}), "route[0].uri: an empty expression"),
        (json!({"prepend": "+49 30", "lookup": true}), "route[0].prepend: \"+49 30\" cannot stand in a user part"),
        (json!({"prepend": "%4", "lookup": true}), "route[0].prepend:"),
        (json!({"strip": 1, "drop": true}), "route[0]: strip and prepend change nothing"),
        (
            json!({"forward": "carier"}),
            "route[0].forward: \"carier\" is no target set, no URI and not request-uri; did you mean \"carrier\"?",
        ),
        (
            json!({"forward": "counted", "mode": "stateless"}),
            "route[0].mode: the policy of the target set counts calls",
        ),
        (json!({"forward": "ejecting", "mode": "stateless"}), "route[0].mode: the target set ejects targets that fail"),
        (json!({"forward": "request_uri"}), "did you mean \"request-uri\"?"),
        (json!({"forward": "sip:"}), "route[0].forward: \"sip:\" is not a URI"),
        (json!({"forward": "tel:+49"}), "route[0].forward: \"tel:+49\" is neither"),
        (json!({"redirect": {}}), "route[0].redirect: a redirect takes its contacts from exactly one"),
        (json!({"redirect": {"lookup": true, "table": "numbers"}}), "route[0].redirect:"),
        (
            json!({"redirect": {"table": "number"}}),
            "route[0].redirect.table: there is no table \"number\"; did you mean \"numbers\"?",
        ),
        (json!({"redirect": {"lookup": true, "status": 200}}), "route[0].redirect.status: 200"),
        (
            json!({"redirect": {"contacts": ["sip:a@example.com", "nobody"]}}),
            "route[0].redirect.contacts[1]: \"nobody\" is not a contact",
        ),
        (json!({"redirect": {"contacts": ["<sip:a@b>\r\nVia: x"]}}), "control characters"),
        (json!({"reply": {"status": 180}}), "route[0].reply.status: 180 is not a final status"),
        (json!({"reply": {"status": 700}}), "route[0].reply.status:"),
        (json!({"reply": {"status": 404, "reason": "a\nb"}}), "route[0].reply.reason: control characters"),
    ] {
        let found = mistakes(json!([route]), carrier(), &["numbers"]);
        assert!(found.len() == 1 && found[0].contains(expected), "{route}: {found:?}, expected {expected:?}");
    }
}

#[test]
fn mistakes_in_a_target_set() {
    let target = |uri: &str, weight: u32| json!({"uri": uri, "weight": weight});
    for (set, expected) in [
        (json!({"name": "", "targets": ["sip:a.example.com"]}), "target_set[0].name:"),
        (json!({"name": "request-uri", "targets": ["sip:a.example.com"]}), "target_set[0].name:"),
        (json!({"name": "sip:a", "targets": ["sip:a.example.com"]}), "target_set[0].name:"),
        (json!({"name": "a", "targets": []}), "target_set[0].targets: a target set needs"),
        (
            json!({"name": "a", "policy": "roundrobin", "targets": ["sip:a.example.com"]}),
            "did you mean \"round-robin\"?",
        ),
        (json!({"name": "a", "hash_by": "callid", "targets": ["sip:a.example.com"]}), "did you mean \"call-id\"?"),
        (
            json!({"name": "a", "targets": ["a.example.com"]}),
            "target_set[0].targets[0].uri: \"a.example.com\" is not a URI",
        ),
        (json!({"name": "a", "targets": ["sip:a.example.com?x=y"]}), "header fields"),
        (
            json!({"name": "a", "targets": ["sip:b", "sip:a.example.com", "sip:x@A.example.com."]}),
            "target_set[0].targets[2].uri: the same target as targets[1]",
        ),
        (json!({"name": "a", "targets": [target("sip:a.example.com", 0)]}), "target_set[0].targets: every weight is 0"),
        (
            json!({"name": "a", "targets": [target("sip:a.example.com", 65_536)]}),
            "target_set[0].targets[0].weight: 65536",
        ),
    ] {
        let found = mistakes(json!([]), json!([set]), &[]);
        assert!(found.len() == 1 && found[0].contains(expected), "{set}: {found:?}, expected {expected:?}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let sets = json!([
        {"name": "a", "targets": []},
        {"name": "a", "policy": "x", "targets": ["sip:a.example.com"]},
    ]);
    let routes = json!([
        {"name": "r", "forward": "b", "sources": ["x", "10.0.0.0/8", "y"]},
        {"name": "r", "uri": "[", "strip": 1},
    ]);
    let found = mistakes(routes, sets, &["t", "t"]);
    let places: Vec<_> = found.iter().map(|mistake| mistake.split(": ").next().unwrap_or_default()).collect();
    let expected = [
        "target_set[0].targets",
        "target_set[1].policy",
        "target_set[1].name",
        "table[1].name",
        "route[1].name",
        "route[0].sources[0]",
        "route[0].sources[2]",
        "route[0].forward",
        "route[1].uri",
        "route[1]",
    ];
    assert_eq!(places, expected, "{found:#?}");
}

#[test]
fn a_table_that_could_not_be_opened() {
    let config = config(json!([{"redirect": {"table": "numbers"}}]), json!([]), &["numbers"]);
    let errors = RouteTable::build(&config, &NumberTables::new()).expect_err("not opened");
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].path, "route[0].redirect.table");
    assert!(errors[0].problem.contains("table[0]"), "{}", errors[0].problem);
}

#[test]
fn too_many_rules() {
    let mut config = config(json!([{"drop": true}]), json!([]), &[]);
    config.route = vec![config.route[0].clone(); MAX_RULES + 1];
    let errors = build(&config).expect_err("too many");
    assert_eq!(errors[0].path, "route");
    config.route.pop();
    assert!(build(&config).is_ok());
}
