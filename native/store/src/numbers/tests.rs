use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;

fn build(entries: &[(&str, &str)]) -> (tempfile::TempDir, NumberFile) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut builder = NumberTableBuilder::new();
    for (digits, value) in entries {
        builder.add(digits.as_bytes(), value.as_bytes()).expect("a good entry");
    }
    let path = folder.path().join("table.dpt");
    builder.write(&path, [0; 2]).expect("there is room");
    let file = NumberFile::open(&path).expect("just written");
    (folder, file)
}

fn longest<'f>(file: &'f NumberFile, digits: &str) -> Option<(usize, &'f str)> {
    let (count, value) = file.longest(digits.as_bytes())?;
    Some((count, std::str::from_utf8(value).expect("as written")))
}

#[test]
fn the_longest_entry_wins() {
    let (_folder, file) = build(&[
        ("0", "zero"),
        ("00", "two zeros"),
        ("49", "de"),
        ("4930", "berlin"),
        ("493012345678901", "one number"),
        ("1", "us"),
    ]);
    assert_eq!(file.len(), 6);
    let cases = [
        ("", None),
        ("4", None),
        ("5", None),
        ("49", Some((2, "de"))),
        ("4931", Some((2, "de"))),
        ("4930", Some((4, "berlin"))),
        ("49301234567890", Some((4, "berlin"))),
        ("493012345678901", Some((15, "one number"))),
        ("4930123456789012345", Some((15, "one number"))),
        ("0", Some((1, "zero"))),
        ("000", Some((2, "two zeros"))),
        ("01", Some((1, "zero"))),
        ("1a49", Some((1, "us"))),
        ("a49", None),
        ("+49", None),
    ];
    for (digits, expected) in cases {
        assert_eq!(longest(&file, digits), expected, "{digits}");
    }
}

#[test]
fn an_empty_table_has_nothing() {
    let (_folder, file) = build(&[]);
    assert!(file.is_empty());
    assert_eq!(longest(&file, "49"), None);
}

#[test]
fn every_number_of_a_length() {
    let texts: Vec<(String, String)> =
        (0..1000).map(|number| (format!("{number:03}"), format!("v{}", number % 7))).collect();
    let entries: Vec<(&str, &str)> = texts.iter().map(|(digits, value)| (&digits[..], &value[..])).collect();
    let (folder, file) = build(&entries);
    for (digits, value) in entries {
        assert_eq!(longest(&file, digits), Some((3, value)));
    }
    let octets = fs::metadata(folder.path().join("table.dpt")).expect("there").len();
    assert!(octets < 4096 + 256 * 64 + 128, "seven values are stored once each: {octets}");
}

#[test]
fn one_number_twice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("table.dpt");
    let mut builder = NumberTableBuilder::new();
    builder.add(b"0049", b"a").expect("good");
    builder.add(b"0049", b"a").expect("good");
    assert_eq!(builder.write(&path, [0; 2]).expect("the same value"), 1);
    let before = fs::read(&path).expect("written");
    let mut builder = NumberTableBuilder::new();
    builder.add(b"0049", b"a").expect("good");
    builder.add(b"0049", b"b").expect("good");
    let refused = builder.write(&path, [0; 2]);
    assert!(matches!(&refused, Err(NumberTableError::Twice(digits)) if digits == "0049"), "{refused:?}");
    assert_eq!(fs::read(&path).expect("still there"), before);
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
}

#[test]
fn what_is_no_entry_is_refused() {
    let mut builder = NumberTableBuilder::new();
    for digits in ["", "1234567890123456", "+49", "4 9"] {
        assert!(matches!(builder.add(digits.as_bytes(), b"v"), Err(NumberTableError::NotANumber)), "{digits}");
    }
    for value in [0, 256] {
        assert!(matches!(builder.add(b"49", &vec![b'v'; value]), Err(NumberTableError::ValueLength)), "{value}");
    }
    builder.add(b"49", &[b'v'; 255]).expect("the longest value");
}

