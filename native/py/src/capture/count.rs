//! `count`: how many messages of which method and status a source holds, without making a Python object for any of them.

use crate::capture::source::{Cutter, Item, open};
use crate::parse::PyLimits;
use crate::text::{method_text, text};
use dialplane_pcap::Counts;
use dialplane_syntax::{Index, Limits, Message, Method, StartLine};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// What :func:`count` has counted.
#[pyclass(name = "Statistics", module = "dialplane_native", frozen, get_all)]
#[derive(Debug)]
pub(crate) struct PyStatistics {
    messages: u64,
    requests: Py<PyDict>,
    responses: Py<PyDict>,
    answers: Py<PyDict>,
    faulty: u64,
    refused: u64,
    capture: Py<PyDict>,
}

#[pymethods]
impl PyStatistics {
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (requests, responses) = (self.requests.bind(py).repr()?, self.responses.bind(py).repr()?);
        Ok(format!("<Statistics, {} messages, requests={requests}, responses={responses}>", self.messages))
    }
}

/// Counts the messages of a capture, or of the frames of a buffer.
#[pyfunction]
#[pyo3(signature = (source, /, *, ends = None, threads = 1, limits = None))]
pub(crate) fn count<'py>(
    source: &Bound<'py, PyAny>,
    ends: Option<Vec<usize>>,
    threads: usize,
    limits: Option<&Bound<'py, PyLimits>>,
) -> PyResult<PyStatistics> {
    if !(1..=MOST_THREADS).contains(&threads) {
        return Err(PyValueError::new_err(format!("threads must be 1 to {MOST_THREADS}")));
    }
    let py = source.py();
    let limits = PyLimits::of(limits);
    let piece = open(source)?;
    let whole = piece.octets(py);
    let cutter = Mutex::new(Cutter::new(whole, ends, limits)?);
    let tally = py.detach(|| {
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(|| Tally::of(&cutter, whole, &limits))).collect();
            let mut tally = Tally::of(&cutter, whole, &limits);
            for other in others {
                // A thread that panicked would have counted too little: panic as well.
                tally.add(&other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            tally
        })
    });
    let counts = cutter.into_inner().unwrap_or_else(PoisonError::into_inner).counts();
    tally.statistics(py, counts)
}

const MOST_THREADS: usize = 1024;
/// Packets that a thread takes at a time.
const CUT: usize = 256;

/// What a capture held; empty for `None`.
pub(crate) fn counts_dict<'py>(py: Python<'py>, counts: Option<Counts>) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let Some(counts) = counts else { return Ok(dict) };
    let Counts {
        frames,
        other_frames,
        cut_frames,
        datagrams,
        other_datagrams,
        segments,
        fragments,
        joined_datagrams,
        lost_datagrams,
        gaps,
        is_truncated,
    } = counts;
    let rows = [
        ("frames", frames),
        ("other_frames", other_frames),
        ("cut_frames", cut_frames),
        ("datagrams", datagrams),
        ("other_datagrams", other_datagrams),
        ("segments", segments),
        ("fragments", fragments),
        ("joined_datagrams", joined_datagrams),
        ("lost_datagrams", lost_datagrams),
        ("gaps", gaps),
        ("is_truncated", u64::from(is_truncated)),
    ];
    for (name, number) in rows {
        dict.set_item(name, number)?;
    }
    Ok(dict)
}

/// Statuses have three digits.
const STATUSES: usize = 1000;

#[derive(Debug)]
struct Tally {
    requests: [u64; Method::ALL.len() + 1],
    /// By CSeq method, then by status.
    responses: Box<[[u64; STATUSES]; Method::ALL.len() + 1]>,
    /// Methods that have no meaning of their own, `None` for a CSeq that cannot be read.
    other_requests: HashMap<Vec<u8>, u64>,
    other_responses: HashMap<(Option<Vec<u8>>, usize), u64>,
    faulty: u64,
    refused: u64,
}

