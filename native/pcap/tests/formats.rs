//! File formats, links and headers, case by case.

mod common;

use common::{OPTIONS, block, counts, ethernet, found, ipv4, ipv4_part, ipv6, pcap, udp};
use dialplane_pcap::file::Frames;
use dialplane_pcap::{CaptureError, Reader};
use dialplane_syntax::Limits;

fn datagram() -> Vec<u8> {
    ipv4(17, &udp((5060, 5062), OPTIONS))
}

#[test]
fn pcap_in_both_orders_and_units() {
    for (big, nano) in [(false, false), (false, true), (true, false), (true, true)] {
        let capture = pcap(big, nano, 101, &[vec![0; 9], datagram()]);
        let mut reader = Reader::new(&capture, Limits::default()).expect("a capture");
        let packet = reader.next(&capture).expect("one packet");
        assert_eq!(packet.octets(&capture), OPTIONS);
        assert_eq!(packet.time, 1_000_000_000 + if nano { 1 } else { 1_000 });
        assert_eq!(packet.source.to_string(), "192.0.2.1:5060");
        assert_eq!(packet.destination.to_string(), "192.0.2.2:5062");
        assert_eq!(packet.frame, 1);
        assert!(reader.next(&capture).is_none());
        assert_eq!((reader.counts().frames, reader.counts().other_frames, reader.counts().is_truncated), (2, 1, false));
    }
}

#[test]
fn pcapng_blocks() {
    for big in [false, true] {
        let word = |number: u32| if big { number.to_be_bytes() } else { number.to_le_bytes() };
        let half = |number: u16| if big { number.to_be_bytes() } else { number.to_le_bytes() };
        let section = block(big, 0x0A0D_0D0A, &[&word(0x1A2B_3C4D)[..], &half(1), &half(0), &[0xFF; 8]].concat());
        let interface =
            |link: u16, option: &[u8]| block(big, 1, &[&half(link)[..], &half(0), &word(0), option].concat());
        let nanoseconds = [&half(9)[..], &half(1), &[9, 0, 0, 0], &half(0), &half(0)].concat();
        let halves = [&half(9)[..], &half(1), &[0x81, 0, 0, 0]].concat();
        let packet = |interface: u32, ticks: u32, frame: &[u8]| {
            let head = [interface, 0, ticks, frame.len() as u32, frame.len() as u32].map(word).concat();
            block(big, 6, &[&head[..], frame].concat())
        };
        let old = |frame: &[u8]| {
            let head = [&half(1)[..], &half(0), &word(0), &word(7), &word(frame.len() as u32), &word(9999)].concat();
            block(big, 2, &[&head[..], frame].concat())
        };
        let simple = |frame: &[u8]| block(big, 3, &[&word(frame.len() as u32)[..], frame].concat());
        let tagged = ethernet(&[0x81, 0, 0, 7, 0x08, 0], &datagram());
        let capture = [
            section.clone(),
            interface(1, &nanoseconds),
            interface(101, &halves),
            block(big, 0xBAD, b"unknown"),
            packet(0, 5, &tagged),
            packet(1, 3, &datagram()),
            packet(9, 0, &datagram()),
            old(&datagram()),
            simple(&tagged),
            section,
            interface(101, b""),
            packet(0, 8, &datagram()),
        ]
        .concat();
        let mut reader = Reader::new(&capture, Limits::default()).expect("a capture");
        let times: Vec<u64> = std::iter::from_fn(|| reader.next(&capture)).map(|packet| packet.time).collect();
        assert_eq!(times, [5, 1_500_000_000, 3_500_000_000, 0, 8_000]);
        assert!(!reader.counts().is_truncated);
        assert_eq!(found(&capture), vec![OPTIONS.to_vec(); 5]);
    }
}

#[test]
fn links() {
    let v6 = ipv6(17, &udp((5060, 5060), OPTIONS));
    let pppoe = [&[0x88, 0x64][..], &[0x11, 0, 0, 1, 0, 99, 0, 0x21]].concat();
    let cases: &[(u32, Vec<u8>)] = &[
        (1, ethernet(&[0x08, 0], &datagram())),
        (1, ethernet(&[0x86, 0xDD], &v6)),
        (1, ethernet(&[0x81, 0, 0, 1, 0x08, 0], &datagram())),
        (1, ethernet(&[0x88, 0xA8, 0, 1, 0x81, 0, 0, 2, 0x86, 0xDD], &v6)),
        (1, ethernet(&pppoe, &datagram())),
        (113, [&[0; 14][..], &[0x08, 0], &datagram()].concat()),
        (276, [&[0x86, 0xDD][..], &[0; 18], &v6].concat()),
        (0, [&[2, 0, 0, 0][..], &datagram()].concat()),
        (108, [&[0, 0, 0, 24][..], &v6].concat()),
        (101, v6.clone()),
        (12, datagram()),
        (228, datagram()),
        (229, v6.clone()),
        // Four bits of the link type say how long the frame check sequence is.
        (0x1400_0001, ethernet(&[0x08, 0], &datagram())),
    ];
    for (link, frame) in cases {
        assert_eq!(
            found(&pcap(false, false, *link, std::slice::from_ref(frame))),
            [OPTIONS],
            "link {link}, {frame:x?}"
        );
    }
    let others = [(1, ethernet(&[0x08, 6], &datagram())), (105, datagram()), (1, vec![0; 13])];
    for (link, frame) in others {
        assert_eq!(counts(&pcap(false, false, link, &[frame])).other_frames, 1);
    }
}

