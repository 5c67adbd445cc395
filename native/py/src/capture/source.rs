//! Where packets come from: a capture (a file, mapped, or a buffer), or a buffer of frames with the places where they end.

use crate::error::capture_error;
use crate::piece::Piece;
use dialplane_pcap::{Counts, Packet, Reader};
use dialplane_syntax::{Index, Limits, Message, parse};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::ops::Range;

/// A packet, or a frame that nothing else is known of.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Captured(Packet),
    Frame { number: u64, place: Range<usize> },
}

impl Item {
    /// Its octets; `whole` are those of its source.
    #[inline]
    pub(crate) fn octets<'a>(&'a self, whole: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Captured(packet) => packet.octets(whole),
            Self::Frame { place, .. } => whole.get(place.clone()).unwrap_or_default(),
        }
    }

    /// The message; `None` when it is none.
    #[inline]
    pub(crate) fn message<'a>(&'a self, whole: &'a [u8], index: &'a mut Index, limits: &Limits) -> Option<Message<'a>> {
        parse(self.octets(whole), index, limits).ok()
    }
}

/// Gives the packets of a source, each once.
#[derive(Debug)]
pub(crate) enum Cutter {
    Capture(Box<Reader>),
    Frames { ends: Vec<usize>, next: usize },
}

impl Cutter {
    pub(crate) fn new(source: &[u8], ends: Option<Vec<usize>>, limits: Limits) -> PyResult<Self> {
        let Some(ends) = ends else {
            return Reader::new(source, limits).map(|reader| Self::Capture(Box::new(reader))).map_err(capture_error);
        };
        if !ends.is_sorted() || ends.last().is_some_and(|end| *end > source.len()) {
            return Err(PyValueError::new_err("ends must rise and not exceed the buffer"));
        }
        Ok(Self::Frames { ends, next: 0 })
    }

    #[inline]
    pub(crate) fn next(&mut self, source: &[u8]) -> Option<Item> {
        match self {
            Self::Capture(reader) => reader.next(source).map(Item::Captured),
            Self::Frames { ends, next } => {
                let end = *ends.get(*next)?;
                let start = next.checked_sub(1).and_then(|last| ends.get(last)).copied().unwrap_or(0);
                *next += 1;
                Some(Item::Frame { number: *next as u64 - 1, place: start..end })
            }
        }
    }

    /// What a capture held so far; `None` for frames.
    pub(crate) fn counts(&self) -> Option<Counts> {
        match self {
            Self::Capture(reader) => Some(reader.counts()),
            Self::Frames { .. } => None,
        }
    }
}

/// The octets of a source: a path (`str` or `os.PathLike`) is mapped, anything else is a buffer.
pub(crate) fn open(source: &Bound<'_, PyAny>) -> PyResult<Piece> {
    let py = source.py();
    if !source.is_instance_of::<PyString>() && !source.hasattr(pyo3::intern!(py, "__fspath__"))? {
        return Piece::hold(source);
    }
    let file = py.import("io")?.call_method1("FileIO", (source, "rb"))?;
    let octets = map(&file);
    file.call_method0("close")?;
    octets
}

/// Maps all of a file, which may then be closed.
fn map(file: &Bound<'_, PyAny>) -> PyResult<Piece> {
    let py = file.py();
    let number = file.call_method0("fileno")?;
    let size: u64 = py.import("os")?.call_method1("fstat", (&number,))?.getattr("st_size")?.extract()?;
    if size == 0 {
        return Ok(Piece::copy(py, b"")); // What is empty cannot be mapped.
    }
    let mmap = py.import("mmap")?;
    let arguments = (number, 0, mmap.getattr("MAP_SHARED")?, mmap.getattr("PROT_READ")?);
    let mapped = mmap.getattr("mmap")?.call1(arguments)?;
    mapped.call_method1("madvise", (mmap.getattr("MADV_SEQUENTIAL")?,))?;
    Piece::hold(&mapped)
}
