//! Instructions per message, counted by valgrind: `cargo bench -p dialplane-syntax --bench instructions`.
//!
//! Counts do not depend on what else the machine does, so they are compared with the committed `benches/instructions.txt`: more than
//! three per cent above it fails, and so does work that is not in it. They do depend on the compiler, which the file names.
//! `-- --update` writes the file anew; a higher number in it needs its reason in the commit.
#![allow(missing_docs, clippy::panic, clippy::unwrap_used, reason = "a benchmark")]

mod workload;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;
use workload::{State, WORK};

const ROUNDS: u64 = 1_000;
const TOLERANCE: f64 = 1.03;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, number, rounds] = arguments.as_slice()
        && flag == "--run"
    {
        return run(number.parse().unwrap(), rounds.parse().unwrap());
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt");
    let baseline = read(path);
    let mut table = format!("# {}\n", compiler());
    let mut slower = false;
    for (number, (name, _)) in WORK.iter().enumerate() {
        // The difference of two runs leaves out what the process does besides.
        let instructions = (count(number, 2 * ROUNDS) - count(number, ROUNDS)) / ROUNDS as f64;
        let before = baseline.get(*name).copied();
        slower |= before.is_none_or(|before| instructions > before * TOLERANCE);
        let was = before.map_or_else(|| "new".into(), |before| format!("was {before:.0}"));
        println!("{name:<42} {instructions:>8.0} instructions ({was})");
        writeln!(table, "{instructions:.0}\t{name}").unwrap();
    }
    if arguments.iter().any(|argument| argument == "--update") {
        std::fs::write(path, table).unwrap();
    } else if slower {
        panic!("more instructions than benches/instructions.txt says, which begins: {}", first_line(path));
    }
}

fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output().expect("this was compiled by rustc");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

fn first_line(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}

fn run(number: usize, rounds: u64) {
    let mut state = State::new();
    let (_, work) = WORK[number];
    for _ in 0..rounds {
        work(&mut state);
    }
}

/// Instructions of one process that does so many rounds.
fn count(number: usize, rounds: u64) -> f64 {
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args(["--run", &number.to_string(), &rounds.to_string()])
        .output()
        .expect("valgrind is needed (Debian: valgrind)");
    let text = String::from_utf8(output.stderr).unwrap();
    let refs = text
        .lines()
        .find_map(|line| line.split_once("I refs:"))
        .or_else(|| text.lines().find_map(|line| line.split_once("I   refs:")));
    let number = refs.map(|(_, number)| number.replace([',', ' '], ""));
    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("valgrind did not count: {text}"))
}

fn read(path: &str) -> BTreeMap<String, f64> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once('\t'))
        .filter_map(|(number, name)| Some((name.to_owned(), number.parse().ok()?)))
        .collect()
}
