//! A number table: time to compile it from CSV, octets of the file, and look-ups of numbers that no cache holds.
//!
//! `cargo bench -p dialplane-store --bench numbers [-- NUMBERS]`; 10,000,000 by default. Half of the entries have 11
//! digits and half 12, a thousand are prefixes; there are a thousand values, as in a table of ported numbers.

use dialplane_core::store::NumberTable;
use dialplane_store::{NumberFile, compile};
use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::Path;

const LOOK_UPS: u64 = 2_000_000;
/// Octets kept for the digits of one; what follows a shorter number is no digit.
const DIGITS: usize = 12;

fn main() {
    let numbers = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(10_000_000);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (csv, table) = (folder.path().join("numbers.csv"), folder.path().join("numbers.dpt"));
    write_csv(&csv, numbers);
    let (compile_time, entries) = time(|| compile(&csv, &table, |_| true, |_, _| true).expect("good"));
    let octets = std::fs::metadata(&table).expect("written").len();
    println!("{entries} entries compiled in {:.1} s of processor time, {octets} octets", compile_time / 1e9);

    let (open_time, file) = time(|| NumberFile::open(&table).expect("just written"));
    println!("opened in {:.3} ms", open_time / 1e6);
    // Every page once, so that page faults are over.
    look_up(&file, numbers, 0, numbers);
    for (name, offset) in [("a number of the table", 0), ("a number beside one, found by its prefix", 5)] {
        // Reading the digits in turn costs nothing beside the look-ups; making them would.
        let mut all = vec![0; LOOK_UPS as usize * DIGITS];
        for (n, place) in all.chunks_exact_mut(DIGITS).enumerate() {
            let digits = digits((n as u64).wrapping_mul(7919), numbers, offset);
            place[..digits.len()].copy_from_slice(digits.as_bytes());
        }
        let (look_up_time, _) = time(|| {
            for number in all.chunks_exact(DIGITS) {
                black_box(file.longest(number)).expect("there is a prefix for each");
            }
        });
        println!("{:.0} ns to look up {name}", look_up_time / LOOK_UPS as f64);
    }
}

/// The `n`-th number: far from those before and after it.
fn digits(n: u64, numbers: u64, offset: u64) -> String {
    let step = n.wrapping_mul(2_654_435_761) % numbers;
    // Neighbours are ten apart, so that what ends in anything but 0 is not in the table.
    let number = 49_000_000_000 + step * 10 + offset;
    if step.is_multiple_of(2) { number.to_string() } else { format!("{number}0") }
}

fn write_csv(path: &Path, numbers: u64) {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path).expect("there is room"));
    for prefix in 49_000..50_000 {
        writeln!(out, "{prefix},sip:{prefix}@prefix.example.net").expect("there is room");
    }
    for n in 0..numbers {
        let digits = digits(n, numbers, 0);
        writeln!(out, "+{digits},sip:gateway{}.example.net", n % 1000).expect("there is room");
    }
    out.flush().expect("there is room");
}

fn look_up(file: &NumberFile, numbers: u64, offset: u64, count: u64) {
    for n in 0..count {
        let digits = digits(n.wrapping_mul(7919), numbers, offset);
        let (matched, _) = black_box(file.longest(digits.as_bytes())).expect("there is a prefix for each");
        assert_eq!(matched == digits.len(), offset == 0, "{digits}");
    }
}

/// Nanoseconds of this thread's processor time.
fn time<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let now = || {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
    };
    let start = now();
    let result = work();
    (now() - start, result)
}
