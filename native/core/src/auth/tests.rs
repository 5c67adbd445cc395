//! Credentials that are right, wrong, late, repeated and malformed. RFC 3261 §22, RFC 7616, RFC 8760.

use super::client::{Seen, answer, challenges};
use super::credential::Digests;
use super::*;
use crate::path::{ConnectionId, ListenerId, Transport};
use crate::registrar::tests::{SECRET, START, config, ours};
use crate::testing::MemoryStore;
use dialplane_syntax::{Index, Limits, parse};

const REALM: &str = "example.com";
const URI: &str = "sip:example.com";

struct World {
    authenticator: Authenticator,
    store: MemoryStore,
    scratch: Scratch,
    counters: Counters,
    now: Now,
    source: Path,
}

/// A verdict without the lifetime of the scratch space.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seal {
    Authenticated { name: String, domain: Option<String>, repeated: bool },
    Challenge(Challenge),
    Refuse(u16),
}

const ASK: Seal = Seal::Challenge(Challenge { stale: false, md5_only: false });
const STALE: Seal = Seal::Challenge(Challenge { stale: true, md5_only: false });
const MD5_ONLY: Seal = Seal::Challenge(Challenge { stale: true, md5_only: true });

fn right(name: &str) -> Seal {
    Seal::Authenticated { name: name.to_owned(), domain: None, repeated: false }
}

impl World {
    /// Knows `alice` and, as Kamailio would have stored him, `bob`; their passwords are their names backwards.
    fn new() -> Self {
        Self::with(&["SHA-256", "SHA-512-256", "MD5"])
    }

    fn with(algorithms: &[&str]) -> Self {
        let config = config(serde_json::json!({"auth": {"algorithms": algorithms}}));
        let store = MemoryStore::default();
        let alice = Digests::from_password("alice", REALM, REALM, "ecila");
        let bob = Digests { sha256: None, sha512_256: None, ..Digests::from_password("bob", REALM, REALM, "bob") };
        for (key, digests) in [("alice@example.com", alice), ("bob@example.com", bob)] {
            let mut record = Vec::new();
            digests.write(&mut record);
            store.credentials.insert(key.as_bytes(), &record);
        }
        let path = Path {
            transport: Transport::Udp,
            listener: ListenerId(0),
            connection: ConnectionId(0),
            peer: "192.0.2.1:5060".parse().expect("an address"),
        };
        Self {
            authenticator: Authenticator::new(&config.auth, &Keys::derive(&SECRET)).expect("an authenticator"),
            store,
            scratch: Scratch::default(),
            counters: Counters::default(),
            now: Now { monotonic_ms: 0, unix_ms: START * 1000 },
            source: path,
        }
    }

    fn check(&mut self, challenger: Challenger, uri: &str, fields: &[String]) -> Seal {
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        let text = format!("REGISTER {uri} SIP/2.0\r\nCSeq: 1 REGISTER\r\n{fields}\r\n");
        let mut index = Index::new();
        let request = parse(text.as_bytes(), &mut index, &Limits::default()).expect("a message");
        let attempt = Attempt { challenger, request, source: &self.source, realm: REALM.as_bytes(), now: self.now };
        match self.authenticator.check(&self.store, &attempt, ours, &mut self.scratch, &mut self.counters) {
            Verdict::Authenticated(User { name, domain, repeated }) => {
                let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
                Seal::Authenticated { name: text(name), domain: domain.map(text), repeated }
            }
            Verdict::Challenge(challenge) => Seal::Challenge(challenge),
            Verdict::Refuse { status, reason } => {
                assert!(!reason.is_empty());
                Seal::Refuse(status)
            }
        }
    }

    /// The verdict on Authorization fields with these values, sent to the registrar.
    fn verdict(&mut self, values: &[&str]) -> Seal {
        let fields: Vec<_> = values.iter().map(|value| format!("Authorization: {value}")).collect();
        self.check(Challenger::Uas, URI, &fields)
    }

