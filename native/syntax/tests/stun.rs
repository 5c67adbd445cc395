//! STUN Binding: the messages of RFC 5769 §2, what RFC 5389 says to drop, and any octets at all.
#![allow(missing_docs, clippy::panic, clippy::unwrap_used, reason = "tests")]

use dialplane_syntax::stun::{Request, Stun, read, write_answer};
use proptest::prelude::*;
use std::net::SocketAddr;

/// RFC 5769 §2.1, with attributes of ICE (RFC 5245) that a server which knows nothing of ICE must refuse.
const SAMPLE_REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74\
    002400046e0001ff80290008932ff9b151263b36000600096576746a3a683676592020200008\
    00149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";
/// RFC 5769 §2.2, §2.3.
const SAMPLE_RESPONSES: [&str; 2] = [
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643\
     000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96",
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220\
     002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed41\
     80280004c8fb0b4c",
];
const TRANSACTION: &str = "b7e7a701bc34d686fa87dfae";

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// A Binding request with these attributes.
fn request(attributes: &str) -> Vec<u8> {
    let attributes = octets(attributes);
    let mut whole = octets(&format!("0001{:04x}2112a442{TRANSACTION}", attributes.len()));
    whole.extend_from_slice(&attributes);
    whole
}

fn asked(octets: &[u8]) -> Request<'_> {
    match read(octets) {
        Some(Stun::Request(request)) => request,
        other => panic!("{other:?} for {}", hex(octets)),
    }
}

fn answer(request: &[u8], source: &str) -> String {
    let mut out = b"before".to_vec();
    write_answer(&asked(request), source.parse().unwrap(), &mut out);
    hex(out.strip_prefix(b"before").unwrap())
}

#[test]
fn the_sample_messages_are_read() {
    for sample in SAMPLE_RESPONSES {
        assert_eq!(read(&octets(sample)), Some(Stun::Response), "{sample}");
    }
    let error = octets(&answer(&octets(SAMPLE_REQUEST), "192.0.2.1:32853"));
    assert_eq!(read(&error), Some(Stun::Response));
    assert_eq!(read(&octets(&format!("001100002112a442{TRANSACTION}"))), Some(Stun::Indication));
}

#[test]
fn an_address_is_told_as_in_the_samples() {
    for (source, attribute) in [
        ("192.0.2.1:32853", "002000080001a147e112a643"),
        ("[::ffff:192.0.2.1]:32853", "002000080001a147e112a643"),
        ("[2001:db8:1234:5678:11:2233:4455:6677]:32853", "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"),
    ] {
        assert!(SAMPLE_RESPONSES.iter().any(|sample| hex(&octets(sample)).contains(attribute)), "{source}");
        let length = attribute.len() / 2;
        let expected = format!("0101{length:04x}2112a442{TRANSACTION}{attribute}");
        assert_eq!(answer(&request(""), source), expected);
    }
}

/// The samples have right ones; what a request has, its answer has.
#[test]
fn a_fingerprint_is_answered_by_one() {
    let mut asking = request("8022000474657374");
    asking[3] += 8;
    let with = |value: [u8; 4]| [&asking[..], &octets("80280004"), &value].concat();
    let crc = crc32(&asking) ^ 0x5354_554e;
    let right = with(crc.to_be_bytes());
    let told = octets(&answer(&right, "192.0.2.1:32853"));
    assert_eq!(told.len(), 40);
    let (before, after) = told.split_at(32);
    assert_eq!(after, [&octets("80280004")[..], &(crc32(before) ^ 0x5354_554e).to_be_bytes()].concat());
    assert_eq!(read(&with((crc ^ 1).to_be_bytes())), None, "a wrong one is no STUN");
    let mut more = [&right[..], &octets("80220000")].concat();
    more[3] += 4;
    assert_eq!(read(&more), None, "it is the last attribute");
}

/// Bit by bit, as ITU-T V.42 has it.
fn crc32(octets: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for octet in octets {
        for bit in 0..8 {
            let feedback = (crc ^ u32::from(octet >> bit)) & 1;
            crc = (crc >> 1) ^ (feedback * 0xedb8_8320);
        }
    }
    !crc
}

