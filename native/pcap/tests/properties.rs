//! Whatever a capture holds, it is read to its end: no panic, no endless loop, nothing outside of it.

mod common;

use common::{OK, OPTIONS, ethernet, ipv4, ipv4_part, ipv6, pcap, tcp, udp};
use dialplane_pcap::Reader;
use dialplane_syntax::Limits;
use proptest::prelude::*;

fn read(capture: &[u8]) {
    let Ok(mut reader) = Reader::new(capture, Limits::default()) else { return };
    let mut position = 0;
    while let Some(packet) = reader.next(capture) {
        if let Some(range) = packet.range() {
            assert!(range.end <= capture.len() && range.start <= range.end);
        }
        assert!(packet.octets(capture).len() <= 65_536);
        assert!(reader.position() >= position, "never back");
        position = reader.position();
    }
    assert!(reader.counts().frames <= capture.len() as u64);
}

fn good() -> Vec<Vec<u8>> {
    let datagram = udp((5060, 5060), OPTIONS);
    let frames = vec![
        ethernet(&[8, 0], &ipv4(17, &datagram)),
        ethernet(&[0x81, 0, 0, 1, 0x86, 0xDD], &ipv6(17, &datagram)),
        ethernet(&[8, 0], &ipv4_part(17, 1, 0x2000, &datagram[..64])),
        ethernet(&[8, 0], &ipv4_part(17, 1, 8, &datagram[64..])),
        ethernet(&[8, 0], &ipv4(6, &tcp((1, 2), 0, 0x10, &OK[..60]))),
        ethernet(&[8, 0], &ipv4(6, &tcp((1, 2), 60, 0x10, &OK[60..]))),
    ];
    let mut captures = vec![pcap(false, false, 1, &frames), pcap(true, true, 1, &frames)];
    for big in [false, true] {
        let word = |number: u32| if big { number.to_be_bytes() } else { number.to_le_bytes() };
        let link = if big { [0, 1, 0, 0] } else { [1, 0, 0, 0] };
        let mut capture = common::block(big, 0x0A0D_0D0A, &[&word(0x1A2B_3C4D)[..], &[0; 12]].concat());
        capture.extend(common::block(big, 1, &[link, [0; 4]].concat()));
        for frame in &frames {
            let head = [0, 0, 9, frame.len() as u32, frame.len() as u32].map(word).concat();
            capture.extend(common::block(big, 6, &[&head[..], frame].concat()));
        }
        captures.push(capture);
    }
    captures
}

#[test]
fn the_good_ones_are_good() {
    for capture in good() {
        assert_eq!(common::found(&capture), [OPTIONS, OPTIONS, OPTIONS, OK]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_octets(octets in prop::collection::vec(any::<u8>(), 0..300), kind in 0_usize..4) {
        let mut capture = good()[kind][..28].to_vec();
        capture.extend(&octets);
        read(&capture);
        read(&octets);
    }

    #[test]
    fn any_frames(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20), link in 0_u32..300) {
        read(&pcap(false, false, link, &frames));
    }

    #[test]
    fn spoilt(
        kind in 0_usize..4,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        end in any::<prop::sample::Index>(),
    ) {
        let mut capture = good()[kind].clone();
        for (place, octet) in changes {
            let place = place.index(capture.len());
            capture[place] = octet;
        }
        read(&capture);
        capture.truncate(end.index(capture.len()));
        read(&capture);
    }
}