    fn challenge(&self, challenger: Challenger, challenge: Challenge, serial: u32) -> Vec<String> {
        let mut lines = Vec::new();
        self.authenticator.challenge(challenger, REALM.as_bytes(), challenge, self.now, serial, &mut lines);
        String::from_utf8(lines).expect("text").lines().map(str::to_owned).collect()
    }

    /// An answer to a fresh challenge with this algorithm.
    fn answer(&self, algorithm: &str, user: &str, password: &str) -> String {
        let lines = self.challenge(Challenger::Uas, Challenge::default(), 1);
        let line = lines.iter().find(|line| line.contains(&format!("algorithm={algorithm},"))).expect("offered");
        answer(line, user, password, "REGISTER", URI, 1)
    }
}

#[test]
fn the_challenge() {
    let lines = World::new().challenge(Challenger::Proxy, Challenge::default(), 3);
    let names: Vec<_> = challenges(&lines).map(|seen| seen.algorithm).collect();
    assert_eq!(names, ["SHA-256", "SHA-512-256", "MD5"], "in the order of the configuration");
    assert!(lines.iter().all(|line| line.starts_with("Proxy-Authenticate: Digest ")));
    for Seen { nonce, realm, stale, .. } in challenges(&lines) {
        assert_eq!((nonce.len(), realm.as_str(), stale), (nonce::TOKEN_LEN, REALM, false));
    }
    let lines = World::new().challenge(Challenger::Uas, Challenge { stale: true, md5_only: true }, 3);
    let seen: Vec<_> = challenges(&lines).map(|seen| (seen.algorithm, seen.stale)).collect();
    assert_eq!(seen, [("MD5".to_owned(), true)]);
    assert!(lines[0].starts_with("WWW-Authenticate: Digest realm=\"example.com\", nonce=\""), "{}", lines[0]);
}