#[test]
fn what_must_be_understood_is_named() {
    for (name, attributes, unknown) in [
        ("of ICE, in the sample", &SAMPLE_REQUEST.replace([' ', '\n'], "")[40..], "0024"),
        ("CHANGE-REQUEST of RFC 3489", "0003000400000006", "0003"),
        ("two, and one that may be ignored", "0003000400000006802200007fff0001aa000000", "00037fff"),
        ("three", "000300000004000000050000", "000300040005"),
    ] {
        let told = answer(&request(attributes), "192.0.2.1:5060");
        let length = unknown.len() / 2;
        let padding = "0000".repeat(length / 2 % 2);
        let body = format!("000900040000{:04x}000a{length:04x}{unknown}{padding}", 0x0414);
        assert!(told.starts_with("0111") && told[40..].starts_with(&body), "{name}: {told}");
    }
    for (name, attributes) in [
        ("credentials", "000600046162636400140004616263640015000461626364"),
        ("an address that has no place in a request", "0001000800011234c0000201"),
        ("behind MESSAGE-INTEGRITY", "0008001400000000000000000000000000000000000000007fff0000"),
        ("optional ones", "802200036162630080240000"),
    ] {
        assert!(answer(&request(attributes), "192.0.2.1:5060").starts_with("0101000c"), "{name}");
    }
}

#[test]
fn what_is_no_binding_is_dropped() {
    let good = request("8022000474657374");
    assert!(matches!(read(&good), Some(Stun::Request(_))));
    let with = |place: usize, octet: u8| {
        let mut other = good.clone();
        other[place] = octet;
        other
    };
    for (name, other) in [
        ("Allocate, RFC 5766", with(1, 3)),
        ("the topmost bits", with(0, 0x40)),
        ("the cookie", with(4, 0x20)),
        ("a length that is not there", with(3, 12)),
        ("octets behind the length", with(3, 4)),
        ("an attribute beyond the end", with(23, 5)),
        ("cut off", good[..27].to_vec()),
        ("the header cut off", good[..19].to_vec()),
        ("nothing", Vec::new()),
        ("too large", request(&"80220000".repeat(133))),
        ("SIP", b"OPTIONS sip:a@b SIP/2.0\r\n\r\n".to_vec()),
    ] {
        assert_eq!(read(&other), None, "{name}");
    }
    assert!(read(&request(&"80220000".repeat(132))).is_some());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is asked, the answer is a STUN response to that transaction, and hardly longer.
    #[test]
    fn an_answer_is_hardly_longer_than_its_request(
        attributes in proptest::collection::vec((any::<u16>(), proptest::collection::vec(any::<u8>(), 0..9)), 0..40),
        transaction in any::<[u8; 12]>(),
        ip in any::<std::net::IpAddr>(),
        port in any::<u16>(),
    ) {
        let mut asking = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        asking.extend_from_slice(&transaction);
        for (name, value) in attributes.iter().filter(|(name, _)| *name != 0x8028) {
            asking.extend_from_slice(&name.to_be_bytes());
            asking.extend_from_slice(&(value.len() as u16).to_be_bytes());
            asking.extend_from_slice(value);
            asking.resize(asking.len().next_multiple_of(4), 0);
        }
        let length = (asking.len() - 20) as u16;
        asking[2..4].copy_from_slice(&length.to_be_bytes());
        let Some(Stun::Request(request)) = read(&asking) else {
            prop_assert!(asking.len() > 548);
            return Ok(());
        };
        let mut out = Vec::new();
        write_answer(&request, SocketAddr::new(ip, port), &mut out);
        prop_assert_eq!(read(&out), Some(Stun::Response));
        prop_assert_eq!(&out[8..20], &transaction);
        prop_assert!(out.len() <= asking.len() + 24, "{} octets for {}", out.len(), asking.len());
    }

    #[test]
    fn any_octets_are_read(head in any::<[u8; 4]>(), tail in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = read(&tail);
        let mut near = head.to_vec();
        near.extend_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
        near.extend_from_slice(&tail);
        near[0] &= 1;
        if let Ok(length) = u16::try_from(near.len().saturating_sub(20)) {
            near[2..4].copy_from_slice(&length.to_be_bytes());
        }
        let _ = read(&near);
    }
}