#[test]
fn csv_is_compiled_or_the_line_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (csv, table) = (folder.path().join("table.csv"), folder.path().join("table.dpt"));
    let long_comment = format!("# {}\n49,de", "x".repeat(100_000));
    let long_line = format!("48,pl\n49,{}", "x".repeat(100_000));
    type Case<'c> = (&'c str, &'c str, Result<u64, (u64, CsvProblem)>);
    let cases: [Case<'_>; 9] = [
        ("two", "number,uri\n+49,de\r\n\n# x\n4930,berlin\n", Ok(2)),
        ("no end of line", "49,de", Ok(1)),
        ("nothing", "", Ok(0)),
        ("a long comment", &long_comment, Ok(1)),
        ("the same twice", "49,de\n49,de\n", Ok(1)),
        ("a bad number", "49,de\n\n4x,de\n", Err((3, CsvProblem::NotANumber))),
        ("a bad value", "49,de\n\n48,bad\n", Err((3, CsvProblem::NotAContact))),
        ("twice", "49,de\n48,pl\n49,fr\n", Err((3, CsvProblem::Twice(1)))),
        ("a long line", &long_line, Err((2, CsvProblem::ValueLength))),
    ];
    for (name, text, expected) in cases {
        fs::write(&csv, text).expect("there is room");
        let compiled = compile(&csv, &table, |value| value != b"bad", |_, _| true).map_err(|error| match error {
            CompileError::Csv(CsvError { line, problem }) => (line, problem),
            other => unreachable!("{name}: {other}"),
        });
        assert_eq!(compiled, expected, "{name}");
        let file = NumberFile::open(&table).expect("the one before, if not this one");
        assert_eq!(file.is_made_from(&csv).expect("there"), expected.is_ok(), "{name}");
        if let Ok(entries) = expected {
            assert_eq!(file.len(), entries, "{name}");
        }
    }
    let message = CsvError { line: 3, problem: CsvProblem::Twice(1) }.to_string();
    assert_eq!(message, "line 3: the number is in line 1 already, with another value");
}

#[test]
fn progress_is_told_and_may_end_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (csv, table) = (folder.path().join("table.csv"), folder.path().join("table.dpt"));
    let text: String = (0..200_000).map(|number| format!("{number:06},v\n")).collect();
    fs::write(&csv, &text).expect("there is room");
    let mut told = Vec::new();
    let compiled = compile(
        &csv,
        &table,
        |_| true,
        |done, all| {
            told.push((done, all));
            true
        },
    );
    assert_eq!(compiled.expect("good"), 200_000);
    assert!(told.len() >= 4 && told.is_sorted() && told.last() == Some(&(text.len() as u64, text.len() as u64)));
    assert!(matches!(compile(&csv, &table, |_| true, |_, _| false), Err(CompileError::Cancelled)));
}

#[test]
fn a_piece_of_a_file_is_damage() {
    let (folder, file) = build(&[("49", "de"), ("4930", "berlin")]);
    drop(file);
    let path = folder.path().join("table.dpt");
    let whole = fs::read(&path).expect("written");
    let piece = folder.path().join("piece.dpt");
    for length in [0, 1, 4095, 4096, whole.len() - 64, whole.len() - 1, whole.len() + 1] {
        let mut octets = whole.clone();
        octets.resize(length, 0);
        fs::write(&piece, octets).expect("there is room");
        let opened = NumberFile::open(&piece);
        assert!(matches!(opened, Err(NumberFileError::Damaged)), "{length}");
    }
    assert!(matches!(NumberFile::open(&folder.path().join("none")), Err(NumberFileError::System(_))));
}

#[test]
fn look_ups_go_on_while_the_file_is_replaced() {
    let (folder, file) = build(&[("49", "old")]);
    let mut builder = NumberTableBuilder::new();
    builder.add(b"49", b"new").expect("good");
    let path = folder.path().join("table.dpt");
    builder.write(&path, [0; 2]).expect("there is room");
    let next = NumberFile::open(&path).expect("just written");
    assert_eq!((longest(&file, "49"), longest(&next, "49")), (Some((2, "old")), Some((2, "new"))));
}

proptest! {
    // Each case writes a file to the disk and waits for it.
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
    #[test]
    fn agrees_with_a_map(
        entries in proptest::collection::btree_map("[0-9]{1,15}", "[a-z]{1,12}", 0..400),
        others in proptest::collection::vec("[0-9]{0,20}", 0..100),
    ) {
        let list: Vec<(&str, &str)> = entries.iter().map(|(digits, value)| (&digits[..], &value[..])).collect();
        let (_folder, file) = build(&list);
        prop_assert_eq!(file.len(), entries.len() as u64);
        let longer = entries.keys().map(|digits| format!("{digits}7"));
        for digits in entries.keys().cloned().chain(longer).chain(others) {
            prop_assert_eq!(longest(&file, &digits), by_map(&entries, &digits), "{}", digits);
        }
    }
}

fn by_map<'m>(entries: &'m BTreeMap<String, String>, digits: &str) -> Option<(usize, &'m str)> {
    let prefixes = (1..=digits.len()).rev().map(|count| &digits[..count]);
    prefixes.filter_map(|prefix| Some((prefix.len(), &entries.get(prefix)?[..]))).next()
}
