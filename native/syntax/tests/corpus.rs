//! Messages of the RFCs and of other projects: what must pass passes, what must not does not, and nothing breaks.
#![allow(missing_docs, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod common;

use common::{files, shared, show};
use dialplane_syntax::{HeaderId, Index, Limits, Message, NameAddr, Rejection, Uri, check, parse, validate};
use std::path::Path;

/// What became of the octets: an answerable rejection, a drop, or a good message.
#[derive(Debug, PartialEq)]
enum Verdict {
    Accepted,
    Dropped,
    Rejected(u16),
}

fn verdict(bytes: &[u8]) -> Verdict {
    let limits = Limits::default();
    let mut index = Index::new();
    let Ok(message) = parse(bytes, &mut index, &limits) else { return Verdict::Dropped };
    match validate(&message, &limits) {
        Ok(()) => Verdict::Accepted,
        Err(Rejection { .. }) if !message.is_request() => Verdict::Dropped,
        Err(rejection) => Verdict::Rejected(rejection.status),
    }
}

fn manifest(folder: &str, faults: &mut Vec<String>) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder);
    let text = std::fs::read_to_string(folder.join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    let messages = manifest["messages"].as_array().unwrap();
    for message in messages {
        let file = message["file"].as_str().unwrap();
        let parse = message["parse"].as_str().unwrap();
        let bytes = std::fs::read(folder.join(file)).unwrap();
        assert_eq!(bytes.len() as u64, message["bytes"].as_u64().unwrap(), "{file} has been changed");
        let statuses: Vec<u64> =
            message["answers"].as_array().unwrap().iter().filter_map(serde_json::Value::as_u64).collect();
        let found = verdict(&bytes);
        let legal = match (parse, &found) {
            // A response that names the broadcast address is well formed: not to forward it is the proxy's matter.
            ("drop", Verdict::Accepted) => file == "bcast.dat",
            ("drop", found) => *found == Verdict::Dropped,
            ("accept", Verdict::Accepted) => true,
            // The printed Content-Length goes behind the body; the fixed twin is accepted.
            ("accept", Verdict::Rejected(400)) => file == "ipv6-in-sdp.dat",
            ("reject" | "either", Verdict::Rejected(status)) => statuses.contains(&u64::from(*status)),
            ("reject", Verdict::Dropped) => file == "test.dat",
            ("either", Verdict::Accepted) => true,
            _ => false,
        };
        if !legal {
            faults.push(format!("{file}: {parse} {statuses:?}, but {found:?}"));
        }
        if let Some(fixed) = message["fixed_file"].as_str() {
            let found = verdict(&std::fs::read(folder.join(fixed)).unwrap());
            if found != Verdict::Accepted {
                faults.push(format!("{fixed}: accept, but {found:?}"));
            }
        }
    }
    messages.len()
}

