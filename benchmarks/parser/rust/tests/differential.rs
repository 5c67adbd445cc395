//! What four parsers say of the same messages, compared part by part with ours. Each difference is a line of `differences.tsv` with its
//! reason; `UPDATE=1` writes the file anew and leaves the reason of new lines empty, which fails until somebody has looked.

use dialplane_parser_peers::{PARSERS, Reading, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

fn messages() -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let folders =
        ["native/syntax/tests/corpus/rfc4475", "native/syntax/tests/corpus/rfc5118", "benchmarks/parser/messages"];
    let mut files: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}")))
        .map(|entry| entry.expect("a folder entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "dat" || extension == "sip"))
        .collect();
    files.sort();
    let name = |path: &Path| path.file_stem().expect("a file name").to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), std::fs::read(path).expect("a message"))).collect()
}

fn parts(reading: &Reading) -> [(&'static str, Value); 7] {
    [
        ("start", Value::Text(reading.start.clone())),
        ("branch", reading.branch.clone()),
        ("from tag", reading.from_tag.clone()),
        ("to tag", reading.to_tag.clone()),
        ("call-id", reading.call_id.clone()),
        ("cseq", reading.cseq.clone()),
        ("max-forwards", reading.max_forwards.clone()),
    ]
}

fn show(value: &Value) -> String {
    match value {
        Value::Absent => "-".into(),
        Value::Unreadable => "unreadable".into(),
        Value::Text(text) => text.chars().take(48).collect::<String>().escape_debug().to_string(),
    }
}

/// Message, library, part, what we say, what they say.
fn differences() -> Vec<[String; 5]> {
    let mut found = Vec::new();
    let (ours, peers) = PARSERS.split_first().expect("ours comes first");
    for (name, bytes) in messages() {
        let our = (ours.read)(&bytes);
        for peer in peers {
            let mut add = |part: &str, a: &str, b: &str| {
                found.push([name.clone(), peer.name.into(), part.into(), a.into(), b.into()]);
            };
            let Ok(their) = catch_unwind(AssertUnwindSafe(|| (peer.read)(&bytes))) else {
                add("message", "", "panics");
                continue;
            };
            match (&our, &their) {
                (None, None) => {}
                (Some(_), None) => add("message", "read", "refused"),
                (None, Some(_)) => add("message", "refused", "read"),
                (Some(our), Some(their)) => {
                    for ((part, a), (_, b)) in parts(our).iter().zip(parts(their)) {
                        if *a != b {
                            add(part, &show(a), &show(&b));
                        }
                    }
                }
            }
        }
    }
    found
}

#[test]
fn every_difference_is_known_and_has_its_reason() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differences.tsv");
    let known: BTreeMap<String, String> = std::fs::read_to_string(&path)
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.rsplit_once('\t'))
        .map(|(difference, reason)| (difference.to_owned(), reason.to_owned()))
        .collect();
    let found: Vec<String> = differences().iter().map(|difference| difference.join("\t")).collect();
    if std::env::var_os("UPDATE").is_some() {
        let mut text = String::new();
        for difference in &found {
            let reason = known.get(difference).map_or("", String::as_str);
            writeln!(text, "{difference}\t{reason}").expect("a string can be written");
        }
        std::fs::write(&path, text).expect("the table can be written");
    }
    assert!(messages().len() >= 65, "{} messages", messages().len());
    let unknown: Vec<_> =
        found.iter().filter(|difference| known.get(*difference).is_none_or(String::is_empty)).collect();
    assert!(unknown.is_empty(), "without a reason: {unknown:#?}");
    let gone: Vec<_> = known.keys().filter(|difference| !found.contains(difference)).collect();
    assert!(gone.is_empty(), "no longer so: {gone:#?}");
}