#[test]
fn what_surrounds_the_payload_is_no_part_of_it() {
    // Ethernet pads short frames.
    let padded = ethernet(&[0x08, 0], &[&datagram()[..], &[0; 6]].concat());
    // Options of IPv4; what a network card that cuts segments leaves as length; extension headers of IPv6.
    let mut options = datagram();
    options[0] = 0x46;
    options.splice(20..20, [1; 4]);
    options[3] += 4;
    let mut zero = datagram();
    zero[2..4].fill(0);
    let extended = ipv6(0, &[&[60, 0, 0, 0, 0, 0, 0, 0, 17, 1][..], &[0; 14], &udp((1, 2), OPTIONS)].concat());
    assert_eq!(found(&pcap(false, false, 1, &[padded])), [OPTIONS]);
    assert_eq!(found(&pcap(false, false, 101, &[options, zero, extended])), vec![OPTIONS.to_vec(); 3]);
}

#[test]
fn fragments() {
    let whole = udp((5060, 5060), OPTIONS);
    let part = |id: u16, from: usize, to: usize| {
        let more = u16::from(to < whole.len()) << 13;
        ipv4_part(17, id, more | (from / 8) as u16, &whole[from..to])
    };
    let end = whole.len();
    let read = |frames: &[Vec<u8>]| (found(&pcap(false, false, 101, frames)), counts(&pcap(false, false, 101, frames)));
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let parts = [part(1, 0, 64), part(1, 64, 128), part(1, 128, end)];
        let (messages, counts) = read(&order.map(|number| parts[number].clone()));
        assert_eq!(messages, [OPTIONS], "{order:?}");
        assert_eq!((counts.fragments, counts.joined_datagrams, counts.lost_datagrams), (3, 1, 0));
    }
    // Twice the same is no fault, what overlaps is; ids do not mix.
    let (messages, _) = read(&[part(1, 0, 64), part(1, 0, 64), part(1, 64, end)]);
    assert_eq!(messages, [OPTIONS]);
    let (messages, counts) = read(&[part(1, 0, 64), part(1, 56, end)]);
    assert_eq!((messages.len(), counts.lost_datagrams), (0, 1));
    let (messages, _) = read(&[part(1, 0, 64), part(2, 64, end)]);
    assert_eq!(messages.len(), 0);
    let v6 = |offset: usize, to: usize| {
        let place = (offset | usize::from(to < end)) as u16;
        let head = [&[17, 0][..], &place.to_be_bytes(), &[0, 0, 0, 9]].concat();
        ipv6(44, &[&head[..], &whole[offset..to]].concat())
    };
    assert_eq!(read(&[v6(64, end), v6(0, 64)]).0, [OPTIONS]);
}

#[test]
fn fragments_do_not_pile_up() {
    let first = |id: u16| ipv4_part(17, id, 0x2000, &[b'x'; 64]);
    let frames: Vec<Vec<u8>> = (0..5000).map(first).collect();
    let counts = counts(&pcap(false, false, 101, &frames));
    assert_eq!(counts.fragments, 5000);
    // At most a minute's worth is kept: the frames are a second apart.
    assert!(counts.lost_datagrams >= 5000 - 70, "{counts:?}");
}

#[test]
fn captures_that_end_too_early() {
    let capture = pcap(false, false, 101, &[datagram(), datagram()]);
    for end in 24..capture.len() {
        let cut = &capture[..end];
        let counts = counts(cut);
        let whole = [24, 24 + 16 + datagram().len()].contains(&end);
        assert_eq!(counts.is_truncated, !whole, "{end}");
        assert!(found(cut).len() < 2);
    }
    for end in 0..24 {
        assert_eq!(Frames::new(&capture[..end]).err(), Some(CaptureError::NotACapture));
    }
    // A frame of which not all octets were captured.
    let counts = counts(&pcap(false, false, 101, &[datagram()[..100].to_vec()]));
    assert_eq!((counts.cut_frames, counts.is_truncated), (1, false));
}

#[test]
fn what_is_certainly_no_sip_is_not_given() {
    let payloads: [&[u8]; 6] =
        [b"", b"\r\n\r\n", b"\0", &[0x80, 0, 1, 2, 3], &[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42], b"\r\n"];
    let frames = payloads.map(|payload| ipv4(17, &udp((5060, 5060), payload)));
    let counts = counts(&pcap(false, false, 101, &frames));
    assert_eq!((counts.datagrams, counts.other_datagrams), (6, 6));
}
