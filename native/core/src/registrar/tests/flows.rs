//! The registration flows of RFC 3665 §2, with digest.

use super::*;
use crate::auth::client::{answer, challenges};
use crate::auth::credential::{self, Digests};

const AOR: &[u8] = b"bob@biloxi.example.com";
const URI: &str = "sips:ss2.biloxi.example.com";

/// Bob's registrar; his password is "zanzibar".
fn biloxi() -> World {
    let auth = serde_json::json!({"auth": {"register": true, "realm": "atlanta.example.com"}});
    let mut world = World::with(auth);
    let (mut key, mut record) = (Vec::new(), Vec::new());
    credential::key(b"bob", b"atlanta.example.com", &mut key);
    Digests::from_password("bob", "biloxi.example.com", "atlanta.example.com", "zanzibar").write(&mut record);
    world.store.credentials.insert(&key, &record);
    world.source.peer = "192.0.2.201:5061".parse().expect("an address");
    world
}

/// The messages of the flows differ in CSeq, Contact, Expires and Authorization.
fn bob(cseq: u32, fields: &[&str]) -> String {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    format!(
        "REGISTER {URI} SIP/2.0\r\n\
         Via: SIP/2.0/TLS client.biloxi.example.com:5061;branch=z9hG4bKnashds7\r\n\
         Max-Forwards: 70\r\n\
         From: Bob <sips:bob@biloxi.example.com>;tag=a73kszlfl\r\n\
         To: Bob <sips:bob@biloxi.example.com>\r\n\
         Call-ID: 1j9FpLxk3uxtm8tn@biloxi.example.com\r\n\
         CSeq: {cseq} REGISTER\r\n\
         {fields}Content-Length: 0\r\n\r\n"
    )
}

const CONTACT: &str = "Contact: <sips:bob@client.biloxi.example.com>";

/// A request, the challenge, and the request again with credentials. Returns the second answer and its lines.
fn challenged(world: &mut World, cseq: u32, fields: &[&str], password: &str) -> (Answer, Vec<String>) {
    let (refused, lines) = world.handle(&bob(cseq, fields));
    assert_eq!(refused.status, 401);
    let authorization = answer(&lines[0], "bob", password, "REGISTER", URI, 1);
    world.handle(&bob(cseq + 1, &[fields, &[&format!("Authorization: {authorization}")]].concat()))
}

#[test]
fn successful_new_registration() {
    // RFC 3665 §2.1.
    let mut world = biloxi();
    let (_, lines) = world.handle(&bob(1, &[CONTACT]));
    let offered: Vec<_> = challenges(&lines).map(|challenge| challenge.algorithm).collect();
    assert_eq!(offered, ["SHA-256", "MD5"]);
    assert!(world.store.bindings.is_empty());
    let (answer, lines) = challenged(&mut world, 1, &[CONTACT], "zanzibar");
    assert_eq!(answer.status, 200);
    assert_eq!(listed(&lines), ["<sips:bob@client.biloxi.example.com>;expires=3600"]);
    assert!(world.store.bindings.value(AOR).is_some());
    assert_eq!(world.counted(Counter::Challenges), 2);
    assert_eq!(world.counted(Counter::Authenticated), 1);
}

#[test]
fn update_request_and_cancellation() {
    let mut world = biloxi();
    challenged(&mut world, 1, &[CONTACT], "zanzibar");
    // §2.2; we grant no more than two hours.
    let (answer, lines) = challenged(&mut world, 3, &["Contact: mailto:bob@biloxi.example.com"], "zanzibar");
    assert_eq!(answer.status, 200);
    let both = ["<sips:bob@client.biloxi.example.com>;expires=3600", "<mailto:bob@biloxi.example.com>;expires=3600"];
    assert_eq!(listed(&lines), both);
    // §2.3.
    let (answer, lines) = challenged(&mut world, 5, &[], "zanzibar");
    assert_eq!(answer.status, 200);
    assert_eq!(listed(&lines), both);
    // §2.4.
    let (answer, lines) = challenged(&mut world, 7, &["Expires: 0", "Contact: *"], "zanzibar");
    assert_eq!(answer.status, 200);
    assert_eq!(listed(&lines), Vec::<String>::new());
    assert!(world.store.bindings.is_empty());
}

