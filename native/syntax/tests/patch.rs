//! Edits: what they name changes, nothing else does, and in place is the same as by copy.
#![allow(missing_docs, clippy::panic, clippy::unwrap_used, reason = "tests")]

#[macro_use]
mod common;

use common::show;
use dialplane_syntax::Edits;
use proptest::prelude::*;
use std::ops::Range;

/// An edit as a test writes it.
type Change<'t> = (Range<usize>, &'t str);

fn edits(changes: &[Change<'_>]) -> Edits {
    let mut edits = Edits::new();
    for (range, text) in changes {
        edits.replace(range.clone(), text.as_bytes());
    }
    edits
}

/// Both ways, with room on both sides.
fn both(edits: &Edits, message: &[u8]) -> Vec<u8> {
    let mut copied = b"before".to_vec();
    edits.apply(message, &mut copied);
    let copied = copied.split_off(6);

    let (headroom, behind) = (300, 40);
    let mut frame = vec![b'#'; headroom];
    frame.extend_from_slice(message);
    frame.extend_from_slice(&vec![b'$'; behind]);
    let range = edits.apply_in_place(&mut frame, headroom..headroom + message.len()).expect("there is room");
    assert_eq!(show(&frame[range.clone()]), show(&copied));
    assert_eq!(range.end, headroom + message.len(), "what lies behind the last edit does not move");
    assert!(frame[headroom + message.len()..].iter().all(|octet| *octet == b'$'));
    assert!(
        frame[..range.start.min(headroom)].iter().all(|octet| *octet == b'#'),
        "only the headroom that is needed is written"
    );
    assert_eq!(edits.growth(), copied.len() as isize - message.len() as isize);
    copied
}

fn edited(changes: &[Change<'_>], expected: &str) {
    let message = b"0123456789";
    assert_eq!(show(&both(&edits(changes), message)), expected);
    // In any order of the calls, as long as no two are at one place.
    let reversed: Vec<_> = changes.iter().rev().cloned().collect();
    assert_eq!(show(&both(&edits(&reversed), message)), expected);
}

cases! { edited:
    nothing(&[], "0123456789");
    an_insertion_at_the_start(&[(0..0, "ab")], "ab0123456789");
    an_insertion_in_the_middle(&[(5..5, "ab")], "01234ab56789");
    an_insertion_at_the_end(&[(10..10, "ab")], "0123456789ab");
    a_removal_at_the_start(&[(0..3, "")], "3456789");
    a_removal_in_the_middle(&[(3..6, "")], "0126789");
    a_removal_at_the_end(&[(7..10, "")], "0123456");
    a_removal_of_everything(&[(0..10, "")], "");
    a_replacement_of_the_same_length(&[(3..5, "ab")], "012ab56789");
    a_longer_replacement(&[(3..5, "abcd")], "012abcd56789");
    a_shorter_replacement(&[(3..5, "a")], "012a56789");
    growth_and_shrinkage_that_cancel(&[(1..2, "abc"), (6..8, "")], "0abc234589");
    shrinkage_and_growth_that_cancel(&[(1..4, ""), (6..7, "abcd")], "045abcd789");
    pieces_that_move_towards_each_other(&[(0..1, "abcdef"), (4..9, ""), (9..10, "xyz")], "abcdef123xyz");
    pieces_that_move_apart(&[(2..4, ""), (5..5, "abcdef"), (8..10, "")], "014abcdef567");
    edits_that_touch(&[(2..4, "a"), (4..6, "b"), (6..6, "c")], "01abc6789");
}

#[test]
fn insertions_at_one_place_keep_the_order_of_the_calls() {
    let mut edits = Edits::new();
    edits.insert(5, b"a");
    edits.insert_with(5, |out| out.extend_from_slice(b"b"));
    edits.insert(2, b"x");
    edits.insert(5, b"c");
    edits.remove(5..6);
    assert_eq!(show(&both(&edits, b"0123456789")), "01x234abc6789");
}

#[test]
fn octets_that_two_edits_name_go_once() {
    assert_eq!(show(&both(&edits(&[(2..6, "a"), (4..8, "b")]), b"0123456789")), "01ab89");
    assert_eq!(show(&both(&edits(&[(4..8, "b"), (2..6, "a")]), b"0123456789")), "01ab89");
}

#[test]
fn a_list_is_used_again() {
    let mut edits = edits(&[(0..5, "abc")]);
    assert!(!edits.is_empty());
    edits.clear();
    assert!(edits.is_empty() && edits.growth() == 0);
    edits.insert(1, b"z");
    assert_eq!(show(&both(&edits, b"012")), "0z12");
    assert_eq!(edits.iter().collect::<Vec<_>>(), [(1..1, &b"z"[..])]);
}

#[test]
fn no_room_leaves_the_frame_as_it_is() {
    let edits = edits(&[(1..1, "abc")]);
    let frame = *b"##0123456789$$";
    for start in 0..3 {
        let mut tried = frame;
        let range = edits.apply_in_place(&mut tried[2 - start..], start..start + 10);
        assert_eq!((range, tried), (None, frame), "{start} octets of headroom");
    }
    let mut tried = *b"###0123456789";
    assert_eq!(edits.apply_in_place(&mut tried, 3..13), Some(0..13));
    assert_eq!(show(&tried), "0abc123456789");
}

#[test]
fn an_edit_behind_the_end_is_refused_in_place() {
    let mut frame = *b"####0123456789";
    let beyond = edits(&[(9..12, "a")]);
    assert_eq!(beyond.apply_in_place(&mut frame, 4..14), None);
    assert_eq!(beyond.apply_in_place(&mut frame, 4..20), None, "nor a message that is not in the frame");
    assert_eq!(show(&frame), "####0123456789");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_ways_are_the_same_and_untouched_octets_stay(
        message in proptest::collection::vec(any::<u8>(), 0..200),
        changes in proptest::collection::vec((0usize..200, 0usize..40, "[a-z]{0,30}"), 0..8),
    ) {
        // Turned into ranges that follow each other.
        let mut at = 0;
        let mut ranges: Vec<Change<'_>> = Vec::new();
        for (gap, length, text) in &changes {
            let start = (at + gap % 50).min(message.len());
            let end = (start + length).min(message.len());
            ranges.push((start..end, text));
            at = end;
        }
        let result = both(&edits(&ranges), &message);
        let mut expected = Vec::new();
        let mut from = 0;
        for (range, text) in &ranges {
            expected.extend_from_slice(&message[from..range.start]);
            expected.extend_from_slice(text.as_bytes());
            from = range.end;
        }
        expected.extend_from_slice(&message[from..]);
        prop_assert_eq!(result, expected);
    }
}
