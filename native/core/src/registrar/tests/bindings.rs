//! What REGISTER requests make of the bindings. RFC 3261 §10.3 steps 6 to 8.

use super::*;
use crate::registrar::record::Bindings;
use crate::store::{Change, StoreError, Table as _};
use dialplane_syntax::header::QValue;

/// The one binding of Alice.
fn only(world: &World, look: impl FnOnce(&crate::registrar::record::Binding<'_>)) {
    let record = world.store.bindings.value(ALICE).expect("a record");
    let mut bindings = Bindings::read(&record).expect("a readable record");
    look(&bindings.next().expect("a binding").binding);
    assert!(bindings.next().is_none(), "one binding");
}

#[test]
fn the_answer_to_a_new_registration() {
    let (answer, lines) = World::new().handle(&register(&["Expires: 600"]));
    assert_eq!(answer.status, 200);
    assert_eq!(
        lines,
        [
            "Contact: <sip:alice@192.0.2.1:5060>;expires=600",
            "Date: Fri, 15 Jan 2027 08:00:00 GMT",
            "Supported: path, outbound"
        ]
    );
}

#[test]
fn expiration_intervals() {
    for (case, fields, expected) in [
        ("by default", &[][..], 3600),
        ("Expires field", &["Expires: 600"], 600),
        ("parameter", &["Contact: <sip:a@192.0.2.1>;expires=700"], 700),
        ("parameter before field", &["Contact: <sip:a@192.0.2.1>;expires=700", "Expires: 60"], 700),
        ("bare URI's parameter", &["Contact: sip:a@192.0.2.1;expires=700"], 700),
        ("at least", &["Expires: 60"], 60),
        ("at most", &["Expires: 100000"], 7200),
        // RFC 3261 §10.2.1.1: malformed counts as 3600.
        ("a date of RFC 2543", &["Contact: <sip:a@192.0.2.1>;expires=\"Sat, 01 Dec 2040 16:00:00 GMT\""], 3600),
        ("negative", &["Contact: <sip:a@192.0.2.1>;expires=-1"], 3600),
        ("without value", &["Contact: <sip:a@192.0.2.1>;expires"], 3600),
        ("above 2^32", &["Contact: <sip:a@192.0.2.1>;expires=4294967297"], 7200),
        ("Expires above 2^64", &["Expires: 99999999999999999999999"], 7200),
    ] {
        let contacts = World::new().contacts(fields);
        assert!(contacts[0].ends_with(&format!(";expires={expected}")), "{case}: {contacts:?}");
    }
}

#[test]
fn the_default_within_its_limits() {
    for (default, expected) in [(10, 60), (60, 60), (100_000, 7200)] {
        let mut world = World::with(serde_json::json!({"registrar": {"default_expires": default}}));
        assert!(world.contacts(&[])[0].ends_with(&format!(";expires={expected}")), "{default}");
    }
}

#[test]
fn brief_intervals() {
    for (expires, min, status) in
        [(59, 60, 423), (1, 60, 423), (60, 60, 200), (0, 60, 200), (3600, 7200, 200), (3599, 7200, 423)]
    {
        let registrar = serde_json::json!({"registrar": {"min_expires": min}});
        let mut world = World::with(registrar);
        let (answer, lines) = world.handle(&register(&[&format!("Expires: {expires}")]));
        assert_eq!(answer.status, status, "{expires} of at least {min}");
        if status == 423 {
            assert_eq!(lines, [format!("Min-Expires: {min}")]);
            assert!(world.store.bindings.is_empty());
        }
    }
}

#[test]
fn a_brief_contact_fails_all() {
    let mut world = World::new();
    assert_eq!(world.status(&["Contact: <sip:a@192.0.2.1>;expires=600, <sip:b@192.0.2.1>;expires=5"]), 423);
    assert!(world.store.bindings.is_empty());
}

#[test]
fn order_of_call_id_and_cseq() {
    let first = &["Call-ID: a", "CSeq: 10 REGISTER", "Expires: 600"][..];
    for (case, fields, status, left) in [
        ("higher", &["Call-ID: a", "CSeq: 11 REGISTER", "Expires: 900"][..], 200, Some(900)),
        ("lower", &["Call-ID: a", "CSeq: 9 REGISTER", "Expires: 900"], 500, Some(600)),
        ("equal: a retransmission", &["Call-ID: a", "CSeq: 10 REGISTER", "Expires: 600"], 200, Some(600)),
        ("other Call-ID, lower", &["Call-ID: b", "CSeq: 1 REGISTER", "Expires: 900"], 200, Some(900)),
        ("removal, higher", &["Call-ID: a", "CSeq: 11 REGISTER", "Expires: 0"], 200, None),
        ("removal, equal", &["Call-ID: a", "CSeq: 10 REGISTER", "Expires: 0"], 500, Some(600)),
        ("removal, lower", &["Call-ID: a", "CSeq: 9 REGISTER", "Expires: 0"], 500, Some(600)),
        ("removal, other Call-ID", &["Call-ID: b", "CSeq: 1 REGISTER", "Expires: 0"], 200, None),
        ("star, higher", &["Call-ID: a", "CSeq: 11 REGISTER", "Contact: *", "Expires: 0"], 200, None),
        ("star, equal", &["Call-ID: a", "CSeq: 10 REGISTER", "Contact: *", "Expires: 0"], 500, Some(600)),
        ("star, lower", &["Call-ID: a", "CSeq: 9 REGISTER", "Contact: *", "Expires: 0"], 500, Some(600)),
        ("star, other Call-ID", &["Call-ID: b", "CSeq: 1 REGISTER", "Contact: *", "Expires: 0"], 200, None),
    ] {
        let mut world = World::new();
        assert_eq!(world.status(first), 200);
        assert_eq!(world.status(fields), status, "{case}");
        let left = left.map(|expires| format!("<sip:alice@192.0.2.1:5060>;expires={expires}"));
        assert_eq!(world.contacts(&["Contact: "]), Vec::from_iter(left), "{case}");
    }
}

#[test]
fn a_retransmission_may_bring_nothing_new() {
    let mut world = World::new();
    assert_eq!(world.status(&["Contact: <sip:a@192.0.2.1>"]), 200);
    assert_eq!(world.status(&["Contact: <sip:a@192.0.2.1>, <sip:b@192.0.2.1>"]), 500);
    assert_eq!(world.contacts(&["Contact: "]).len(), 1);
}

#[test]
fn a_repeated_removal_is_answered_like_the_first() {
    let mut world = World::new();
    assert_eq!(world.status(&["CSeq: 1 REGISTER"]), 200);
    for _ in 0..3 {
        assert!(world.contacts(&["CSeq: 2 REGISTER", "Expires: 0"]).is_empty());
    }
    for _ in 0..3 {
        assert!(world.contacts(&["CSeq: 3 REGISTER", "Contact: *", "Expires: 0"]).is_empty());
    }
}

#[test]
fn one_contact_out_of_order_fails_all() {
    let mut world = World::new();
    assert_eq!(world.status(&["CSeq: 5 REGISTER", "Contact: <sip:a@192.0.2.1>"]), 200);
    let both = "Contact: <sip:b@192.0.2.1>, <sip:a@192.0.2.1>";
    assert_eq!(world.status(&["CSeq: 4 REGISTER", both]), 500);
    assert_eq!(world.contacts(&["Contact: "]), ["<sip:a@192.0.2.1>;expires=3600"]);
}

#[test]
fn contacts_that_are_equal() {
    // RFC 3261 §19.1.4.
    for (first, second, equal) in [
        ("<sip:alice@192.0.2.1>", "sip:alice@192.0.2.1", true),
        ("<sip:%61lice@192.0.2.1;transport=TCP>", "<sip:alice@192.0.2.1;Transport=tcp>", true),
        ("<sip:carol@chicago.com>", "<sip:carol@CHICAGO.com;newparam=5>", true),
        ("<sip:alice@192.0.2.1>", "<sip:ALICE@192.0.2.1>", false),
        ("<sip:bob@biloxi.com>", "<sip:bob@biloxi.com:5060>", false),
        ("<sip:bob@biloxi.com>", "<sips:bob@biloxi.com>", false),
        ("<mailto:bob@biloxi.com>", "mailto:bob@biloxi.com", true),
        ("<tel:+1-972-555-2222>", "<tel:+19725552222>", true),
    ] {
        let mut world = World::new();
        world.contacts(&["CSeq: 1 REGISTER", &format!("Contact: {first}")]);
        let contacts = world.contacts(&["CSeq: 2 REGISTER", &format!("Contact: {second}")]);
        assert_eq!(contacts.len(), if equal { 1 } else { 2 }, "{first} {second}");
    }
}

#[test]
fn instance_and_reg_id() {
    // RFC 5626 §6: with both, they and not the URI say which binding is meant.
    let flow = |host: u8, reg_id: u8| {
        format!("Contact: <sip:a@192.0.2.{host}>;reg-id={reg_id};+sip.instance=\"<urn:uuid:00000000-0000-1000-8000>\"")
    };
    let mut world = World::new();
    let kept = ";+sip.instance=\"<urn:uuid:00000000-0000-1000-8000>\";reg-id=";
    assert_eq!(world.contacts(&[&flow(1, 1)]), [format!("<sip:a@192.0.2.1>{kept}1;expires=3600")]);
    let moved = world.contacts(&["CSeq: 2 REGISTER", &flow(2, 1)]);
    assert_eq!(moved, [format!("<sip:a@192.0.2.2>{kept}1;expires=3600")]);
    assert_eq!(world.contacts(&["CSeq: 3 REGISTER", &flow(2, 2)]).len(), 2, "another flow of the same instance");
    assert_eq!(world.contacts(&["CSeq: 4 REGISTER", &flow(3, 12)]).len(), 3, "12 begins with 1 and is not 1");
    let removed = world.contacts(&["CSeq: 5 REGISTER", "Expires: 0", &flow(9, 2)]);
    assert_eq!(removed.len(), 2, "removed by instance");
    assert_eq!(
        world.contacts(&["CSeq: 6 REGISTER", "Expires: 0", "Contact: <sip:a@192.0.2.2>"]).len(),
        1,
        "removed by URI"
    );
}

#[test]
fn reg_id_that_does_not_count() {
    let contact = |host: u8| format!("Contact: <sip:a@192.0.2.{host}>;+sip.instance=\"<urn:x>\";reg-id=1");
    let two = "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1, SIP/2.0/UDP 192.0.2.8;branch=z9hG4bK2";
    for (case, fields, flows) in [
        ("a proxy before us", &[two][..], false),
        ("an edge without ob", &[two, "Supported: path", "Path: <sip:p.example.com;lr>"], false),
        ("an edge with ob", &[two, "Supported: path", "Path: <sip:p.example.com;lr;ob>, <sip:q.example.com;lr>"], true),
        (
            "ob not on the first",
            &[two, "Supported: path", "Path: <sip:p.example.com;lr>, <sip:q.example.com;lr;ob>"],
            false,
        ),
    ] {
        let mut world = World::new();
        world.contacts(&[fields, &[&contact(1)]].concat());
        let contacts = world.contacts(&[fields, &["CSeq: 2 REGISTER", &contact(2)]].concat());
        assert_eq!(contacts.len(), if flows { 1 } else { 2 }, "{case}");
    }
    // RFC 5626 §6: without an instance it is ignored.
    assert_eq!(World::new().contacts(&["Contact: <sip:a@192.0.2.1>;reg-id=1"]), ["<sip:a@192.0.2.1>;expires=3600"]);
}

#[test]
fn a_client_that_moved_removes_its_old_address_by_the_same_instance() {
    let instance = "reg-id=1;+sip.instance=\"<urn:uuid:1>\"";
    let mut world = World::new();
    world.contacts(&[&format!("Contact: <sip:bob@198.51.100.7:5062;ob>;{instance}")]);
    for fields in [
        [
            format!("Contact: <sip:bob@192.0.2.20:5062;ob>;{instance}"),
            format!("Contact: <sip:bob@198.51.100.7:5062;ob>;expires=0;{instance}"),
        ],
        [
            format!("Contact: <sip:bob@192.0.2.20:5062;ob>;expires=0;{instance}"),
            format!("Contact: <sip:bob@198.51.100.7:5062;ob>;{instance}"),
        ],
    ] {
        world.seconds += 1;
        let call_id = format!("Call-ID: {}", world.seconds);
        let contacts = world.contacts(&[&call_id, &fields[0], &fields[1]]);
        assert_eq!(contacts.len(), 1, "{contacts:?}");
        let added = fields.iter().find(|field| !field.contains("expires=0")).expect("one is added");
        let uri = added.split(['<', '>']).nth(1).expect("a URI");
        assert!(contacts[0].starts_with(&format!("<{uri}>")), "{contacts:?}");
    }
}

#[test]
fn a_contact_that_comes_twice_counts_once() {
    let contacts = World::new().contacts(&["Contact: <sip:a@192.0.2.1>;q=0.1, <sip:a@192.0.2.1;x=y>;q=0.2"]);
    assert_eq!(contacts, ["<sip:a@192.0.2.1;x=y>;q=0.2;expires=3600"]);
}

#[test]
fn parameters_come_back_as_they_were() {
    for (contact, expected) in [
        (
            "<sip:a@h>;q=0.50;expires=60;methods=\"INVITE, BYE\";audio",
            "<sip:a@h>;methods=\"INVITE, BYE\";audio;q=0.5;expires=60",
        ),
        (
            "\"Al\" <sip:a@h>;+g.oma.sip-im;language=\"en,fr\"",
            "<sip:a@h>;+g.oma.sip-im;language=\"en,fr\";expires=3600",
        ),
        ("<sip:a@h;ob?Route=%3Csip:x%3E> ; +sip.ice ; Q=1", "<sip:a@h;ob?Route=%3Csip:x%3E>;+sip.ice;q=1;expires=3600"),
        ("<sip:a@h>;x=\"folded\r\n text\"", "<sip:a@h>;x=\"folded   text\";expires=3600"),
    ] {
        let (answer, lines) = World::new().handle(&register(&[&format!("Contact: {contact}")]));
        assert_eq!(answer.status, 200, "{contact}");
        assert_eq!(lines[0], format!("Contact: {expected}"));
    }
}

#[test]
fn the_limit_of_bindings() {
    let mut world = World::with(serde_json::json!({"limits": {"bindings": 2}}));
    assert_eq!(world.status(&["Call-ID: a", "Contact: <sip:a@192.0.2.1>"]), 200);
    assert_eq!(world.status(&["Call-ID: b", "Contact: <sip:b@192.0.2.1>"]), 200);
    assert_eq!(world.status(&["Call-ID: c", "Contact: <sip:c@192.0.2.1>"]), 403);
    assert_eq!(world.contacts(&["Contact: "]).len(), 2);
    assert_eq!(world.status(&["Call-ID: c", "Contact: <sip:a@192.0.2.1>"]), 200, "a refresh at the limit");
    let swap = "Contact: <sip:c@192.0.2.1>, <sip:a@192.0.2.1>;expires=0";
    assert_eq!(world.status(&["Call-ID: d", swap]), 200, "one goes, one comes");
    world.seconds += 3600;
    assert_eq!(
        world.status(&["Call-ID: e", "Contact: <sip:e@192.0.2.1>, <sip:f@192.0.2.1>"]),
        200,
        "the old ones expired"
    );
    let many: Vec<_> = (0..60).map(|number| format!("<sip:{number}@192.0.2.1>")).collect();
    assert_eq!(World::new().status(&[&format!("Contact: {}", many.join(","))]), 403);
    let removed: Vec<_> = many.iter().map(|contact| format!("{contact};expires=0")).collect();
    assert_eq!(World::new().status(&[&format!("Contact: {}", removed.join(","))]), 200);
}

#[test]
fn bindings_expire() {
    let mut world = World::new();
    world.contacts(&["Call-ID: a", "Contact: <sip:a@192.0.2.1>", "Expires: 60"]);
    world.contacts(&["Call-ID: b", "Contact: <sip:b@192.0.2.1>", "Expires: 120"]);
    assert_eq!(world.store.bindings.last_change(), Some(Change::Write { due: START + 60, urgent: true }));
    world.seconds += 59;
    assert_eq!(world.contacts(&["Contact: "]), ["<sip:a@192.0.2.1>;expires=1", "<sip:b@192.0.2.1>;expires=61"]);
    world.seconds += 1;
    assert_eq!(world.contacts(&["Contact: "]), ["<sip:b@192.0.2.1>;expires=60"]);
    // The same Call-ID and a lower CSeq: what expired does not count any more.
    assert_eq!(world.contacts(&["Call-ID: a", "CSeq: 0 REGISTER", "Contact: <sip:a@192.0.2.1>"]).len(), 2);
}

#[test]
fn what_the_database_must_hear_of_at_once() {
    let path = "Path: <sip:p.example.com;lr>";
    for (case, fields, urgent) in [
        ("refresh", &["Expires: 900"][..], false),
        ("refresh after a reboot", &["Call-ID: other"], false),
        ("another q", &["Contact: <sip:alice@192.0.2.1:5060>;q=0.5"], true),
        ("another parameter", &["Contact: <sip:alice@192.0.2.1:5060>;audio"], true),
        ("another user agent", &["User-Agent: x"], true),
        ("another contact", &["Contact: <sip:b@192.0.2.1>"], true),
        ("path", &["Supported: path", path], true),
    ] {
        let mut world = World::new();
        world.contacts(&["Expires: 600"]);
        world.seconds += 10;
        assert_eq!(world.status(&[&["CSeq: 2 REGISTER"], fields].concat()), 200);
        let change = world.store.bindings.last_change();
        assert!(matches!(change, Some(Change::Write { urgent: is, .. }) if is == urgent), "{case}: {change:?}");
    }
    let mut world = World::new();
    world.contacts(&["Contact: <sip:a@192.0.2.1>;expires=60, <sip:b@192.0.2.1>;expires=900"]);
    world.seconds += 60;
    world.contacts(&["CSeq: 2 REGISTER", "Contact: <sip:b@192.0.2.1>;expires=900"]);
    let due = world.seconds + 900;
    assert_eq!(
        world.store.bindings.last_change(),
        Some(Change::Write { due, urgent: true }),
        "one has ended meanwhile"
    );
    let mut world = World::new();
    world.contacts(&[]);
    world.contacts(&["CSeq: 2 REGISTER", "Expires: 0"]);
    assert_eq!(world.store.bindings.last_change(), Some(Change::Remove));
    world.contacts(&["CSeq: 3 REGISTER", "Contact: *", "Expires: 0"]);
    assert_eq!(world.store.bindings.last_change(), Some(Change::Keep));
}

#[test]
fn what_a_binding_keeps() {
    let mut world = World::new();
    let agent = format!("User-Agent: {}", "x".repeat(300));
    world.contacts(&["CSeq: 7 REGISTER", "Contact: <sip:alice@10.0.0.5>;q=0.7;audio", &agent]);
    world.seconds += 5;
    world.contacts(&["CSeq: 8 REGISTER", "Contact: <sip:alice@10.0.0.5>;q=0.7;audio", &agent]);
    let source = world.source;
    only(&world, |binding| {
        assert_eq!(binding.contact, b"sip:alice@10.0.0.5");
        assert_eq!(binding.params, b";audio");
        assert_eq!(binding.q.map(QValue::thousandths), Some(700));
        assert_eq!((binding.registered, binding.modified, binding.expires), (START, START + 5, START + 3605));
        assert_eq!((binding.call_id, binding.cseq), (&b"1@192.0.2.1"[..], 8));
        assert_eq!(binding.user_agent, [b'x'; 255]);
        assert_eq!(binding.received, Some(source));
        assert_eq!(binding.path, b"");
    });
}

#[test]
fn when_the_source_is_kept() {
    let private = "Contact: <sip:alice@10.0.0.5>";
    let two = "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1, SIP/2.0/UDP 10.0.0.5;branch=z9hG4bK2";
    for (case, nat, fields, kept) in [
        ("behind NAT", "auto", &[private][..], true),
        ("no NAT", "auto", &[], false),
        ("never", "never", &[private], false),
        ("came through a proxy", "auto", &[private, two], false),
        ("has a Path", "auto", &[private, "Supported: path", "Path: <sip:p.example.com;lr>"], false),
    ] {
        let mut world = World::with(serde_json::json!({"registrar": {"nat": nat}}));
        world.contacts(fields);
        only(&world, |binding| assert_eq!(binding.received.is_some(), kept, "{case}"));
    }
}

#[test]
fn paths() {
    let (answer, lines) = World::new().handle(&register(&[
        "Supported: path",
        "Path: <sip:p1.example.com;lr>",
        "Path: <sip:p2.example.com;lr> ,  <sips:p3.example.com>;x=y",
    ]));
    assert_eq!(answer.status, 200);
    assert_eq!(lines[1], "Path: <sip:p1.example.com;lr>,<sip:p2.example.com;lr>,<sips:p3.example.com>;x=y");
    let path = "Path: <sip:p1.example.com;lr>";
    for (policy, fields, status, kept) in [
        ("supported", &[path, "Supported: timer, PATH"][..], 200, &b"<sip:p1.example.com;lr>"[..]),
        ("supported", &[path, "Require: path"], 200, b"<sip:p1.example.com;lr>"),
        ("supported", &[path], 421, b""),
        ("always", &[path], 200, b"<sip:p1.example.com;lr>"),
        ("ignore", &[path, "Supported: path"], 200, b""),
    ] {
        let mut world = World::with(serde_json::json!({"registrar": {"path": policy}}));
        let (answer, lines) = world.handle(&register(fields));
        assert_eq!(answer.status, status, "{policy} {fields:?}");
        if status == 421 {
            assert_eq!(lines, ["Require: path"]);
            assert!(world.store.bindings.is_empty());
        } else {
            only(&world, |binding| assert_eq!(binding.path, kept));
            assert_eq!(lines.iter().any(|line| line.starts_with("Path: ")), !kept.is_empty());
        }
    }
}

#[test]
fn a_store_that_fails_changes_nothing() {
    for failure in [StoreError::Full, StoreError::Busy, StoreError::Corrupt] {
        let mut world = World::new();
        world.contacts(&["Expires: 600"]);
        world.store.bindings.fail(Some(failure));
        assert_eq!(world.status(&["CSeq: 2 REGISTER", "Expires: 900"]), 500, "{failure:?}");
        assert_eq!(world.status(&["CSeq: 2 REGISTER", "Contact: *", "Expires: 0"]), 500, "{failure:?}");
        assert_eq!(world.status(&["Contact: "]), 500, "{failure:?}");
        assert_eq!(world.counted(Counter::StoreErrors), 3);
        world.store.bindings.fail(None);
        assert_eq!(world.contacts(&["Contact: "]), ["<sip:alice@192.0.2.1:5060>;expires=600"]);
    }
}

#[test]
fn a_store_whose_records_are_full() {
    let mut world = World::new();
    world.store.bindings.fail(Some(StoreError::TooLarge));
    assert_eq!(world.status(&[]), 403);
}

#[test]
fn a_record_that_cannot_be_read_is_begun_anew() {
    let mut world = World::new();
    world.store.bindings.insert(ALICE, b"\xffnonsense");
    assert!(world.contacts(&["Contact: "]).is_empty());
    assert_eq!(world.contacts(&[]).len(), 1);
    only(&world, |binding| assert_eq!(binding.contact, b"sip:alice@192.0.2.1:5060"));
}

#[test]
fn pruning() {
    let mut world = World::new();
    world.contacts(&["Call-ID: a", "Contact: <sip:a@192.0.2.1>;expires=60, <sip:b@192.0.2.1>;expires=90"]);
    let prune = |at: u64| {
        let mut change = None;
        let table = &world.store.bindings;
        table.update(ALICE, &mut |present, next| {
            change = Some(crate::registrar::prune(present, START + at, next));
            change.unwrap_or(Change::Keep)
        })
    };
    assert_eq!(prune(59), Ok(Change::Keep));
    assert_eq!(prune(60), Ok(Change::Write { due: START + 90, urgent: true }));
    assert_eq!(prune(60), Ok(Change::Keep));
    assert_eq!(prune(90), Ok(Change::Remove));
    assert!(world.store.bindings.is_empty());
    let mut next = Vec::new();
    assert_eq!(crate::registrar::prune(b"\xff", START, &mut next), Change::Remove, "unreadable");
}

#[test]
fn counts() {
    let mut world = World::new();
    world.contacts(&[]);
    world.contacts(&[]);
    world.contacts(&["Contact: "]);
    assert_eq!(world.counted(Counter::Registrations), 1, "a retransmission changes nothing");
    assert_eq!(world.counted(Counter::RegistrationFetches), 1);
}

/// RFC 5626 §6.
#[test]
fn flows_are_registered_and_told() {
    let contact = "Contact: <sip:alice@192.0.2.1:5060>;reg-id=1;+sip.instance=\"<urn:uuid:1>\"";
    let two = "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1, SIP/2.0/UDP 10.0.0.5;branch=z9hG4bK2";
    let edge = "Path: <sip:p.example.com;lr;ob>";
    for (case, fields, status, told) in [
        ("straight", &[contact, "Supported: outbound, path"][..], 200, true),
        ("required", &[contact, "Require: outbound"], 200, true),
        ("a client that does not know it", &[contact], 200, false),
        ("no flow", &["Supported: outbound"], 200, false),
        ("removed", &[contact, "Supported: outbound", "Expires: 0"], 200, false),
        ("by an edge", &[contact, two, edge, "Supported: outbound, path"], 200, true),
        ("by a proxy that is none", &[contact, two, "Supported: outbound"], 439, false),
    ] {
        let (answer, lines) = World::new().handle(&register(fields));
        assert_eq!(answer.status, status, "{case}");
        assert_eq!(lines.contains(&"Require: outbound".to_owned()), told, "{case}: {lines:?}");
    }
    let mut world = World::new();
    world.contacts(&[contact]);
    let kept = Some(world.source);
    only(&world, |binding| assert_eq!(binding.received, kept, "the flow is what was registered"));
}
