//! Explanations: every rule tried, and why it did not decide.

use super::{build, carrier, config, key};
use crate::routing::{Outcome, RouteTable};
use serde_json::{Value, json};

/// One line per step.
fn lines(table: &RouteTable, routes: &[crate::config::Route], method: &str, uri: &str) -> Vec<String> {
    let prefix = |prefix: &Option<String>| prefix.as_ref().map(|prefix| format!(" by {prefix}")).unwrap_or_default();
    let explanation = table.explain(routes, &key(method, uri, "192.0.2.9"));
    let decides = explanation.decides.map(|rule| rule.index);
    assert_eq!(decides, table.decide(&key(method, uri, "192.0.2.9")).map(|rule| rule.index), "{uri}");
    (explanation.steps.iter())
        .map(|step| match &step.outcome {
            Outcome::Decides { prefix: by } => format!("{} decides{}", step.rule, prefix(by)),
            Outcome::Failed { condition, wanted, found } => {
                format!("{}: {condition} {wanted}, found {found}", step.rule)
            }
            Outcome::Outdone { prefix: own, by } => format!("{} holds{}, but {by}", step.rule, prefix(own)),
        })
        .collect()
}

fn routes() -> Value {
    json!([
        {"name": "messages", "methods": ["MESSAGE", "NOTIFY"], "drop": true},
        {"name": "abuser", "sources": ["198.51.100.0/24"], "drop": true},
        {"name": "berlin", "prefixes": ["+4930"], "forward": "carrier"},
        {"name": "germany", "prefixes": ["+49", "0049"], "forward": "carrier"},
        {"name": "support", "domains": ["example.com"], "uri": "^sip:support", "lookup": true},
        {"name": "bob", "users": ["bob"], "lookup": true},
        {"name": "rest", "drop": true},
        {"name": "unreached", "drop": true},
    ])
}

#[test]
fn every_rule_tried_says_why() {
    let config = config(routes(), carrier(), &[]);
    let table = build(&config).expect("right");
    let above = ["messages: methods MESSAGE, NOTIFY, found INVITE", "abuser: sources 198.51.100.0/24, found 192.0.2.9"];
    let expect = |uri: &str, expected: &[&str]| {
        let lines = lines(&table, &config.route, "INVITE", uri);
        assert_eq!(lines[..2], above);
        assert_eq!(lines[2..], *expected, "{uri}");
    };
    expect(
        "sip:+493012@example.com",
        &[
            "berlin decides by +4930",
            "germany holds by +49, but berlin",
            "support: uri ^sip:support, found sip:+493012@example.com",
            "bob: users bob, found +493012",
            "rest holds, but berlin",
        ],
    );
    expect(
        "sip:bob@EXAMPLE.org",
        &[
            "berlin: prefixes +4930, found bob (not a number)",
            "germany: prefixes +49, 0049, found bob (not a number)",
            "support: domains example.com, found example.org",
            "bob decides",
        ],
    );
    expect(
        "tel:+1-201",
        &[
            "berlin: prefixes +4930, found +1201",
            "germany: prefixes +49, 0049, found +1201",
            "support: domains example.com, found no host",
            "bob: users bob, found +1-201",
            "rest decides",
        ],
    );
    let ack = lines(&table, &config.route, "ACK", "sip:example.com");
    assert_eq!(ack[0], "messages: methods MESSAGE, NOTIFY, found ACK (as INVITE)");
    assert_eq!(ack[2], "berlin: prefixes +4930, found no user part");
    assert_eq!(ack[5], "bob: users bob, found no user part");
}

#[test]
fn long_lists_are_cut() {
    let prefixes: Vec<_> = (100..1100).map(|prefix| prefix.to_string()).collect();
    let config = config(json!([{"prefixes": prefixes, "drop": true}]), json!([]), &[]);
    let table = build(&config).expect("right");
    let lines = lines(&table, &config.route, "INVITE", "sip:0@example.com");
    assert_eq!(lines, ["route[0]: prefixes 100, 101, 102, 103, 104 and 995 more, found 0"]);
}
