//! What holds for any message: it is written as it was read, any split of a stream gives the same messages, a patch touches nothing that it does not
//! name, and the parser never breaks.
#![allow(missing_docs, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod common;

use common::show;
use dialplane_syntax::stream::Framed;
use dialplane_syntax::{
    Digest, Edits, Framer, HeaderId, Index, Limits, Message, NameAddr, RequestBuilder, Uri, Via, check, parse,
    parse_stream,
};
use proptest::prelude::*;

/// A field line of any name, the values of which may hold folds, quotes and commas.
fn field() -> impl Strategy<Value = (String, String)> {
    let name = prop_oneof![
        Just("Via".to_owned()),
        Just("v".to_owned()),
        Just("Route".to_owned()),
        Just("Contact".to_owned()),
        Just("Subject".to_owned()),
        "[A-Za-z][A-Za-z0-9.!%*_+`'~-]{0,40}",
    ];
    let value = prop_oneof![
        "[ -~]{0,60}",
        "\"[ !#-\\[\\]-~]{0,10}(\\\\[ -~])?\" <sip:[a-z]{1,5}@[a-z]{1,5}>(;[a-z]{1,4}=[a-z]{0,4}){0,2}",
        "SIP/2\\.0/UDP [a-z]{1,8}(:[1-9][0-9]{0,3})?(;[a-z]{1,4}(=[a-z]{1,4})?){0,3}",
        "[ -~]{0,20}\r\n [ -~]{1,20}",
        "[^\\p{C}]{0,20}",
    ];
    (name, value)
}