#[test]
fn rfc_4475_as_its_manifest_says() {
    let mut faults = Vec::new();
    assert_eq!(manifest("rfc4475", &mut faults), 50);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn rfc_5118_as_its_manifest_says() {
    let mut faults = Vec::new();
    assert_eq!(manifest("rfc5118", &mut faults), 12);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn all_good_messages_pass_and_are_written_as_they_were_read() {
    let messages = files(&shared("messages"), "sip");
    assert!(messages.len() >= 801, "{} messages", messages.len());
    for (name, bytes) in messages {
        let limits = Limits::default();
        let mut index = Index::new();
        let message = parse(&bytes, &mut index, &limits).unwrap_or_else(|error| panic!("{name}: {error}"));
        check(&message, &limits).unwrap_or_else(|rejection| panic!("{name}: {rejection}"));
        assert_eq!(show(&rewritten(&message)), show(&bytes), "{name}");
        read_all(&message, &name);
        mapped(&message, &name);
    }
}

/// The message put together from its views.
fn rewritten(message: &Message<'_>) -> Vec<u8> {
    let bytes = message.bytes();
    let mut out = bytes[message.start_line_range()].to_vec();
    out.extend_from_slice(b"\r\n");
    for field in message.fields() {
        out.extend_from_slice(&bytes[field.line_range()]);
        assert_eq!(field.value, &bytes[field.value_range()]);
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(message.body());
    out
}

/// Every typed value of a good message can be read.
fn read_all(message: &Message<'_>, name: &str) {
    for via in message.vias() {
        let via = via.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(message.bytes()[via.range()].starts_with(b"SIP") || via.sent_by().is_empty(), "{name}");
        assert_eq!(&message.bytes()[via.sent_by_range()], via.sent_by(), "{name}");
    }
    for id in [HeaderId::ROUTE, HeaderId::RECORD_ROUTE, HeaderId::PATH, HeaderId::P_ASSERTED_IDENTITY] {
        for address in message.name_addrs(id) {
            let address = address.unwrap_or_else(|error| panic!("{name}: {error}"));
            // An example of an RFC that has no digit in its number; nobody dials it.
            let legal = address.parsed_uri().is_ok() || address.uri == b"tel:+example.com";
            assert!(legal, "{name}: {}", show(address.uri));
            assert_eq!(&message.bytes()[address.uri_range()], address.uri, "{name}");
        }
    }
    for field in message.fields() {
        for element in field.elements() {
            assert_eq!(&message.bytes()[element.range()], element.value, "{name}");
        }
    }
}

/// The functions that hand a value to a closure hand over the one that the others give.
fn mapped(message: &Message<'_>, name: &str) {
    assert_eq!(message.map_request_uri(|uri| uri), message.request_uri(), "{name}");
    assert_eq!(message.map_top_via(|via| via), message.top_via(), "{name}");
    for id in [HeaderId::FROM, HeaderId::TO, HeaderId::REFER_TO] {
        let address = message.name_addr(id);
        assert_eq!(message.map_name_addr(id, |address| address), address, "{name}");
        if let Ok(address) = address {
            assert_eq!(Uri::map(address.uri, |uri| uri), address.parsed_uri(), "{name}");
            let value = &message.bytes()[address.range()];
            assert_eq!(NameAddr::map(value, id, |address| address), NameAddr::parse(value, 0, id), "{name}");
        }
    }
}

#[test]
fn nothing_breaks_on_malformed_messages() {
    for folder in ["torture/malformed/authored", "torture/malformed/collected"] {
        for (name, bytes) in files(&shared(folder), "dat") {
            let limits = Limits::default();
            let mut index = Index::new();
            let Ok(message) = parse(&bytes, &mut index, &limits) else { continue };
            if validate(&message, &limits).is_ok() {
                assert!(message.top_via().is_ok() && message.cseq().is_ok(), "{name}");
            }
            mapped(&message, &name);
            // Whatever the parser made of it, its views stay within the message and give back its octets.
            assert_eq!(message.fields().count(), message.field_count(), "{name}");
            for field in message.fields() {
                assert_eq!(field.value, &message.bytes()[field.value_range()], "{name}");
                assert!(field.elements().all(|element| element.value == &message.bytes()[element.range()]), "{name}");
            }
        }
    }
}

#[test]
fn authored_messages_that_must_be_answered_400_or_505_are() {
    let folder = shared("torture/malformed/authored");
    let text = std::fs::read_to_string(folder.join("index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut faults = Vec::new();
    for message in index["messages"].as_array().unwrap() {
        let expect: Vec<&str> =
            message["expect"].as_array().unwrap().iter().filter_map(serde_json::Value::as_str).collect();
        let (file, class) = (message["file"].as_str().unwrap(), message["class"].as_str().unwrap());
        // Authentication and registration are refused by the layers above.
        if message["transport"] != "udp" || matches!(class, "auth" | "register" | "bypass" | "limits") {
            continue;
        }
        let bytes = std::fs::read(folder.join(file)).unwrap();
        let found = verdict(&bytes);
        let legal = match &found {
            Verdict::Dropped => expect.contains(&"drop") || expect.contains(&"513"),
            Verdict::Rejected(status) => expect.contains(&status.to_string().as_str()),
            Verdict::Accepted => expect != ["400"] && expect != ["505"] && expect != ["drop"] || class == "response",
        };
        if !legal {
            faults.push(format!("{file}: {expect:?}, but {found:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
