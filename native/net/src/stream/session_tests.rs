//! Every case at any split: what arrives and what is answered does not depend on how the octets were cut.

use super::*;
use proptest::prelude::*;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use std::sync::Arc;

const OPTIONS: &str = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP c;branch=z9hG4bK1\r\nContent-Length: 0\r\n\r\n";
const BODY: &str = "MESSAGE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP c;branch=z9hG4bK2\r\nl: 11\r\n\r\n\r\n\r\nSIP/2.0";
const UPGRADE: &str = "GET /sip HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// What came of a piece of wire.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    messages: Vec<String>,
    keep_alives: usize,
    source: Option<String>,
    answer: Vec<u8>,
    fault: Option<Fault>,
}

fn hear(session: &mut Session, wire: &[u8], sizes: &[usize]) -> Heard {
    let mut bench = Bench::new(Limits::default());
    let mut heard = Heard::default();
    let (mut rest, mut turn) = (wire, 0);
    while !rest.is_empty() && heard.fault.is_none() {
        let (piece, behind) = rest.split_at(sizes[turn % sizes.len()].clamp(1, rest.len()));
        (rest, turn) = (behind, turn + 1);
        let mut arrived = Arrived::default();
        heard.fault = session.receive(piece, &mut bench, &mut arrived, &mut heard.answer).err();
        let texts = arrived.messages.iter().map(|range| String::from_utf8_lossy(&arrived.octets[range.clone()]));
        heard.messages.extend(texts.map(|text| text.into_owned()));
        heard.keep_alives += arrived.keep_alives;
        heard.source = arrived.source.map(|source| source.to_string()).or(heard.source);
    }
    heard
}

/// A frame as a client writes it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first, 0x80 | 126];
    out.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    out.extend_from_slice(&[1, 2, 3, 4]);
    out.extend(payload.iter().zip([1, 2, 3, 4].iter().cycle()).map(|(octet, key)| octet ^ key));
    out
}

fn switched() -> Vec<u8> {
    let mut out = Vec::new();
    upgrade::handshake(UPGRADE.as_bytes(), &mut out);
    out
}

struct Case {
    name: &'static str,
    behind_balancer: bool,
    wire: Vec<u8>,
    heard: Heard,
    transport: Transport,
}

