//! Every body runs over every seed that lies in the tree: the torture messages of the RFCs and what has once been found.

use dialplane_fuzz::{engine, net, syntax, transaction};
use std::path::{Path, PathBuf};

fn seeds(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a folder entry").path();
        if path.is_dir() { seeds(&path, found) } else { found.push(path) }
    }
}

#[test]
fn no_body_finds_a_fault_in_a_seed() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../syntax/tests");
    let mut found = Vec::new();
    for folder in ["corpus", "regressions"] {
        seeds(&tests.join(folder), &mut found);
    }
    assert!(found.len() >= 62, "{} seeds", found.len());
    for path in found {
        let bytes = std::fs::read(&path).expect("a seed");
        for body in [
            syntax::datagram,
            syntax::stream,
            syntax::rewrite,
            syntax::uri,
            syntax::values,
            syntax::digest,
            syntax::validate,
            syntax::edits,
            syntax::response,
            net::websocket,
            net::handshakes,
            transaction::transactions,
            engine::datagrams,
            engine::registrations,
        ] {
            body(&bytes);
        }
        // Values are parts of lines.
        for line in bytes.split(|octet| *octet == b'\n') {
            let value = line.iter().position(|octet| *octet == b':').map_or(line, |colon| &line[colon + 1..]);
            for body in [syntax::uri, syntax::values, syntax::digest] {
                body(value.trim_ascii());
            }
        }
    }
}