prop_compose! {
    /// A request that can be framed; not always one that is valid.
    fn message()(fields in proptest::collection::vec(field(), 0..20), body in proptest::collection::vec(any::<u8>(), 0..100)) -> Vec<u8> {
        let mut text = b"OPTIONS sip:bob@example.com SIP/2.0\r\n".to_vec();
        for (name, value) in fields.iter().filter(|(name, _)| !matches!(HeaderId::from_name(name.as_bytes()), HeaderId::CONTENT_LENGTH)) {
            text.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        text.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        text.extend_from_slice(&body);
        text
    }
}

/// Start line, names and values: what a message says.
fn said(message: &Message<'_>) -> Vec<(String, String)> {
    let mut all = vec![(show(&message.bytes()[message.start_line_range()]), show(message.body()))];
    all.extend(message.fields().map(|field| (show(field.name), show(field.value))));
    all
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_can_be_written(bytes in message()) {
        let limits = Limits::default();
        let (mut index, mut other) = (Index::new(), Index::new());
        let message = parse(&bytes, &mut index, &limits).unwrap();
        prop_assert_eq!(message.fault(), None);

        let mut same = message.bytes()[message.start_line_range()].to_vec();
        same.extend_from_slice(b"\r\n");
        message.fields().for_each(|field| same.extend_from_slice(&message.bytes()[field.line_range()]));
        same.extend_from_slice(b"\r\n");
        same.extend_from_slice(message.body());
        prop_assert_eq!(show(&same), show(&bytes));

        // Written field by field it says the same, folds apart.
        let mut out = Vec::new();
        let mut builder = RequestBuilder::new(message.method_name().unwrap(), message.uri().unwrap(), &mut out);
        for field in message.fields().filter(|field| field.id != HeaderId::CONTENT_LENGTH) {
            builder.fields().named(field.name, field.value);
        }
        builder.body(message.body());
        let again = parse(&out, &mut other, &limits).unwrap();
        let unfolded = |said: Vec<(String, String)>| -> Vec<_> {
            said.into_iter().map(|(name, value)| (name, value.replace("\\r\\n", "  "))).collect()
        };
        prop_assert_eq!(unfolded(said(&again)), unfolded(said(&message)));
    }

    #[test]
    fn any_split_of_a_stream_gives_the_same_messages(
        messages in proptest::collection::vec(message(), 1..5),
        gaps in proptest::collection::vec(0usize..3, 5),
        cuts in proptest::collection::vec(1usize..400, 1..30),
    ) {
        let mut stream = Vec::new();
        for (message, gap) in messages.iter().zip(&gaps) {
            stream.extend_from_slice(&b"\r\n".repeat(*gap));
            stream.extend_from_slice(message);
        }
        let limits = Limits::default();
        let (mut index, mut framer) = (Index::new(), Framer::new());
        let (mut found, mut buffer, mut rest) = (Vec::new(), Vec::new(), &stream[..]);
        let mut cuts = cuts.iter().cycle();
        while !rest.is_empty() || !buffer.is_empty() {
            let (piece, later) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            rest = later;
            buffer.extend_from_slice(piece);
            loop {
                let (length, is_message) = match framer.poll(&buffer, &mut index, &limits).unwrap() {
                    Framed::Message(length) => (length, true),
                    Framed::KeepAlive(length) | Framed::Skip(length) => (length, false),
                    Framed::Partial => break,
                };
                let taken: Vec<u8> = buffer.drain(..length).collect();
                if is_message {
                    prop_assert!(matches!(parse_stream(&taken, &mut index, &limits), Ok(dialplane_syntax::Status::Complete(_))));
                    found.push(taken);
                }
            }
            prop_assert!(!rest.is_empty() || buffer.is_empty(), "left: {}", show(&buffer));
        }
        prop_assert_eq!(found, messages);
    }

    #[test]
    fn a_patch_touches_nothing_that_it_does_not_name(
        bytes in message(),
        choice in any::<prop::sample::Index>(),
        text in "[a-z]{0,40}",
    ) {
        let limits = Limits::default();
        let (mut index, mut other) = (Index::new(), Index::new());
        let message = parse(&bytes, &mut index, &limits).unwrap();
        let chosen = choice.index(message.field_count());
        let field = message.fields().nth(chosen).unwrap();
        prop_assume!(field.id != HeaderId::CONTENT_LENGTH);
        let mut edits = Edits::new();
        edits.insert(message.fields_start(), b"X-First: 1\r\n");
        edits.replace(field.value_range(), text.as_bytes());
        edits.insert(message.fields_end(), b"X-Last: 2\r\n");
        let mut frame = vec![0; 256];
        frame.extend_from_slice(&bytes);
        let range = edits.apply_in_place(&mut frame, 256..256 + bytes.len()).unwrap();
        let patched = parse(&frame[range], &mut other, &limits).unwrap();

        let mut expected = said(&message);
        expected[chosen + 1].1 = show(text.as_bytes());
        expected.insert(1, ("X-First".into(), "1".into()));
        expected.push(("X-Last".into(), "2".into()));
        prop_assert_eq!(said(&patched), expected);
    }

    #[test]
    fn nothing_breaks_the_parser(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        look_at_everything(&bytes);
    }

    #[test]
    fn nothing_near_to_a_message_breaks_the_parser(
        bytes in message(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 1..10),
    ) {
        let mut bytes = bytes;
        for (place, octet, kind) in changes {
            let at = place.index(bytes.len());
            match kind {
                0 => bytes[at] = octet,
                1 => bytes.insert(at, b"\r\n\t \":;,<>@=%\\\0"[usize::from(octet) % 15]),
                _ => { bytes.remove(at); }
            }
        }
        look_at_everything(&bytes);
    }

    #[test]
    fn values_agree_however_near_the_end_they_lie(value in "[!-~ ]{0,80}", behind in "[!-~]{0,40}") {
        // A scanner loads what lies behind a value; it must not see it.
        let long = format!("{value}{behind}");
        let apart = value.clone();
        let inside = &long.as_bytes()[..value.len()];
        prop_assert_eq!(Uri::parse(inside), Uri::parse(apart.as_bytes()));
        prop_assert_eq!(NameAddr::parse(inside, 0, HeaderId::TO), NameAddr::parse(apart.as_bytes(), 0, HeaderId::TO));
        prop_assert_eq!(Via::parse(inside, 0), Via::parse(apart.as_bytes(), 0));
    }
}

/// Everything that can be asked of octets; what ranges say must be what views hold.
fn look_at_everything(bytes: &[u8]) {
    let limits = Limits::default();
    let mut index = Index::new();
    let _ = parse_stream(bytes, &mut index, &limits);
    let _ = (
        Uri::parse(bytes),
        Via::parse(bytes, 0),
        NameAddr::parse(bytes, 0, HeaderId::TO),
        Digest::parse(bytes, HeaderId::OTHER),
    );
    let Ok(message) = parse(bytes, &mut index, &limits) else { return };
    let checked = check(&message, &limits);
    assert!(checked.is_err() || checked.is_ok_and(|essentials| Ok(essentials.via) == message.top_via()));
    for field in message.fields() {
        assert_eq!(&message.bytes()[field.value_range()], field.value);
        for element in field.elements() {
            assert_eq!(&message.bytes()[element.range()], element.value);
            assert!(message.bytes().get(element.removal_range()).is_some());
        }
        let _ = Digest::parse(field.value, field.id);
    }
    for via in message.vias().flatten() {
        assert!(message.bytes().get(via.range()).is_some());
    }
    for address in message.name_addrs(HeaderId::CONTACT).chain(message.routes()).flatten() {
        assert_eq!(&message.bytes()[address.uri_range()], address.uri);
        let _ = address.parsed_uri();
    }
}