fn cases() -> Vec<Case> {
    let case = |name, wire: Vec<u8>, heard, transport| Case { name, behind_balancer: false, wire, heard, transport };
    let messages = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x0a\0\0\x01\x13\xc4\x13\xc5";
    let two_lengths = "BYE sip:a@b SIP/2.0\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n";
    vec![
        case(
            "messages, one with an end of head in its body",
            [OPTIONS, BODY, OPTIONS].concat().into_bytes(),
            Heard { messages: messages(&[OPTIONS, BODY, OPTIONS]), ..Heard::default() },
            Transport::Tcp,
        ),
        case(
            "keep-alives between them",
            ["\r\n\r\n", OPTIONS, "\r\n\r\n\r\n\r\n", OPTIONS].concat().into_bytes(),
            Heard {
                messages: messages(&[OPTIONS, OPTIONS]),
                keep_alives: 3,
                answer: b"\r\n\r\n\r\n".to_vec(),
                ..Heard::default()
            },
            Transport::Tcp,
        ),
        Case {
            name: "behind a load balancer",
            behind_balancer: true,
            wire: [header, OPTIONS.as_bytes()].concat(),
            heard: Heard { messages: messages(&[OPTIONS]), source: Some("192.0.2.7:5060".into()), ..Heard::default() },
            transport: Transport::Tcp,
        },
        Case {
            name: "not behind a load balancer",
            behind_balancer: true,
            wire: OPTIONS.into(),
            heard: Heard { fault: Some(Fault::Malformed), ..Heard::default() },
            transport: Transport::Tcp,
        },
        case(
            "two lengths: answered, then closed",
            [OPTIONS, two_lengths, OPTIONS].concat().into_bytes(),
            Heard { messages: messages(&[OPTIONS, two_lengths]), fault: Some(Fault::Malformed), ..Heard::default() },
            Transport::Tcp,
        ),
        case(
            "no length: closed",
            b"BYE sip:a@b SIP/2.0\r\nCSeq: 1 BYE\r\n\r\n".to_vec(),
            Heard { fault: Some(Fault::Malformed), ..Heard::default() },
            Transport::Tcp,
        ),
        case(
            "TLS where none is spoken",
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\r\n\r\n".to_vec(),
            Heard { fault: Some(Fault::Malformed), ..Heard::default() },
            Transport::Tcp,
        ),
        case(
            "WebSocket, fragments and signs of life",
            [
                UPGRADE.as_bytes(),
                &frame(0x81, OPTIONS.as_bytes()),
                &frame(0x02, &OPTIONS.as_bytes()[..20]),
                &frame(0x89, b"ping"),
                &frame(0x80, &OPTIONS.as_bytes()[20..]),
                &frame(0x81, b"\r\n\r\n"),
            ]
            .concat(),
            Heard {
                messages: messages(&[OPTIONS, OPTIONS]),
                keep_alives: 1,
                answer: [&switched()[..], b"\x8a\x04ping\x81\x02\r\n"].concat(),
                ..Heard::default()
            },
            Transport::Ws,
        ),
        case(
            "WebSocket that the client ends",
            [UPGRADE.as_bytes(), &frame(0x88, b"\x03\xe8")].concat(),
            Heard {
                answer: [&switched()[..], b"\x88\x02\x03\xe8"].concat(),
                fault: Some(Fault::Closed),
                ..Heard::default()
            },
            Transport::Ws,
        ),
        case(
            "WebSocket without masks",
            [UPGRADE.as_bytes(), b"\x81\x01a"].concat(),
            Heard {
                answer: [&switched()[..], b"\x88\x02\x03\xea"].concat(),
                fault: Some(Fault::Malformed),
                ..Heard::default()
            },
            Transport::Ws,
        ),
        case(
            "HTTP that wants something else",
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
            Heard {
                answer: b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Content-Length: 0\r\nConnection: close\r\n\r\n"
                    .to_vec(),
                fault: Some(Fault::Malformed),
                ..Heard::default()
            },
            Transport::Tcp,
        ),
    ]
}

#[test]
fn whole_and_octet_by_octet() {
    for Case { name, behind_balancer, wire, heard, transport } in cases() {
        for sizes in [&[wire.len()][..], &[1], &[3, 50, 2]] {
            let mut session = Session::accepted(None, behind_balancer);
            assert_eq!(hear(&mut session, &wire, sizes), heard, "{name} {sizes:?}");
            assert_eq!(session.transport(), transport, "{name}");
            assert!(heard.fault.is_some() || !session.is_within(), "{name}: nothing is kept");
            assert_eq!(session.input.capacity(), 0, "{name}: no memory is kept");
        }
    }
}

#[test]
fn what_has_begun_is_known() {
    let mut session = Session::accepted(None, false);
    assert!(!session.is_within() && !session.is_open());
    hear(&mut session, b"OPT", &[1]);
    assert!(session.is_within() && session.is_open());
    hear(&mut session, &OPTIONS.as_bytes()[3..], &[1]);
    assert!(!session.is_within());
}

#[test]
fn a_message_too_long_ends_the_connection() {
    let wire = format!("OPTIONS sip:a SIP/2.0\r\nSubject: {}", "x".repeat(70_000));
    let heard = hear(&mut Session::accepted(None, false), wire.as_bytes(), &[1000]);
    assert_eq!(heard.fault, Some(Fault::Malformed));
}

/// Server and client that trust each other.
fn pair() -> (Session, ClientConnection) {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["sip.example.com".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).expect("a root");
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("they fit");
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = ServerConnection::new(Arc::new(server)).expect("a connection");
    let name = ServerName::try_from("sip.example.com").expect("a name");
    let client = ClientConnection::new(Arc::new(client), name).expect("a connection");
    (Session::accepted(Some(server.into()), false), client)
}

