//! `parse_many`: batches of packets. Cutting and parsing happen without Python's lock, so that threads share the work.

use crate::capture::count::counts_dict;
use crate::capture::packet::{PyPacket, pair, seconds, transport};
use crate::capture::source::{Cutter, Item, open};
use crate::error::{BuildErrorKind, build_error};
use crate::essentials::{self, Value};
use crate::parse::PyLimits;
use crate::piece::Piece;
use crate::text::value_text;
use dialplane_syntax::chars::is_token;
use dialplane_syntax::{Index, Limits};
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator, PyList, PyTuple};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Iterates over a capture or a buffer of frames in batches. Threads may share it: each batch goes to one of them.
#[pyclass(name = "Batches", module = "dialplane_native", frozen)]
#[derive(Debug)]
pub(crate) struct PyBatches {
    source: Arc<Piece>,
    cutter: Mutex<Cutter>,
    size: usize,
    limits: Limits,
    refused: AtomicU64,
}

/// Parses a capture, or the frames of a buffer, in batches.
#[pyfunction]
#[pyo3(signature = (source, /, *, ends = None, size = 1024, limits = None))]
pub(crate) fn parse_many(
    source: &Bound<'_, PyAny>,
    ends: Option<Vec<usize>>,
    size: usize,
    limits: Option<&Bound<'_, PyLimits>>,
) -> PyResult<PyBatches> {
    if size == 0 {
        return Err(PyValueError::new_err("size must be at least 1"));
    }
    let limits = PyLimits::of(limits);
    let piece = open(source)?;
    let cutter = Mutex::new(Cutter::new(piece.octets(source.py()), ends, limits)?);
    Ok(PyBatches { source: Arc::new(piece), cutter, size, limits, refused: AtomicU64::new(0) })
}

#[pymethods]
impl PyBatches {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> Option<PyBatch> {
        let whole = self.source.octets(py);
        let items = py.detach(|| self.cut(whole));
        if items.is_empty() {
            return None;
        }
        Some(PyBatch { source: Arc::clone(&self.source), items, limits: self.limits })
    }

    /// Packets so far that were no SIP and are in no batch.
    #[getter]
    fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// What the capture held so far, as in :attr:`Statistics.capture`; empty for frames.
    #[getter]
    fn capture<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = py.detach(|| self.cutter.lock().unwrap_or_else(PoisonError::into_inner).counts());
        counts_dict(py, counts)
    }
}

impl PyBatches {
    /// The messages of the next batch; empty at the end.
    fn cut(&self, whole: &[u8]) -> Vec<Item> {
        let mut index = Index::with_capacity(self.limits.fields);
        let mut items = Vec::new();
        loop {
            let mut cutter = self.cutter.lock().unwrap_or_else(PoisonError::into_inner);
            while items.len() < self.size
                && let Some(item) = cutter.next(whole)
            {
                items.push(item);
            }
            drop(cutter);
            let cut = items.len();
            items.retain(|item| item.message(whole, &mut index, &self.limits).is_some());
            self.refused.fetch_add((cut - items.len()) as u64, Ordering::Relaxed);
            // Either the end, or something to give.
            if cut < self.size || !items.is_empty() {
                return items;
            }
        }
    }
}

/// Messages that were parsed together. A sequence of :class:`Packet`.
#[pyclass(name = "Batch", module = "dialplane_native", frozen)]
#[derive(Debug)]
pub(crate) struct PyBatch {
    source: Arc<Piece>,
    items: Vec<Item>,
    limits: Limits,
}

/// A column that is no value of the message itself.
const TRAVEL: [&str; 5] = ["number", "time", "source", "destination", "transport"];

