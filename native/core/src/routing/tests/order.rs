//! Which rule decides, by the rules that hold.

use super::{decided, key, table};
use crate::routing::target::TargetSet;
use crate::routing::{Action, ForwardTo, RedirectTo};
use serde_json::json;

#[test]
fn the_first_rule_that_holds_decides() {
    let table = table(json!([
        {"name": "messages", "methods": ["MESSAGE"], "drop": true},
        {"name": "bob", "users": ["bob"], "domains": ["example.com"], "lookup": true},
        {"name": "ours", "domains": ["example.com", "192.0.2.1"], "lookup": true},
        {"name": "rest", "forward": "carrier"},
        {"name": "never", "drop": true},
    ]));
    for (uri, rule) in [
        ("sip:bob@example.com", "bob"),
        ("sip:bob@EXAMPLE.com.;transport=tcp", "bob"),
        ("sip:b%6fb@example.com", "bob"),
        ("sip:Bob@example.com", "ours"),
        ("sip:example.com", "ours"),
        ("sip:bob@192.0.2.1:5080", "ours"),
        ("sip:bob@example.org", "rest"),
        ("tel:+4930", "rest"),
        ("urn:service:sos", "rest"),
    ] {
        assert_eq!(decided(&table, uri), Some(rule), "{uri}");
    }
    let message = table.decide(&key("MESSAGE", "sip:bob@example.com", "192.0.2.9"));
    assert_eq!(message.map(|rule| rule.index), Some(0));
}

#[test]
fn without_a_rule_that_holds_nothing_is_decided() {
    assert_eq!(decided(&table(json!([])), "sip:bob@example.com"), None);
    assert_eq!(decided(&table(json!([{"domains": ["example.org"], "drop": true}])), "sip:bob@example.com"), None);
}

#[test]
fn among_prefixes_the_longest_decides_wherever_it_stands() {
    let table = table(json!([
        {"name": "germany", "prefixes": ["+49", "0049"], "forward": "carrier"},
        {"name": "berlin", "prefixes": ["+4930"], "forward": "carrier"},
        {"name": "berlin again", "prefixes": ["+49-30"], "drop": true},
        {"name": "world", "prefixes": ["+", "00"], "forward": "carrier"},
        {"name": "rest", "drop": true},
    ]));
    for (uri, rule) in [
        ("sip:+493012@example.com", "berlin"),
        ("sip:+49-30-12@example.com;user=phone", "berlin"),
        ("sip:%2B4930@example.com", "berlin"),
        ("tel:+49-30-12", "berlin"),
        ("sip:+4989@example.com", "germany"),
        ("sip:004930@example.com", "germany"),
        ("sip:+1@example.com", "world"),
        ("sip:001@example.com", "world"),
        ("sip:493012@example.com", "rest"),
        ("sip:alice@example.com", "rest"),
        ("sip:example.com", "rest"),
    ] {
        assert_eq!(decided(&table, uri), Some(rule), "{uri}");
    }
}

#[test]
fn a_rule_without_prefixes_is_a_wall() {
    let table = table(json!([
        {"name": "abuser", "sources": ["198.51.100.0/24"], "drop": true},
        {"name": "germany", "prefixes": ["+49"], "forward": "carrier"},
        {"name": "partner", "sources": ["203.0.113.7"], "lookup": true},
        {"name": "berlin", "prefixes": ["+4930"], "forward": "carrier"},
        {"name": "rest", "forward": "request-uri"},
        {"name": "behind", "prefixes": ["+493012345"], "drop": true},
    ]));
    let from = |source: &str| {
        table.decide(&key("INVITE", "sip:+493012345@example.com", source)).map(|rule| rule.name.to_string())
    };
    assert_eq!(from("198.51.100.7").as_deref(), Some("abuser"), "no prefix gets past a rule above it");
    assert_eq!(from("203.0.113.7").as_deref(), Some("germany"), "the wall keeps out what stands below, not above");
    assert_eq!(from("192.0.2.1").as_deref(), Some("berlin"), "a rule that does not hold is no wall");
    assert_eq!(from("::ffff:198.51.100.7").as_deref(), Some("abuser"));
}

#[test]
fn a_shorter_prefix_takes_over_when_the_longer_does_not_hold() {
    let table = table(json!([
        {"name": "berlin messages", "prefixes": ["+4930"], "methods": ["MESSAGE"], "drop": true},
        {"name": "berlin by name", "prefixes": ["+4930"], "uri": "user=phone", "drop": true},
        {"name": "germany", "prefixes": ["+49"], "forward": "carrier"},
    ]));
    assert_eq!(decided(&table, "sip:+493012@example.com"), Some("germany"));
    assert_eq!(decided(&table, "sip:+493012@example.com;user=phone"), Some("berlin by name"));
}

