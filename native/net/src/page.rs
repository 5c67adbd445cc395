//! The counter page of one worker: a small file that any process reads while the worker writes it.
//!
//! Layout, in 64-bit words of the host's order: magic, process id, start in milliseconds since 1970, number of values,
//! the values. One write of the kernel replaces the whole page, so a reader sees one moment of it, and what a killed
//! worker counted stays readable.

use dialplane_core::counter::{COUNT, Counter, Counters};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const MAGIC: u64 = u64::from_le_bytes(*b"dpcount1");
const HEAD: usize = 4;
const WORDS: usize = HEAD + COUNT;

/// Written by its worker.
#[derive(Debug)]
pub struct Page {
    file: File,
    octets: [u8; WORDS * 8],
}

/// What a page says.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Index of the worker.
    pub worker: u16,
    /// Process that wrote it last.
    pub pid: u64,
    /// When that process began to count, milliseconds since 1970.
    pub started_ms: u64,
    /// Values in the order of [`Counter::ALL`].
    pub values: Vec<u64>,
}

impl Page {
    /// Creates or replaces the page of `worker` in `folder`.
    ///
    /// # Errors
    /// The system's error.
    pub fn create(folder: &Path, worker: u16, started_ms: u64) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).write(true).truncate(false).open(path(folder, worker))?;
        let mut page = Self { file, octets: [0; WORDS * 8] };
        for (place, word) in [MAGIC, u64::from(std::process::id()), started_ms, COUNT as u64].into_iter().enumerate() {
            page.put(place, word);
        }
        page.file.set_len((WORDS * 8) as u64)?;
        page.write(&Counters::default())?;
        Ok(page)
    }

    /// Shows the present values.
    ///
    /// # Errors
    /// The system's error.
    pub fn write(&mut self, counters: &Counters) -> io::Result<()> {
        for (place, &value) in counters.values().iter().enumerate() {
            self.put(HEAD + place, value);
        }
        self.file.write_all_at(&self.octets, 0)
    }

    fn put(&mut self, place: usize, word: u64) {
        self.octets[place * 8..(place + 1) * 8].copy_from_slice(&word.to_ne_bytes());
    }
}

/// Reads every page in `folder`, by index of the worker; files that are no page are left out.
///
/// # Errors
/// When the folder cannot be read.
pub fn read_all(folder: &Path) -> io::Result<Vec<Reading>> {
    let mut readings = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "counters")
            && let Some(worker) = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok())
            && let Some(reading) = std::fs::read(&path).ok().and_then(|octets| read(worker, &octets))
        {
            readings.push(reading);
        }
    }
    readings.sort_by_key(|reading| reading.worker);
    Ok(readings)
}

fn read(worker: u16, octets: &[u8]) -> Option<Reading> {
    let mut words = octets.as_chunks::<8>().0.iter().map(|word| u64::from_ne_bytes(*word));
    if words.next()? != MAGIC {
        return None;
    }
    let (pid, started_ms, count) = (words.next()?, words.next()?, words.next()?);
    let values: Vec<u64> = words.collect();
    (count == COUNT as u64 && values.len() == Counter::ALL.len()).then_some(Reading { worker, pid, started_ms, values })
}

fn path(folder: &Path, worker: u16) -> PathBuf {
    folder.join(format!("{worker}.counters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = std::env::temp_dir().join(format!("dialplane-page-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut counters = Counters::default();
        counters.add(Counter::Received, 7);
        for worker in [1, 0] {
            Page::create(&folder, worker, 99).and_then(|mut page| page.write(&counters)).expect("written");
        }
        std::fs::write(folder.join("2.counters"), b"half").expect("written");
        std::fs::write(folder.join("other"), b"no page").expect("written");
        let readings = read_all(&folder).expect("readable");
        assert_eq!(readings.iter().map(|reading| reading.worker).collect::<Vec<_>>(), [0, 1]);
        let reading = &readings[1];
        assert_eq!((reading.pid, reading.started_ms), (u64::from(std::process::id()), 99));
        assert_eq!(reading.values[Counter::Received as usize], 7);
        assert_eq!(reading.values.iter().sum::<u64>(), 7);
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
