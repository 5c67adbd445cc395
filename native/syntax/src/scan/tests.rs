//! All scanners agree, and with the plain meaning of what they say they find.

use super::portable::Portable;
use super::sse2::Sse2;
use super::{Scanner, WINDOW};
use crate::chars::{Class, HOST, LIST_MARK, LWS, PARAM, QUOTE_MARK, TOKEN, USER, VALUE, WORD};
use crate::header::{HeaderId, TABLE, find};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use proptest::prelude::*;

proptest! {
    #[test]
    fn controls_agree(octets in proptest::collection::vec(any::<u8>(), 64)) {
        let block: &[u8; 64] = octets.first_chunk().expect("64 octets were asked for");
        let plain = block.iter().enumerate().fold(0u64, |mask, (bit, byte)| mask | u64::from(*byte < 0x20) << bit);
        prop_assert_eq!(Portable::controls(block), plain);
        prop_assert_eq!(Sse2::controls(block), plain);
        prop_assert_eq!(super::run(Controls { block }), plain);
    }

    #[test]
    fn names_agree(line in "[A-Za-z-]{0,20}[ :]{0,2}[a-z:]{0,10}\\PC{32}") {
        agree(&line);
    }

    #[test]
    fn names_of_the_table_agree(row in 0..TABLE.len(), tail in "[a-z: ]{0,3}\\PC{32}") {
        agree(&format!("{}{tail}", TABLE[row].name));
    }
}

proptest! {
    #[test]
    fn runs_agree(octets in octets(), from in 0..80usize, end in 0..80usize, class in 0..CLASSES.len()) {
        let class = CLASSES[class];
        let from = from.min(octets.len());
        let span = octets[from..].iter().position(|byte| !class.has(*byte)).map_or(octets.len(), |at| from + at);
        prop_assert_eq!(Portable::span(&octets, from, class), span);
        prop_assert_eq!(Sse2::span(&octets, from, class), span);
        prop_assert_eq!(super::run(Span { bytes: &octets, from, class }), span);
        let end = end.clamp(from, octets.len());
        let found = octets[from..end].iter().position(|byte| class.has(*byte)).map_or(end, |at| from + at);
        prop_assert_eq!(Portable::find(&octets, from, end, class), found);
        prop_assert_eq!(Sse2::find(&octets, from, end, class), found);
        prop_assert_eq!(super::run(Find { bytes: &octets, from, end, class }), found);
    }

    #[test]
    fn two_at_once_agree(octets in proptest::collection::vec(octet(), WINDOW), class in 0..CLASSES.len(), mark in octet()) {
        let class = CLASSES[class];
        let window: &[u8; WINDOW] = octets.first_chunk().expect("a window was asked for");
        let first = |ends: &dyn Fn(u8) -> bool| octets.iter().position(|byte| ends(*byte)).unwrap_or(WINDOW);
        let plain = (first(&|byte| !class.has(byte)), first(&|byte| byte == mark));
        prop_assert_eq!(Portable::two(window, class, mark), plain);
        prop_assert_eq!(Sse2::two(window, class, mark), plain);
        prop_assert_eq!(super::run(Two { window, class, mark }), plain);
    }

    #[test]
    fn host_names_agree(name in "[a-z0-9.-]{0,40}[:; ]?[a-z.]{0,40}", from in 0..4usize) {
        let bytes = name.as_bytes();
        let from = from.min(bytes.len());
        let run = bytes[from..].iter().take_while(|byte| HOST.has(**byte)).count();
        let labels = name[from..from + run].strip_suffix('.').unwrap_or(&name[from..from + run]);
        let is_good = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
        let plain = labels.split('.').all(is_good).then_some(from + run);
        prop_assert_eq!(Portable::host_name(bytes, from), plain);
        prop_assert_eq!(Sse2::host_name(bytes, from), plain);
        prop_assert_eq!(super::run(HostName { bytes, from }), plain);
    }
}

/// The sets that scanners look for.
const CLASSES: [&Class; 9] = [&TOKEN, &WORD, &HOST, &USER, &PARAM, &LWS, &VALUE, &LIST_MARK, &QUOTE_MARK];

/// Octets of which runs are made, and now and then any other.
fn octet() -> impl Strategy<Value = u8> {
    prop_oneof![8 => b'a'..=b'z', 2 => proptest::sample::select(&b" \t\r\n,;:<>\"\\%@.-[]()"[..]), 1 => any::<u8>()]
}