#[pymethods]
impl PyBatch {
    /// Values of all messages as lists, one for each name; ``None`` where a message has none that can be read.
    #[pyo3(signature = (*names))]
    fn columns<'py>(&self, py: Python<'py>, names: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyTuple>> {
        let names: Vec<String> = names.extract()?;
        let unknown =
            names.iter().find(|name| !essentials::NAMES.contains(&name.as_str()) && !TRAVEL.contains(&name.as_str()));
        if let Some(name) = unknown {
            let known = [&essentials::NAMES[..], &TRAVEL].concat().join(", ");
            return Err(PyValueError::new_err(format!("no column {name:?}; there are {known}")));
        }
        let places: Vec<Option<usize>> =
            names.iter().map(|name| essentials::NAMES.iter().position(|known| known == name)).collect();
        let wanted: Vec<usize> = places.iter().flatten().copied().collect();
        let mut values = self.values(py, &wanted).into_iter();
        let mut lists = Vec::with_capacity(names.len());
        for (name, place) in names.iter().zip(&places) {
            lists.push(match place {
                None => self.travel(py, name)?,
                Some(_) => {
                    let values = values.next().unwrap_or_default();
                    let objects: PyResult<Vec<_>> = values.into_iter().map(|value| value.object(py)).collect();
                    PyList::new(py, objects?)?
                }
            });
        }
        PyTuple::new(py, lists)
    }

    /// The value of the first field of that name in each message; ``None`` where there is none.
    #[pyo3(signature = (name, /))]
    fn header<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyList>> {
        if !is_token(name.as_bytes()) {
            return Err(build_error(BuildErrorKind::HeaderName, format!("{name:?} is not the name of a header field")));
        }
        let whole = self.source.octets(py);
        let values: Vec<Option<&[u8]>> = py.detach(|| {
            let mut index = Index::with_capacity(self.limits.fields);
            let first = |item| {
                let message = Item::message(item, whole, &mut index, &self.limits)?;
                let field = message.by_name(name.as_bytes()).next()?;
                item.octets(whole).get(field.value_range())
            };
            self.items.iter().map(first).collect()
        });
        let texts: PyResult<Vec<_>> =
            values.into_iter().map(|value| value.map(|value| value_text(py, value)).transpose()).collect();
        PyList::new(py, texts?)
    }

    fn __len__(&self) -> usize {
        self.items.len()
    }

    fn __getitem__(&self, py: Python<'_>, at: isize) -> PyResult<PyPacket> {
        let place = if at < 0 { at.checked_add_unsigned(self.items.len()) } else { Some(at) };
        let item = place.and_then(|place| self.items.get(usize::try_from(place).ok()?));
        let item = item.ok_or_else(|| PyIndexError::new_err("batch index out of range"))?;
        Ok(PyPacket::new(py, &self.source, item, self.limits))
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        let packets = self.items.iter().map(|item| Bound::new(py, PyPacket::new(py, &self.source, item, self.limits)));
        PyList::new(py, packets.collect::<PyResult<Vec<_>>>()?)?.try_iter()
    }

    fn __repr__(&self) -> String {
        format!("<Batch of {}>", self.items.len())
    }
}

impl PyBatch {
    /// One list for each of `wanted`, places in [`essentials::NAMES`].
    fn values(&self, py: Python<'_>, wanted: &[usize]) -> Vec<Vec<Value<'_>>> {
        let whole = self.source.octets(py);
        py.detach(|| {
            let mut index = Index::with_capacity(self.limits.fields);
            let mut lists: Vec<Vec<Value<'_>>> = wanted.iter().map(|_| Vec::with_capacity(self.items.len())).collect();
            for item in &self.items {
                let octets = item.octets(whole);
                let message = dialplane_syntax::parse(octets, &mut index, &self.limits).ok();
                for (list, number) in lists.iter_mut().zip(wanted) {
                    list.push(message.map_or(Value::None, |message| essentials::one(&message, *number).within(octets)));
                }
            }
            lists
        })
    }

    fn travel<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for item in &self.items {
            match (item, name) {
                (Item::Frame { number, .. }, "number") => list.append(number)?,
                (Item::Frame { .. }, _) => list.append(py.None())?,
                (Item::Captured(packet), "number") => list.append(packet.frame)?,
                (Item::Captured(packet), "time") => list.append(seconds(packet.time))?,
                (Item::Captured(packet), "source") => list.append(pair(packet.source))?,
                (Item::Captured(packet), "destination") => list.append(pair(packet.destination))?,
                (Item::Captured(packet), _) => list.append(transport(packet.transport))?,
            }
        }
        Ok(list)
    }
}
