//! Captures made by hand.
#![allow(dead_code, unreachable_pub, reason = "each test file uses what it needs")]

pub const OPTIONS: &[u8] =
    b"OPTIONS sip:bob@biloxi.com SIP/2.0\r\nVia: SIP/2.0/TCP pc33.atlanta.com;branch=z9hG4bK1\r\n\
    Call-ID: a84b4c76e66710\r\nCSeq: 7 OPTIONS\r\nContent-Length: 0\r\n\r\n";
pub const OK: &[u8] = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP pc33.atlanta.com;branch=z9hG4bK1\r\n\
    Call-ID: a84b4c76e66710\r\nCSeq: 7 OPTIONS\r\nContent-Length: 5\r\n\r\nhello";

pub fn udp(ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() + 8) as u16;
    [&ports.0.to_be_bytes()[..], &ports.1.to_be_bytes(), &length.to_be_bytes(), &[0, 0], payload].concat()
}

pub fn tcp(ports: (u16, u16), sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let head = [&ports.0.to_be_bytes()[..], &ports.1.to_be_bytes(), &sequence.to_be_bytes(), &[0; 4]].concat();
    [&head[..], &[0x50, flags, 0xFF, 0xFF, 0, 0, 0, 0], payload].concat()
}

/// `place` is the second word of flags and fragment offset.
pub fn ipv4_part(protocol: u8, id: u16, place: u16, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() + 20) as u16;
    let head = [&[0x45, 0][..], &length.to_be_bytes(), &id.to_be_bytes(), &place.to_be_bytes(), &[64, protocol, 0, 0]];
    [&head.concat()[..], &[192, 0, 2, 1], &[192, 0, 2, 2], payload].concat()
}

pub fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_part(protocol, 0, 0x4000, payload)
}

pub fn ipv6(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut address = [0; 16];
    address[..4].copy_from_slice(&[0x20, 1, 0x0D, 0xB8]);
    let length = payload.len() as u16;
    let head = [&[0x60, 0, 0, 0][..], &length.to_be_bytes(), &[protocol, 64], &address, &address];
    [&head.concat()[..], payload].concat()
}

pub fn ethernet(kind: &[u8], packet: &[u8]) -> Vec<u8> {
    [&[0; 12], kind, packet].concat()
}

/// A capture in either order of octets, in micro- or nanoseconds; frame number n has the time n seconds and n units.
pub fn pcap(big: bool, nano: bool, link: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    pcap_at(|number| number, big, nano, link, frames)
}

/// As above, with the second of each frame.
pub fn pcap_at(second: impl Fn(u32) -> u32, big: bool, nano: bool, link: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let word = |number: u32| if big { number.to_be_bytes() } else { number.to_le_bytes() };
    let mut out = word(if nano { 0xA1B2_3C4D } else { 0xA1B2_C3D4 }).to_vec();
    for number in [4 << 16 | 2, 0, 0, 65_535, link] {
        out.extend(word(number));
    }
    for (number, frame) in frames.iter().enumerate() {
        let number = number as u32;
        for number in [second(number), number, frame.len() as u32, frame.len() as u32] {
            out.extend(word(number));
        }
        out.extend(frame);
    }
    out
}

pub fn block(big: bool, kind: u32, body: &[u8]) -> Vec<u8> {
    let word = |number: u32| if big { number.to_be_bytes() } else { number.to_le_bytes() };
    let padding = vec![0; body.len().next_multiple_of(4) - body.len()];
    let length = word((body.len() + padding.len() + 12) as u32);
    [&word(kind)[..], &length, body, &padding, &length].concat()
}

/// Everything that a reader finds.
pub fn found(capture: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = dialplane_pcap::Reader::new(capture, dialplane_syntax::Limits::default()).expect("a capture");
    std::iter::from_fn(|| reader.next(capture)).map(|packet| packet.octets(capture).to_vec()).collect()
}

pub fn counts(capture: &[u8]) -> dialplane_pcap::Counts {
    let mut reader = dialplane_pcap::Reader::new(capture, dialplane_syntax::Limits::default()).expect("a capture");
    while reader.next(capture).is_some() {}
    reader.counts()
}