#[test]
fn expressions_stand_where_they_stand() {
    let table = table(json!([
        {"name": "support", "domains": ["example.com"], "uri": "^sip:support[0-9]@", "lookup": true},
        {"name": "ours", "domains": ["example.com"], "lookup": true},
        {"name": "unreached", "domains": ["example.com"], "uri": ".", "drop": true},
        {"name": "secure", "uri": "(?i)^sips:", "forward": "request-uri"},
    ]));
    for (uri, rule) in [
        ("sip:support1@example.com", Some("support")),
        ("sip:support@example.com", Some("ours")),
        ("SIPS:bob@example.org", Some("secure")),
        ("sip:bob@example.org", None),
    ] {
        assert_eq!(decided(&table, uri), rule, "{uri}");
    }
}

#[test]
fn ack_and_cancel_go_the_way_of_their_invite() {
    let table = table(json!([
        {"name": "calls", "methods": ["INVITE"], "forward": "carrier"},
        {"name": "rest", "lookup": true},
    ]));
    let by = |method: &str| table.decide(&key(method, "sip:bob@example.com", "192.0.2.9")).map(|rule| rule.index);
    assert_eq!(["INVITE", "ACK", "CANCEL", "BYE", "invite", "FOO"].map(by), [0, 0, 0, 1, 1, 1].map(Some));
}

#[test]
fn more_rules_than_fit_a_word() {
    let routes: Vec<_> = (0..200)
        .map(|i| json!({"name": i.to_string(), "domains": [format!("d{i}.example.com")], "users": ["bob"], "drop": true}))
        .collect();
    let table = table(routes.into());
    for rule in ["0", "63", "64", "127", "128", "199"] {
        assert_eq!(decided(&table, &format!("sip:bob@d{rule}.example.com")), Some(rule));
        assert_eq!(decided(&table, &format!("sip:eve@d{rule}.example.com")), None);
    }
}

#[test]
fn rules_carry_what_they_do() {
    let table = table(json!([
        {"forward": "carrier", "authenticate": false, "record_route": true, "strip": 2, "prepend": "+"},
        {"forward": "request-uri"},
        {"forward": "sips:gw.example.com:5081"},
        {"redirect": {"contacts": ["sip:a@example.com;transport=tcp", "\"B\" <sip:b@example.com>;q=0.5"], "status": 301}},
        {"redirect": {"table": "numbers"}},
        {"redirect": {"lookup": true}},
        {"reply": {"status": 404, "reason": "Nobody"}},
        {"drop": true, "name": "last"},
    ]));
    let rules = table.rules();
    let set = |id| table.target_set(id).map(TargetSet::name);
    assert!(matches!(rules[0].action, Action::Forward(ForwardTo::Set(id)) if set(id) == Some("carrier")));
    assert_eq!(table.target_sets()[0].name(), "carrier");
    assert_eq!((rules[0].authenticate, rules[0].record_route), (Some(false), Some(true)));
    assert_eq!((rules[0].rewrite.strip, &*rules[0].rewrite.prepend), (2, &b"+"[..]));
    assert!(matches!(rules[1].action, Action::Forward(ForwardTo::RequestUri)));
    let hop = "gw.example.com:5081;transport=tls";
    assert!(matches!(&rules[2].action, Action::Forward(ForwardTo::Hop(to)) if to.to_string() == hop));
    let listed = |contacts: &[Box<[u8]>]| {
        *contacts[0] == *b"<sip:a@example.com;transport=tcp>" && *contacts[1] == *b"\"B\" <sip:b@example.com>;q=0.5"
    };
    assert!(matches!(
        &rules[3].action,
        Action::Redirect { to: RedirectTo::Contacts(contacts), status: 301 } if listed(contacts)
    ));
    assert!(matches!(
        &rules[4].action,
        Action::Redirect { to: RedirectTo::Table(table), status: 302 } if &*table.name == "numbers"
    ));
    assert!(matches!(rules[5].action, Action::Redirect { to: RedirectTo::Lookup, status: 302 }));
    assert!(matches!(&rules[6].action, Action::Reply { status: 404, reason: Some(reason) } if &**reason == "Nobody"));
    assert!(matches!(rules[7].action, Action::Drop));
    assert_eq!(rules.iter().map(ToString::to_string).collect::<Vec<_>>()[6..], ["route[6]", "last"]);
}