/// Lets both sides talk, in pieces of these sizes, until neither has anything to say. What the server heard.
fn talk(server: &mut Session, client: &mut ClientConnection, sizes: &[usize]) -> Heard {
    let mut all = Heard::default();
    loop {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).expect("a vector takes it");
        }
        let heard = hear(server, &wire, sizes);
        all.messages.extend(heard.messages);
        all.keep_alives += heard.keep_alives;
        all.fault = all.fault.or(heard.fault);
        let mut answer = heard.answer.as_slice();
        while !answer.is_empty() {
            client.read_tls(&mut answer).expect("a slice gives it");
            client.process_new_packets().expect("good records");
        }
        if wire.is_empty() {
            return all;
        }
    }
}

fn decrypted(client: &mut ClientConnection) -> Vec<u8> {
    let mut plain = vec![0; 100_000];
    let count = client.reader().read(&mut plain).unwrap_or(0);
    plain.truncate(count);
    plain
}

#[test]
fn tls_around_sip_and_around_websocket() {
    for sizes in [&[100_000][..], &[1], &[7, 300]] {
        let (mut server, mut client) = pair();
        assert!(!server.is_open());
        client.writer().write_all(format!("{OPTIONS}\r\n\r\n{BODY}").as_bytes()).expect("room");
        let heard = talk(&mut server, &mut client, sizes);
        assert_eq!((heard.messages, heard.keep_alives, heard.fault), (vec![OPTIONS.into(), BODY.into()], 1, None));
        assert_eq!(server.transport(), Transport::Tls);
        assert_eq!(decrypted(&mut client), b"\r\n");
        let mut wire = Vec::new();
        server.send(OPTIONS.as_bytes(), &mut wire);
        assert!(!wire.windows(7).any(|window| window == b"OPTIONS"), "encrypted");
        client.read_tls(&mut wire.as_slice()).expect("read");
        client.process_new_packets().expect("good records");
        assert_eq!(decrypted(&mut client), OPTIONS.as_bytes());
        client.send_close_notify();
        assert_eq!(talk(&mut server, &mut client, sizes).fault, Some(Fault::Closed));

        let (mut server, mut client) = pair();
        client.writer().write_all(UPGRADE.as_bytes()).expect("room");
        client.writer().write_all(&frame(0x81, OPTIONS.as_bytes())).expect("room");
        assert_eq!(talk(&mut server, &mut client, sizes).messages, [OPTIONS]);
        assert_eq!(server.transport(), Transport::Wss);
        assert_eq!(decrypted(&mut client), switched());
    }
}

#[test]
fn the_largest_message_is_encrypted_whole() {
    let (mut server, mut client) = pair();
    client.writer().write_all(OPTIONS.as_bytes()).expect("room");
    talk(&mut server, &mut client, &[100_000]);
    let message = vec![b'x'; 65_536];
    let mut wire = Vec::new();
    server.send(&message, &mut wire);
    let (mut rest, mut received) = (wire.as_slice(), Vec::new());
    while !rest.is_empty() {
        client.read_tls(&mut rest).expect("read");
        client.process_new_packets().expect("good records");
        received.extend_from_slice(&decrypted(&mut client));
    }
    assert_eq!(received, message);
}

#[test]
fn no_tls_is_a_failed_handshake_and_is_told() {
    let (mut server, _) = pair();
    let heard = hear(&mut server, OPTIONS.as_bytes(), &[100_000]);
    assert_eq!(heard.fault, Some(Fault::Handshake));
    assert_eq!(heard.answer.first(), Some(&0x15), "an alert");
}

proptest! {
    #[test]
    fn any_split(which in 0..12_usize, sizes in prop::collection::vec(1..200_usize, 1..6)) {
        let mut cases = cases();
        let Case { behind_balancer, wire, heard, .. } = cases.swap_remove(which % cases.len());
        prop_assert_eq!(hear(&mut Session::accepted(None, behind_balancer), &wire, &sizes), heard);
    }
}
