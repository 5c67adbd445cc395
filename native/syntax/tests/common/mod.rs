//! What the test files share.
#![allow(dead_code, clippy::panic, clippy::unwrap_used, reason = "tests; not every file uses all of it")]

use dialplane_syntax::stream::Framed;
use dialplane_syntax::{Framer, Index, Limits, Message, ParseError, Status, parse, parse_stream};
use std::path::{Path, PathBuf};

/// One test for each row, under the name of the row.
#[macro_export]
macro_rules! cases {
    ($check:ident: $($name:ident($($argument:expr),* $(,)?);)*) => {
        mod $check {
            #[allow(unused_imports, reason = "not every table needs the imports of its file")]
            use super::*;

            $(#[test]
            fn $name() {
                super::$check($($argument),*);
            })*
        }
    };
}

/// Bytes as text for messages of failed tests.
pub(crate) fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// A request with these fields in the place of the usual ones of the same name.
pub(crate) fn request_with(start_line: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut all = vec![
        ("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK77"),
        ("Max-Forwards", "70"),
        ("From", "\"Alice\" <sip:alice@example.com>;tag=88"),
        ("To", "<sip:bob@example.net>"),
        ("Call-ID", "a84b4c76e66710@192.0.2.1"),
        ("CSeq", "1 OPTIONS"),
        ("Content-Length", "0"),
    ];
    for (name, value) in fields {
        match all.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some(usual) => usual.1 = value,
            None => all.insert(all.len() - 1, (name, value)),
        }
    }
    let mut text = format!("{start_line}\r\n");
    for (name, value) in all.iter().filter(|(_, value)| *value != REMOVED) {
        text += &format!("{name}: {value}\r\n");
    }
    text += "\r\n";
    text.into_bytes()
}

/// In the place of a value: the field is left out.
pub(crate) const REMOVED: &str = "\0removed";

/// The usual request with these fields.
pub(crate) fn request(fields: &[(&str, &str)]) -> Vec<u8> {
    request_with("OPTIONS sip:bob@example.net SIP/2.0", fields)
}

/// Parses in three ways and has each looked at: whole, octet by octet as a stream, and with octets behind it.
/// The message must say where it ends.
pub(crate) fn three_ways(bytes: &[u8], check: impl Fn(&Message<'_>)) {
    let limits = Limits::default();
    let mut index = Index::new();
    check(&parse(bytes, &mut index, &limits).unwrap_or_else(|error| panic!("whole: {error}: {}", show(bytes))));

    let mut framer = Framer::new();
    let mut framed = Framed::Partial;
    for length in 1..=bytes.len() {
        assert_eq!(framed, Framed::Partial, "framed after {} octets of {}", length - 1, show(bytes));
        framed = framer.poll(&bytes[..length], &mut index, &limits).expect("the start of a good message is no error");
        let piecewise =
            parse_stream(&bytes[..length], &mut index, &limits).expect("the start of a good message is no error");
        assert_eq!(matches!(piecewise, Status::Complete(_)), length == bytes.len(), "after {length} octets");
    }
    assert_eq!(framed, Framed::Message(bytes.len()));
    match parse_stream(bytes, &mut index, &limits) {
        Ok(Status::Complete(message)) => check(&message),
        other => panic!("stream: {other:?}"),
    }

    let mut longer = bytes.to_vec();
    longer.extend_from_slice(b"INVITE sip:spare@example.com SIP/2.0\r\n\r\n");
    let message = parse(&longer, &mut index, &limits).expect("octets behind a message are not its matter");
    assert_eq!(show(message.bytes()), show(bytes));
    check(&message);
}

/// Parses whole and has it looked at.
pub(crate) fn parsed<T>(bytes: &[u8], look: impl FnOnce(Result<Message<'_>, ParseError>) -> T) -> T {
    look(parse(bytes, &mut Index::new(), &Limits::default()))
}

/// The data that the project shares: `DIALPLANE_SHARED`, or `../shared` beside the project.
pub(crate) fn shared(folder: &str) -> PathBuf {
    let root = std::env::var_os("DIALPLANE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let path = root.join(folder);
    assert!(
        path.is_dir(),
        "{} is missing: set DIALPLANE_SHARED to the folder with the shared messages",
        path.display()
    );
    path
}

/// Files of a folder with that extension, sorted.
pub(crate) fn files(folder: &Path, extension: &str) -> Vec<(String, Vec<u8>)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no .{extension} file in {}", folder.display());
    paths
        .into_iter()
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect()
}