#[test]
fn a_realm_with_quotes_is_quoted_and_read_again() {
    let mut world = World::new();
    let mut lines = Vec::new();
    let realm = br#"the "realm\""#;
    world.authenticator.challenge(Challenger::Uas, realm, Challenge::default(), world.now, 1, &mut lines);
    let text = String::from_utf8(lines).expect("text");
    assert!(text.starts_with(r#"WWW-Authenticate: Digest realm="the \"realm\\\"", "#), "{text}");
    let value = answer(text.lines().next().expect("a line"), "carol", "lorac", "REGISTER", URI, 1);
    let message = format!("REGISTER {URI} SIP/2.0\r\nCSeq: 1 REGISTER\r\nAuthorization: {value}\r\n\r\n");
    let mut index = Index::new();
    let request = parse(message.as_bytes(), &mut index, &Limits::default()).expect("a message");
    let attempt = Attempt { challenger: Challenger::Uas, request, source: &world.source, realm, now: world.now };
    let (store, scratch, counters) = (&world.store, &mut world.scratch, &mut world.counters);
    world.authenticator.check(store, &attempt, ours, scratch, counters);
    assert_eq!(world.counters.value(Counter::AuthenticationFailures), 1, "it was looked at, and carol is not known");
}

#[test]
fn right_answers() {
    for algorithm in ["SHA-256", "SHA-512-256", "MD5"] {
        let mut world = World::new();
        let value = world.answer(algorithm, "alice", "ecila");
        assert_eq!(world.verdict(&[&value]), right("alice"), "{algorithm}");
        let field = format!("Proxy-Authorization: {value}");
        let mut world = World::new();
        assert_eq!(world.check(Challenger::Proxy, URI, std::slice::from_ref(&field)), right("alice"));
        assert_eq!(world.check(Challenger::Uas, URI, &[field]), ASK, "in the other field");
    }
}

#[test]
fn forms_of_the_user_name() {
    let mut world = World::new();
    let domain = world.answer("MD5", "alice@example.com", "ecila");
    let expected = Seal::Authenticated { name: "alice".into(), domain: Some("example.com".into()), repeated: false };
    assert_eq!(world.verdict(&[&domain]), expected);
    assert_eq!(world.verdict(&[&world.answer("SHA-256", "alice@example.com", "ecila")]), MD5_ONLY);
    let escaped = world.answer("MD5", "alice", "ecila").replace("username=\"alice\"", "username=\"al\\ice\"");
    assert_eq!(World::new().verdict(&[&escaped]), right("alice"), "RFC 3261 §25.1 quoted-pair");
}

#[test]
fn who_owns_an_address_of_record() {
    let user = |name: &'static str, domain: Option<&'static str>| User {
        name: name.as_bytes(),
        domain: domain.map(str::as_bytes),
        repeated: false,
    };
    for (user, aor, identity) in [
        (user("alice", None), "alice@example.com", Identity::Owner),
        (user("alice", None), "alice@biloxi.example.com", Identity::Owner),
        (user("alice", None), "Alice@example.com", Identity::Other),
        (user("alice", None), "bob@example.com", Identity::Other),
        (user("alice", Some("EXAMPLE.com")), "alice@example.com", Identity::Owner),
        (user("alice", Some("example.com")), "alice@biloxi.example.com", Identity::Other),
        (user("", None), "example.com", Identity::Other),
        (user("a@b", None), "a@b@example.com", Identity::Owner),
    ] {
        assert_eq!(user.identity(aor.as_bytes()), identity, "{aor}");
    }
}

#[test]
fn wrong_answers() {
    let mut world = World::new();
    // Whoever it is and whatever the table knows of him, the same comes back.
    for user in ["alice", "bob", "nobody", "alice@example.com", "nobody@example.com", "", "@"] {
        for (algorithm, expected) in [("SHA-256", MD5_ONLY), ("SHA-512-256", MD5_ONLY), ("MD5", ASK)] {
            let value = world.answer(algorithm, user, "wrong");
            assert_eq!(world.verdict(&[&value]), expected, "{user} {algorithm}");
        }
    }
    assert_eq!(world.counters.value(Counter::AuthenticationFailures), 21);
    assert_eq!(world.counters.value(Counter::Authenticated), 0);
    let mut world = World::with(&["SHA-256"]);
    assert_eq!(world.verdict(&[&world.answer("SHA-256", "alice", "wrong")]), ASK, "MD5 is not offered");
}

#[test]
fn a_user_with_md5_only_gets_in_with_a_phone_that_prefers_sha256() {
    let mut world = World::new();
    assert_eq!(world.verdict(&[&world.answer("SHA-256", "bob", "bob")]), MD5_ONLY);
    let lines = world.challenge(Challenger::Uas, Challenge { stale: true, md5_only: true }, 2);
    assert_eq!(world.verdict(&[&answer(&lines[0], "bob", "bob", "REGISTER", URI, 1)]), right("bob"));
}

#[test]
fn a_nonce_ages() {
    let mut world = World::new();
    let good = world.answer("MD5", "alice", "ecila");
    let wrong = world.answer("MD5", "alice", "wrong");
    world.now.unix_ms += 300_001;
    assert_eq!(world.verdict(&[&good]), STALE, "the password was right");
    assert_eq!(world.verdict(&[&wrong]), ASK, "the password was wrong: RFC 7616 §3.3, stale");
}

#[test]
fn a_nonce_of_somebody_else_counts_for_nothing() {
    let mut world = World::new();
    let good = world.answer("MD5", "alice", "ecila");
    let nonce = good.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a nonce").to_owned();
    for other in ["", "n", &nonce[1..], &"A".repeat(28), &"x".repeat(10_000)] {
        let line =
            format!("WWW-Authenticate: Digest realm=\"{REALM}\", nonce=\"{other}\", algorithm=MD5, qop=\"auth\"");
        assert_eq!(world.verdict(&[&answer(&line, "alice", "ecila", "REGISTER", URI, 1)]), ASK, "{other}");
    }
    assert_eq!(world.counters.value(Counter::AuthenticationFailures), 0, "nothing was computed");
    let mut elsewhere = World::new();
    elsewhere.authenticator =
        Authenticator::new(&config(serde_json::json!({})).auth, &Keys::derive(&[8; 64])).expect("good");
    assert_eq!(elsewhere.verdict(&[&good]), ASK, "of another host");
}

#[test]
fn counts_are_used_once() {
    let mut world = World::new();
    let lines = world.challenge(Challenger::Uas, Challenge::default(), 1);
    let counted = |nc: u32| answer(&lines[0], "alice", "ecila", "REGISTER", URI, nc);
    let again = Seal::Authenticated { name: "alice".into(), domain: None, repeated: true };
    for (case, nc, more, expected) in [
        ("first", 1, "", right("alice")),
        ("retransmission", 1, "", again),
        ("replay in another request", 1, "X: y", STALE),
        ("third", 3, "", right("alice")),
        ("second, overtaken", 2, "", right("alice")),
        ("far behind", 0xffff_ffff, "", right("alice")),
        ("before the window", 4, "", STALE),
    ] {
        let fields = [format!("Authorization: {}", counted(nc)), more.to_owned()];
        let fields = if more.is_empty() { &fields[..1] } else { &fields[..] };
        assert_eq!(world.check(Challenger::Uas, URI, fields), expected, "{case}");
    }
    assert_eq!(world.counters.value(Counter::Replays), 2);
}

#[test]
fn the_uri_of_the_digest() {
    for (uri, request_uri, expected) in [
        (URI, URI, right("alice")),
        ("sip:example.com:5060", URI, right("alice")),
        ("sip:EXAMPLE.com", "sip:example.com;transport=udp", right("alice")),
        ("sips:example.com", URI, right("alice")),
        ("sip:biloxi.example.com", URI, right("alice")),
        ("sip:example.net", URI, Seal::Refuse(400)),
        ("sip:bob@example.com", URI, Seal::Refuse(400)),
        ("sip:%61@example.com", "sip:a@example.com", right("alice")),
        ("sip:b@example.com", "sip:a@example.com", Seal::Refuse(400)),
        ("tel:+1-5", "tel:+15", right("alice")),
        ("tel:+1-6", "tel:+15", Seal::Refuse(400)),
        ("example.com", URI, Seal::Refuse(400)),
        ("", URI, Seal::Refuse(400)),
    ] {
        let mut world = World::new();
        let lines = world.challenge(Challenger::Uas, Challenge::default(), 1);
        let field = format!("Authorization: {}", answer(&lines[0], "alice", "ecila", "REGISTER", uri, 1));
        assert_eq!(world.check(Challenger::Uas, request_uri, &[field]), expected, "{uri:?} for {request_uri:?}");
    }
}

/// Fields that answer nothing, and fields that are broken.
#[test]
fn malformed_credentials() {
    let world = World::new();
    let good = world.answer("MD5", "alice", "ecila");
    let without = |name: &str| {
        let kept: Vec<_> =
            good["Digest ".len()..].split(", ").filter(|param| !param.starts_with(&format!("{name}="))).collect();
        format!("Digest {}", kept.join(", "))
    };
    let with = |from: &str, to: &str| {
        assert!(good.contains(from));
        good.replace(from, to)
    };
    for (case, value, expected) in [
        ("none", String::new(), ASK),
        ("another scheme", "Basic YWxpY2U6ZWNpbGE=".into(), ASK),
        ("bare scheme", "Digest".into(), ASK),
        ("commas", "Digest ,,,,username=\"alice\"".into(), ASK),
        ("blanks", format!("Digest{}x", " ".repeat(16_000)), ASK),
        ("another realm", with("realm=\"example.com\"", "realm=\"example.net\""), ASK),
        ("long realm", with("realm=\"example.com\"", &format!("realm=\"{}\"", "A".repeat(15_000))), ASK),
        ("no realm", without("realm"), ASK),
        ("no nonce", without("nonce"), ASK),
        ("unknown algorithm", with("algorithm=MD5", "algorithm=MD4"), ASK),
        ("session algorithm", with("algorithm=MD5", "algorithm=MD5-sess"), ASK),
        ("two user names", with("username=\"alice\"", "username=\"alice\", username=\"bob\""), ASK),
        ("no algorithm is MD5", without("algorithm"), right("alice")),
        ("quoted algorithm", with("algorithm=MD5", "algorithm=\"md5\""), right("alice")),
        ("quoted qop and nc", with("qop=auth, nc=00000001", "qop=\"auth\", nc=\"00000001\""), right("alice")),
        ("parameters of others", with("qop=auth", "opaque=\"\", x=y, qop=auth"), right("alice")),
        ("no qop", without("qop"), Seal::Refuse(400)),
        ("qop not offered", with("qop=auth", "qop=auth-int"), Seal::Refuse(400)),
        ("hashed user name", format!("{good}, userhash=true"), Seal::Refuse(400)),
        ("no user name", without("username"), Seal::Refuse(400)),
        ("no uri", without("uri"), Seal::Refuse(400)),
        ("no response", without("response"), Seal::Refuse(400)),
        ("no cnonce", without("cnonce"), Seal::Refuse(400)),
        ("no nc", without("nc"), Seal::Refuse(400)),
        ("nc is text", with("nc=00000001", "nc=zzzzzzzz"), Seal::Refuse(400)),
        ("nc is signed", with("nc=00000001", "nc=+0000001"), Seal::Refuse(400)),
        ("nc is short", with("nc=00000001", "nc=1"), Seal::Refuse(400)),
        ("nc is long", with("nc=00000001", "nc=000000001"), Seal::Refuse(400)),
        ("nc is zero", with("nc=00000001", "nc=00000000"), Seal::Refuse(400)),
        ("nc of another request", with("nc=00000001", "nc=00000002"), ASK),
        ("empty response", with("response=\"", "response=\"\", x=\""), ASK),
    ] {
        assert_eq!(World::new().verdict(&[&value]), expected, "{case}");
    }
}

#[test]
fn several_fields() {
    let mut world = World::new();
    let good = world.answer("SHA-256", "alice", "ecila");
    let foreign = good.replace(REALM, "example.net");
    let broken = "Digest username=\"alice\", realm=\"example.com\"";
    assert_eq!(world.verdict(&[&foreign, broken, &good]), right("alice"), "ours is found among others");
    let mut world = World::new();
    let many = vec![foreign.as_str(); 200];
    assert_eq!(world.verdict(&many), ASK);
    let late = [vec![foreign.as_str(); MOST_FIELDS], vec![good.as_str()]].concat();
    assert_eq!(world.verdict(&late), ASK, "only so many are looked at");
    let wrong = world.answer("SHA-256", "alice", "wrong");
    assert_eq!(world.verdict(&[&wrong, &good]), MD5_ONLY, "one guess for each request");
}

#[test]
fn a_store_that_fails_lets_nobody_in() {
    let mut world = World::new();
    let good = world.answer("MD5", "alice", "ecila");
    world.store.credentials.fail(Some(crate::store::StoreError::Corrupt));
    assert_eq!(world.verdict(&[&good]), ASK);
    assert_eq!(world.counters.value(Counter::StoreErrors), 1);
    let mut world = World::new();
    world.store.credentials.insert(b"alice@example.com", b"\xff");
    assert_eq!(world.verdict(&[&good]), ASK, "a record that cannot be read");
}

#[test]
fn who_is_known() {
    let mut world = World::new();
    for (user, known) in [("alice", true), ("bob", true), ("nobody", false)] {
        let World { authenticator, store, scratch, .. } = &mut world;
        assert_eq!(authenticator.knows(&*store, user.as_bytes(), REALM.as_bytes(), scratch), known, "{user}");
    }
}
