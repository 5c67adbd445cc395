//! The counter page of one worker: a mapped file that any process reads while the worker writes it, and that stays readable
//! when the worker is killed.

use dialplane_core::counter::{COUNT, Counters};
use dialplane_store::SharedWords;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

/// Meaning of the words, to be changed with it and with the table of counters.
const KIND: u64 = u64::from_le_bytes(*b"counts01") ^ COUNT as u64;
/// Words before the values: process, and when it began.
const PID: usize = 0;
const STARTED: usize = 1;
const HEAD: usize = 2;

/// Written by its worker.
#[derive(Debug)]
pub struct Page {
    words: SharedWords,
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
    /// Values in the order of [`dialplane_core::counter::Counter::ALL`].
    pub values: Vec<u64>,
}

impl Page {
    /// Creates or takes over the page of `worker` in `folder`; its counts begin at 0.
    ///
    /// # Errors
    /// The system's error.
    pub fn create(folder: &Path, worker: u16, started_ms: u64) -> io::Result<Self> {
        let page = Self { words: SharedWords::open_or_create(&path(folder, worker), KIND, HEAD + COUNT)? };
        page.write(&Counters::default());
        page.put(STARTED, started_ms);
        page.put(PID, std::process::id().into());
        Ok(page)
    }

    /// Shows the present values.
    pub fn write(&self, counters: &Counters) {
        for (place, &value) in counters.values().iter().enumerate() {
            self.put(HEAD + place, value);
        }
    }

    fn put(&self, place: usize, word: u64) {
        if let Some(cell) = self.words.get(place) {
            cell.store(word, Relaxed);
        }
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
            && let Ok(words) = SharedWords::open(&path, KIND, HEAD + COUNT)
        {
            let words: Vec<u64> = words.iter().map(|cell| cell.load(Relaxed)).collect();
            let (head, values) = words.split_at(HEAD.min(words.len()));
            if let [pid, started_ms] = head {
                readings.push(Reading { worker, pid: *pid, started_ms: *started_ms, values: values.to_vec() });
            }
        }
    }
    readings.sort_by_key(|reading| reading.worker);
    Ok(readings)
}

fn path(folder: &Path, worker: u16) -> PathBuf {
    folder.join(format!("{worker}.counters"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dialplane_core::counter::Counter;

    #[test]
    fn what_is_written_is_read() {
        let folder = std::env::temp_dir().join(format!("dialplane-page-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut counters = Counters::default();
        counters.add(Counter::Received, 7);
        for worker in [1, 0] {
            Page::create(&folder, worker, 99).expect("a page").write(&counters);
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