#[test]
fn unsuccessful_registration() {
    // §2.5.
    let mut world = biloxi();
    let (answer, lines) = challenged(&mut world, 1, &[CONTACT], "wrong");
    assert_eq!(answer.status, 401);
    assert!(challenges(&lines).count() > 0);
    assert!(world.store.bindings.is_empty());
    assert_eq!(world.counted(Counter::AuthenticationFailures), 1);
}

#[test]
fn a_retransmission_with_credentials_is_answered_again() {
    let mut world = biloxi();
    let (_, lines) = world.handle(&bob(1, &[CONTACT]));
    let authorization = format!("Authorization: {}", answer(&lines[0], "bob", "zanzibar", "REGISTER", URI, 1));
    let request = bob(2, &[CONTACT, &authorization]);
    let first = world.handle(&request);
    assert_eq!(first.0.status, 200);
    for _ in 0..5 {
        assert_eq!(world.handle(&request), first);
    }
    assert_eq!(
        world.handle(&bob(3, &[CONTACT, &authorization])).0.status,
        401,
        "the same credentials in another request"
    );
    world.source.peer.set_port(5070);
    assert_eq!(world.handle(&request).0.status, 401, "the same request from another source");
    assert_eq!(world.counted(Counter::Replays), 2);
}

#[test]
fn an_address_of_record_of_somebody_else() {
    let mut world = biloxi();
    for (aor, status) in [("alice@biloxi.example.com", 403), ("bob@example.com", 200), ("Bob@biloxi.example.com", 403)]
    {
        let to = format!("To: Bob <sips:{aor}>");
        let request = |cseq, fields: &[&str]| bob(cseq, fields).replace("To: Bob <sips:bob@biloxi.example.com>", &to);
        let (_, lines) = world.handle(&request(1, &[CONTACT]));
        let authorization = answer(&lines[0], "bob", "zanzibar", "REGISTER", URI, 1);
        let (answer, _) = world.handle(&request(2, &[CONTACT, &format!("Authorization: {authorization}")]));
        assert_eq!(answer.status, status, "{aor}");
        assert_eq!(world.store.bindings.value(aor.as_bytes()).is_some(), status == 200, "{aor}");
    }
}

#[test]
fn what_is_refused_before_and_after_the_challenge() {
    let proxies = "Path: <sip:p.example.com;lr>";
    for (fields, before, after) in [
        (&["Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E"][..], 400, 400),
        (&[CONTACT, "Expires: soon"], 400, 400),
        (&[CONTACT, "Expires: 5"], 401, 423),
        (&[CONTACT, proxies], 401, 421),
        (&[CONTACT, "Require: pigeon"], 420, 420),
    ] {
        let mut world = biloxi();
        assert_eq!(world.handle(&bob(1, fields)).0.status, before, "{fields:?}");
        if before == 401 {
            assert_eq!(challenged(&mut world, 1, fields, "zanzibar").0.status, after, "{fields:?}");
        }
        assert!(world.store.bindings.is_empty());
    }
}

#[test]
fn a_trusted_source_needs_no_credentials() {
    let mut world = biloxi();
    let text = bob(1, &[CONTACT]);
    let mut index = Index::new();
    let message = parse(text.as_bytes(), &mut index, &Limits::default()).expect("a message");
    let essentials = check(&message, &Limits::default()).expect("a good message");
    let now = Now { monotonic_ms: 0, unix_ms: START * 1000 };
    let source = world.source;
    let register = Register { message, essentials: &essentials, source: &source, now, trusted: true };
    let World { registrar, store, scratch, counters, .. } = &mut world;
    let answer = registrar.handle(&*store, &register, ours, scratch, &mut Vec::new(), counters);
    assert_eq!(answer.status, 200);
}