fn octets() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(octet(), 0..80)
}

// With the best scanner of the machine: AVX2, where there is one.
task!(Controls<'b> { block: &'b [u8; 64] } -> u64, S::controls(block));
task!(Name<'b> { window: &'b [u8; WINDOW] } -> Option<(u16, HeaderId)>, super::name_in::<S>(window));
task!(Span<'b> { bytes: &'b [u8], from: usize, class: &'static Class } -> usize, S::span(bytes, from, class));
task!(Find<'b> { bytes: &'b [u8], from: usize, end: usize, class: &'static Class } -> usize, S::find(bytes, from, end, class));
task!(
    Two<'b> { window: &'b [u8; WINDOW], class: &'static Class, mark: u8 } -> (usize, usize),
    S::two(window, class, mark)
);
task!(HostName<'b> { bytes: &'b [u8], from: usize } -> Option<usize>, S::host_name(bytes, from));

fn agree(line: &str) {
    let window: &[u8; WINDOW] = line.as_bytes().first_chunk().expect("32 characters are 32 octets or more");
    let plain = super::name_in::<Portable>(window);
    assert_eq!(super::name_in::<Sse2>(window), plain, "{line}");
    assert_eq!(super::run(Name { window }), plain, "{line}");
}

#[test]
fn a_short_last_block_is_read_to_its_end_and_no_further() {
    for length in 0..200 {
        let mut text = String::from("x").repeat(length).into_bytes();
        if let Some(last) = text.last_mut() {
            *last = b'\n';
        }
        for base in (0..length).step_by(64) {
            let expected = if length - base <= 64 { 1 << (length - base - 1) } else { 0 };
            assert_eq!(super::controls_at::<Sse2>(&text, base), expected, "{length} octets from {base}");
        }
    }
}

#[test]
fn every_name_of_the_table_is_found_in_any_case_and_nothing_longer() {
    for row in &TABLE {
        for text in [row.name.to_owned(), row.name.to_ascii_uppercase(), row.name.to_ascii_lowercase()] {
            {
                let line = format!("{text}: some value that is longer than the window");
                let found = super::name::<Sse2>(line.as_bytes(), 0);
                assert_eq!(
                    found.map(|(colon, id)| (usize::from(colon), id.name())),
                    Some((text.len(), row.name)),
                    "{line}"
                );
            }
            let longer = format!("{text}x: some value that is longer than the window");
            assert!(
                super::name::<Sse2>(longer.as_bytes(), 0).is_none_or(|(_, id)| id.name().len() > text.len()),
                "{longer}"
            );
        }
    }
}

/// Setting the case bit makes a hyphen of a CR.
#[test]
fn a_control_character_in_a_name_is_no_part_of_it() {
    // Miri takes a hundred times as long, and one name shows as much of the loads as all.
    let step = if cfg!(miri) { 16 } else { 1 };
    let mut index = crate::Index::with_capacity(1);
    for row in TABLE.iter().step_by(step) {
        for at in 0..=row.name.len() {
            let mut line = format!("{}: some value that is longer than the window", row.name).into_bytes();
            line[at] &= 0x1F;
            for found in [super::name::<Sse2>(&line, 0), super::name::<Portable>(&line, 0)] {
                assert!(found.is_none_or(|(_, id)| id == HeaderId::OTHER), "{}", line.escape_ascii());
            }
            // By the scanner that this machine would choose.
            let text = [b"OPTIONS sip:a SIP/2.0\r\n", &line[..], b"\r\n\r\n"].concat();
            let read = crate::parse(&text, &mut index, &crate::Limits::default());
            assert!(
                read.is_err() || read.is_ok_and(|message| message.fields().all(|field| field.id == HeaderId::OTHER))
            );
        }
    }
}

#[test]
fn compact_forms_are_found() {
    for row in &TABLE {
        let Some(letter) = row.compact else { continue };
        for letter in [letter, letter.to_ascii_uppercase()] {
            let found =
                super::name::<Sse2>(&[&[letter], &b": some value that is longer than the window"[..]].concat(), 0);
            assert_eq!(found.map(|(_, id)| id.name()), Some(row.name));
        }
        assert_eq!(find(1, letter, [letter, b':']).1.name(), row.name);
    }
    assert_eq!(HeaderId::from_name(b"q"), HeaderId::OTHER);
}
