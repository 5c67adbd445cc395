//! TCP: segments in any order, sent again, lost; messages over several of them.

mod common;

use common::{OK, OPTIONS, counts, found, ipv4, pcap, pcap_at, tcp};
use proptest::prelude::*;

const ACK: u8 = 0x10;
const SYN: u8 = 0x02;
const FIN: u8 = 0x11;

fn capture(segments: &[(u32, u8, &[u8])]) -> Vec<u8> {
    let frame =
        |(sequence, flags, payload): &(u32, u8, &[u8])| ipv4(6, &tcp((5060, 40_000), *sequence, *flags, payload));
    // All in one second: nothing has waited for too long.
    pcap_at(|_| 1, false, true, 101, &segments.iter().map(frame).collect::<Vec<_>>())
}

#[test]
fn several_messages_in_a_segment_and_keep_alives() {
    let both = [b"\r\n\r\n", OPTIONS, b"\r\n\r\n", OK].concat();
    let start = [OPTIONS, OK].concat();
    assert_eq!(
        found(&capture(&[(9, SYN, b""), (10, ACK, &start), (10 + start.len() as u32, FIN, &both)])),
        [OPTIONS, OK, OPTIONS, OK]
    );
}

#[test]
fn a_stream_is_followed_from_where_a_message_begins() {
    let rest = &OPTIONS[40..];
    let sequence = rest.len() as u32;
    assert_eq!(found(&capture(&[(0, ACK, rest), (sequence, ACK, OK)])), [OK]);
    assert_eq!(found(&capture(&[(0, ACK, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")])).len(), 0);
    assert_eq!(found(&capture(&[(0, ACK, &[0x16, 3, 1, 0, 200])])).len(), 0);
}

#[test]
fn sequence_numbers_wrap() {
    let start = u32::MAX - 20;
    let (one, two) = OPTIONS.split_at(50);
    let behind = start.wrapping_add(50);
    assert_eq!(found(&capture(&[(start, ACK, one), (behind, ACK, two), (behind, ACK, two)])), [OPTIONS]);
}

#[test]
fn a_gap_loses_what_it_must_and_no_more() {
    let lost = OPTIONS.len() as u32;
    let next = |number: u32| lost * 2 + OK.len() as u32 * number;
    let mut segments = vec![(0, ACK, OPTIONS)];
    segments.extend((0..80).map(|number| (next(number), ACK, OK)));
    let capture = capture(&segments);
    assert_eq!(found(&capture).len(), 81);
    assert_eq!(counts(&capture).gaps, 1);
}

#[test]
fn a_gap_does_not_hold_back_what_follows_for_long() {
    let late = |number: u32| if number < 2 { number } else { 60 };
    let lost = OPTIONS.len() as u32;
    let segment = |sequence, payload| ipv4(6, &tcp((1, 2), sequence, ACK, payload));
    let frames = [segment(0, OPTIONS), segment(lost * 2, OK), segment(lost * 2 + OK.len() as u32, OK)];
    assert_eq!(found(&pcap_at(late, false, false, 101, &frames)), [OPTIONS, OK, OK]);
}

#[test]
fn two_directions_and_ports_are_two_streams() {
    let frames = [(5060, 1, &OPTIONS[..50]), (1, 5060, &OK[..50]), (5060, 1, &OPTIONS[50..]), (1, 5060, &OK[50..])];
    let mut next = std::collections::HashMap::new();
    let mut segments = Vec::new();
    for (from, to, payload) in frames {
        let sequence = next.entry((from, to)).or_insert(0_u32);
        segments.push(ipv4(6, &tcp((from, to), *sequence, ACK, payload)));
        *sequence += payload.len() as u32;
    }
    assert_eq!(found(&pcap(false, false, 101, &segments)), [OPTIONS, OK]);
}

proptest! {
    #[test]
    fn any_pieces_in_nearly_any_order(
        messages in prop::collection::vec(prop::sample::select(vec![OPTIONS, OK]), 1..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        swaps in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..8),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        start in any::<u32>(),
    ) {
        let stream = messages.concat();
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).chain([0, stream.len()]).collect();
        places.sort_unstable();
        places.dedup();
        // The first one comes first: it is where the stream is recognised, if it is long enough for that.
        places.retain(|place| *place == 0 || *place >= 20);
        let mut segments: Vec<(u32, u8, &[u8])> = places
            .windows(2)
            .map(|pair| (start.wrapping_add(pair[0] as u32), ACK, &stream[pair[0]..pair[1]]))
            .collect();
        for (one, other) in swaps {
            if segments.len() > 2 {
                let (one, other) = (one.index(segments.len() - 1) + 1, other.index(segments.len() - 1) + 1);
                segments.swap(one, other);
            }
        }
        for again in again {
            let segment = segments[again.index(segments.len())];
            segments.push(segment);
        }
        prop_assert_eq!(found(&capture(&segments)), messages);
    }
}
