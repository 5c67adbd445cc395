//! All scanners agree, and with the plain meaning of what they say they find.

use super::portable::Portable;
use super::sse2::Sse2;
use super::{Scanner, Task, WINDOW};
use crate::header::{HeaderId, TABLE, find};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use proptest::prelude::*;

proptest! {
    #[test]
    fn controls_agree(octets in proptest::collection::vec(any::<u8>(), 64)) {
        let block: &[u8; 64] = octets.first_chunk().expect("64 octets were asked for");
        let plain = block.iter().enumerate().fold(0u64, |mask, (bit, byte)| mask | u64::from(*byte < 0x20) << bit);
        prop_assert_eq!(Portable::controls(block), plain);
        prop_assert_eq!(Sse2::controls(block), plain);
        prop_assert_eq!(super::run(Controls(block)), plain);
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

fn agree(line: &str) {
    let window: &[u8; WINDOW] = line.as_bytes().first_chunk().expect("32 characters are 32 octets or more");
    let plain = super::name_in::<Portable>(window);
    assert_eq!(super::name_in::<Sse2>(window), plain, "{line}");
    assert_eq!(super::run(Name(window)), plain, "{line}");
}

/// With the best scanner of the machine: AVX2, where there is one.
struct Controls<'b>(&'b [u8; 64]);

impl Task for Controls<'_> {
    type Output = u64;

    fn run<S: Scanner>(self) -> u64 {
        S::controls(self.0)
    }
}

struct Name<'b>(&'b [u8; WINDOW]);

impl Task for Name<'_> {
    type Output = Option<(u16, HeaderId)>;

    fn run<S: Scanner>(self) -> Self::Output {
        super::name_in::<S>(self.0)
    }
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
    for row in &TABLE {
        for at in 0..=row.name.len() {
            let mut line = format!("{}: some value that is longer than the window", row.name).into_bytes();
            line[at] &= 0x1F;
            for found in [super::name::<Sse2>(&line, 0), super::name::<Portable>(&line, 0)] {
                assert!(found.is_none_or(|(_, id)| id == HeaderId::OTHER), "{}", line.escape_ascii());
            }
            // By the scanner that this machine would choose.
            let text = [b"OPTIONS sip:a SIP/2.0\r\n", &line[..], b"\r\n\r\n"].concat();
            let mut index = crate::Index::new();
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
