//! Each thing that a proxy may and may not do to a message, as one named case.

use super::*;

const SENT: &str = "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:16100;rport;branch=z9hG4bK0123456789abcdef\r\n\
                    Via: SIP/2.0/UDP u;branch=z9hG4bKup\r\nFrom: <sip:a@h>;tag=1\r\nMax-Forwards: 70\r\n\
                    Content-Length: 4\r\n\r\nbody";
const SERVER: &str = "Via: SIP/2.0/UDP 127.0.0.1:16060;branch=z9hG4bKserver\r\n";
const OWN: &str = "Via: SIP/2.0/UDP 127.0.0.1:16100;rport;branch=z9hG4bK0123456789abcdef\r\n";

fn expected() -> Expected<'static> {
    let top = SENT.find(OWN).unwrap();
    let hops = SENT.find("70\r\n").unwrap();
    Expected {
        bytes: SENT.as_bytes(),
        top_via: top..top + OWN.len(),
        max_forwards: hops..hops + 2,
        server_via: true,
        record_route: false,
        port: 16100,
    }
}

fn forwarded() -> String {
    SENT.replace(OWN, &format!("{SERVER}{OWN}")).replace("Max-Forwards: 70", "Max-Forwards: 69")
}

fn judge(expected: &Expected, received: &str) -> Result<(), String> {
    let own = find_own(received.as_bytes(), |b| b == 0x0123_4567_89ab_cdef).ok_or("our Via is missing")?;
    let quick = expected.compare_quickly(received.as_bytes(), &own);
    let slow = expected.compare_lines(received.as_bytes());
    if let Some(line) = quick {
        assert_eq!(slow.as_ref(), Ok(&line), "the short comparison accepted what the long one does not");
    }
    slow.map(|_| ()).map_err(|w| w.reason)
}

#[test]
fn right_messages_are_accepted() {
    let quick = forwarded();
    let own = find_own(quick.as_bytes(), |b| b == 0x0123_4567_89ab_cdef).unwrap();
    let line = expected().compare_quickly(quick.as_bytes(), &own).expect("the usual case is recognised quickly");
    assert_eq!(&quick[line], SERVER);
    for (name, from, to) in [
        ("as usual", "", ""),
        ("rport filled in", ";rport;", ";rport=16100;"),
        ("received before", ";rport;", ";received=127.0.0.1;rport=16100;"),
        ("received at the end", "abcdef\r\n", "abcdef;received=127.0.0.1\r\n"),
        ("compact name of the server's Via", "Via: SIP/2.0/UDP 127.0.0.1:16060", "v: SIP/2.0/UDP 127.0.0.1:16060"),
    ] {
        let text = if from.is_empty() { forwarded() } else { forwarded().replacen(from, to, 1) };
        assert_eq!(judge(&expected(), &text), Ok(()), "{name}");
    }
}

#[test]
fn wrong_messages_are_refused() {
    for (name, from, to, reason) in [
        ("no Via added", SERVER, "", "no Via of the server's"),
        ("no cookie", "z9hG4bKserver", "server", "the server's Via has no branch"),
        ("empty branch", "z9hG4bKserver", "z9hG4bK", "the server's Via has no branch"),
        ("two Vias added", SERVER, &format!("{SERVER}{SERVER}"), "our Via is not intact"),
        ("Max-Forwards unchanged", "69", "70", "Max-Forwards is not one less"),
        ("Max-Forwards two less", "69", "68", "Max-Forwards is not one less"),
        ("wrong rport", ";rport;", ";rport=5;", "our Via is not intact"),
        ("wrong received", ";rport;", ";received=10.0.0.1;rport=16100;", "our Via is not intact"),
        ("Via parameter lost", ";rport;", ";", "our Via is not intact"),
        ("upstream Via changed", "z9hG4bKup", "z9hG4bKdn", "a line differs"),
        ("start line changed", "sip:b@h", "sip:c@h", "a line differs"),
        ("field changed", "tag=1", "tag=2", "a line differs"),
        ("field added", "From:", "X: y\r\nFrom:", "a line differs"),
        ("Record-Route where none is wanted", "From:", "Record-Route: <sip:s;lr>\r\nFrom:", "a line differs"),
        ("field lost", "From: <sip:a@h>;tag=1\r\n", "", "a line differs"),
        ("body changed", "body", "bodi", "the body differs"),
        ("body cut", "body", "bod", "the body differs"),
        ("body longer", "body", "body2", "the body differs"),
    ] {
        let text = forwarded().replacen(from, to, 1);
        let error = judge(&expected(), &text).expect_err(name);
        assert!(error.starts_with(reason), "{name}: {error}");
    }
    assert_eq!(judge(&expected(), &forwarded().replace("0123", "4567")), Err("our Via is missing".into()));
}

#[test]
fn record_route_is_accepted_where_wanted() {
    let wanted = Expected { record_route: true, ..expected() };
    let text = forwarded().replacen("From:", "Record-Route: <sip:s;lr>\r\nFrom:", 1);
    assert_eq!(judge(&wanted, &text), Ok(()));
    assert_eq!(judge(&wanted, &forwarded()), Ok(()));
}

#[test]
fn responses_come_back_without_the_servers_via() {
    let back = Expected { server_via: false, max_forwards: 0..0, ..expected() };
    assert_eq!(judge(&back, SENT), Ok(()));
    let error = judge(&back, &SENT.replace(OWN, &format!("{SERVER}{OWN}"))).unwrap_err();
    assert!(error.starts_with("our Via is not intact"), "{error}");
}
