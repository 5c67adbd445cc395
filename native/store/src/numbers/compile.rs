//! From CSV to a number table.

use super::csv::{self, CsvError, CsvProblem};
use super::write::{NumberTableBuilder, NumberTableError};
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Lines between two reports of progress.
const REPORT: u64 = 65_536;
/// No line that can be used is longer; more is not read into memory.
const LONGEST_LINE: u64 = 4096;

/// Why a table was not compiled. What was at its place stays as it was.
#[derive(Debug)]
pub enum CompileError {
    /// The caller did not want to go on.
    Cancelled,
    /// A line that cannot be used, the first of them.
    Csv(CsvError),
    /// What the system said.
    System(io::Error),
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled => f.write_str("cancelled"),
            Self::Csv(error) => error.fmt(f),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CompileError {}

impl From<io::Error> for CompileError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Compiles the CSV file at `csv` (lines `number,value`; see the module's documentation in `csv.rs`) into a number table
/// at `table`, and returns the number of entries.
///
/// A value for which `is_good` says no is refused. `progress` is told now and then how many octets have been read, of how many; it returns whether to go on. 10,000,000
/// entries take some seconds and 300 MB of memory.
///
/// # Errors
/// [`CompileError`]
pub fn compile(
    csv: &Path,
    table: &Path,
    is_good: impl Fn(&[u8]) -> bool,
    mut progress: impl FnMut(u64, u64) -> bool,
) -> Result<u64, CompileError> {
    let file = File::open(csv)?;
    let stamp = stamp(&file)?;
    let mut builder = NumberTableBuilder::new();
    let mut done = 0;
    each_entry(&file, |entry| {
        if entry.line % REPORT == 0 && !progress(entry.octets, stamp[0]) {
            return Err(CompileError::Cancelled);
        }
        done = entry.octets;
        if !is_good(entry.value) {
            return Err(CompileError::Csv(CsvError { line: entry.line, problem: CsvProblem::NotAContact }));
        }
        builder.add(entry.digits, entry.value).map_err(|error| of_builder(error, entry.line))
    })?;
    if !progress(done, stamp[0]) {
        return Err(CompileError::Cancelled);
    }
    match builder.write(table, stamp) {
        Ok(entries) => Ok(entries),
        Err(NumberTableError::Twice(digits)) => Err(twice(csv, digits.as_bytes())?),
        Err(error) => Err(of_builder(error, 0)),
    }
}

/// Length and time of change of a file.
pub(super) fn stamp(file: &File) -> io::Result<[u64; 2]> {
    let about = file.metadata()?;
    Ok([about.len(), (about.mtime() as u64).wrapping_mul(1_000_000_000).wrapping_add(about.mtime_nsec() as u64)])
}

/// One entry of the file.
struct Entry<'l> {
    line: u64,
    /// Octets of the file up to here.
    octets: u64,
    digits: &'l [u8],
    value: &'l [u8],
}

fn each_entry(file: &File, mut visit: impl FnMut(Entry<'_>) -> Result<(), CompileError>) -> Result<(), CompileError> {
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let (mut text, mut buffer) = (Vec::new(), Vec::new());
    let mut octets = 0;
    for line in 1.. {
        text.clear();
        let read = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut text)? as u64;
        if read == 0 {
            return Ok(());
        }
        octets += read;
        let wrong = |problem| CompileError::Csv(CsvError { line, problem });
        if read == LONGEST_LINE && !text.ends_with(b"\n") {
            // Only a comment may go on.
            if !text.trim_ascii_start().starts_with(b"#") {
                return Err(wrong(CsvProblem::ValueLength));
            }
            octets += skip_line(&mut reader)?;
            continue;
        }
        if let Some((digits, value)) = csv::parse(&text, line == 1, &mut buffer).map_err(wrong)? {
            visit(Entry { line, octets, digits, value })?;
        }
    }
    Ok(())
}

/// Reads to the end of the line, and returns how far that was.
fn skip_line(reader: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let seen = reader.fill_buf()?;
        let end = seen.iter().position(|octet| *octet == b'\n');
        let length = end.map_or(seen.len(), |end| end + 1);
        reader.consume(length);
        skipped += length as u64;
        if end.is_some() || length == 0 {
            return Ok(skipped);
        }
    }
}

fn of_builder(error: NumberTableError, line: u64) -> CompileError {
    let csv = |problem| CompileError::Csv(CsvError { line, problem });
    match error {
        NumberTableError::NotANumber => csv(CsvProblem::NotANumber),
        NumberTableError::ValueLength => csv(CsvProblem::ValueLength),
        NumberTableError::Twice(_) => csv(CsvProblem::Twice(line)),
        NumberTableError::System(error) => CompileError::System(error),
    }
}

/// Finds the two lines that have `digits` with different values: only now that there is an error is it worth a second look.
fn twice(csv: &Path, digits: &[u8]) -> Result<CompileError, CompileError> {
    let mut first: Option<(u64, Vec<u8>)> = None;
    let found = each_entry(&File::open(csv)?, |entry| {
        if entry.digits != digits {
            return Ok(());
        }
        match &first {
            None => first = Some((entry.line, entry.value.to_vec())),
            Some((line, value)) if value != entry.value => {
                return Err(CompileError::Csv(CsvError { line: entry.line, problem: CsvProblem::Twice(*line) }));
            }
            Some(_) => {}
        }
        Ok(())
    });
    // A file that was changed meanwhile may not have them any more.
    Ok(found.err().unwrap_or_else(|| io::Error::other("the file changes while it is read").into()))
}