impl Tally {
    /// Counts what it can get of a source.
    fn of(cutter: &Mutex<Cutter>, whole: &[u8], limits: &Limits) -> Self {
        let mut tally = Self {
            requests: [0; Method::ALL.len() + 1],
            responses: Box::new([[0; STATUSES]; Method::ALL.len() + 1]),
            other_requests: HashMap::new(),
            other_responses: HashMap::new(),
            faulty: 0,
            refused: 0,
        };
        let mut index = Index::with_capacity(limits.fields);
        let mut items: Vec<Item> = Vec::with_capacity(CUT);
        loop {
            let mut source = cutter.lock().unwrap_or_else(PoisonError::into_inner);
            items.extend(std::iter::from_fn(|| source.next(whole)).take(CUT));
            drop(source);
            if items.is_empty() {
                return tally;
            }
            for item in items.drain(..) {
                match item.message(whole, &mut index, limits) {
                    Some(message) => tally.message(&message),
                    None => tally.refused += 1,
                }
            }
        }
    }

    #[inline]
    fn message(&mut self, message: &Message<'_>) {
        self.faulty += u64::from(message.fault().is_some());
        match message.start_line() {
            StartLine::Request { method: Method::Other, method_name, .. } => {
                *self.other_requests.entry(method_name.to_vec()).or_default() += 1;
            }
            StartLine::Request { method, .. } => {
                if let Some(count) = self.requests.get_mut(method as usize) {
                    *count += 1;
                }
            }
            StartLine::Response { status, .. } => {
                let status = usize::from(status).min(STATUSES - 1);
                match message.cseq() {
                    Ok(cseq) if cseq.method != Method::Other => {
                        let row = self.responses.get_mut(cseq.method as usize);
                        if let Some(count) = row.and_then(|row| row.get_mut(status)) {
                            *count += 1;
                        }
                    }
                    cseq => {
                        let method = cseq.ok().map(|cseq| cseq.method_name.to_vec());
                        *self.other_responses.entry((method, status)).or_default() += 1;
                    }
                }
            }
        }
    }

    fn add(&mut self, other: &Self) {
        for (sum, count) in self.requests.iter_mut().zip(&other.requests) {
            *sum += count;
        }
        for (sum, count) in self.responses.as_flattened_mut().iter_mut().zip(other.responses.as_flattened()) {
            *sum += count;
        }
        for (method, count) in &other.other_requests {
            *self.other_requests.entry(method.clone()).or_default() += count;
        }
        for (key, count) in &other.other_responses {
            *self.other_responses.entry(key.clone()).or_default() += count;
        }
        self.faulty += other.faulty;
        self.refused += other.refused;
    }

    fn statistics(&self, py: Python<'_>, counts: Option<Counts>) -> PyResult<PyStatistics> {
        let (requests, responses, answers) = (PyDict::new(py), PyDict::new(py), PyDict::new(py));
        let mut by_status = [0; STATUSES];
        let mut messages = 0;
        for method in Method::ALL {
            let name = method_text(py, *method, method.name().as_bytes())?;
            let number = self.requests.get(*method as usize).copied().unwrap_or(0);
            if number > 0 {
                requests.set_item(&name, number)?;
                messages += number;
            }
            for (status, number) in self.responses.get(*method as usize).into_iter().flatten().enumerate() {
                if *number > 0 {
                    answers.set_item((&name, status), number)?;
                    by_status[status] += number;
                }
            }
        }
        for (method, number) in &self.other_requests {
            requests.set_item(text(py, method)?, number)?;
            messages += number;
        }
        for ((method, status), number) in &self.other_responses {
            let method = method.as_ref().map(|method| text(py, method)).transpose()?;
            answers.set_item((method, status), number)?;
            by_status[*status] += number;
        }
        for (status, number) in by_status.iter().enumerate().filter(|(_, number)| **number > 0) {
            responses.set_item(status, number)?;
            messages += number;
        }
        Ok(PyStatistics {
            messages,
            requests: requests.unbind(),
            responses: responses.unbind(),
            answers: answers.unbind(),
            faulty: self.faulty,
            refused: self.refused,
            capture: counts_dict(py, counts)?.unbind(),
        })
    }
}
