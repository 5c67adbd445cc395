//! Octets that somebody else owns, and the object that keeps them where they are: what every view of the Python API is made of.
//!
//! The one place of this crate with `unsafe`. `bytes` never change. Of any other object that has a buffer (`bytearray`, `mmap`,
//! `memoryview`) the buffer is held: while a piece of it lives it can neither move nor shrink, Python sees to that. Who writes
//! into it meanwhile changes what the views show; every place in the octets is looked up with its bounds, so that they show
//! nonsense at worst.
#![allow(unsafe_code, reason = "octets are read without asking Python for their place each time")]

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use std::ptr::NonNull;

/// A range of octets, counted from the start of the whole; `NONE` when the part is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// An absent part.
    pub(crate) const NONE: Self = Self { start: u32::MAX, end: 0 };

    /// Where `part` lies in `whole`; `part` was cut out of it, or is empty.
    #[inline]
    pub(crate) fn of(whole: &[u8], part: &[u8]) -> Self {
        if part.is_empty() {
            return Self { start: 0, end: 0 };
        }
        let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
        debug_assert!(start.saturating_add(part.len()) <= whole.len(), "a part of the whole");
        Self { start: start as u32, end: start.wrapping_add(part.len()) as u32 }
    }

    /// As [`Span::of`]; absent when there is no part.
    #[inline]
    pub(crate) fn of_option(whole: &[u8], part: Option<&[u8]>) -> Self {
        part.map_or(Self::NONE, |part| Self::of(whole, part))
    }

    /// The part; `None` when it is absent.
    #[inline]
    pub(crate) fn get(self, whole: &[u8]) -> Option<&[u8]> {
        whole.get(self.start as usize..self.end as usize)
    }

    /// The part; empty when it is absent.
    #[inline]
    pub(crate) fn or_empty(self, whole: &[u8]) -> &[u8] {
        self.get(whole).unwrap_or_default()
    }
}

/// Octets and their owner: a `bytes` object, or the [`Held`] buffer of another.
#[derive(Debug)]
pub(crate) struct Piece {
    owner: Py<PyAny>,
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the octets are only read, and only while `owner` lives, which may be shared and dropped on any thread.
unsafe impl Send for Piece {}
// SAFETY: as above.
unsafe impl Sync for Piece {}

/// A buffer that is given back when the last piece of it is gone.
#[pyclass(name = "_Held", module = "dialplane_native", frozen)]
#[derive(Debug)]
struct Held {
    _buffer: PyBuffer<u8>,
}

impl Piece {
    /// All of a `bytes` object.
    #[inline]
    pub(crate) fn whole(bytes: Bound<'_, PyBytes>) -> Self {
        let octets = bytes.as_bytes();
        let (start, length) = (NonNull::from(octets).cast(), octets.len());
        Self { owner: bytes.into_any().unbind(), start, length }
    }

    /// A copy of octets that belong to nobody.
    pub(crate) fn copy(py: Python<'_>, octets: &[u8]) -> Self {
        Self::whole(PyBytes::new(py, octets))
    }

    /// All octets of an object with a buffer, without copying them; copied if they do not lie side by side.
    #[inline]
    pub(crate) fn hold(data: &Bound<'_, PyAny>) -> PyResult<Self> {
        match data.cast_exact::<PyBytes>() {
            Ok(bytes) => Ok(Self::whole(bytes.clone())),
            Err(_) => Self::hold_buffer(data),
        }
    }

    #[inline(never)]
    fn hold_buffer(data: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = data.py();
        if data.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("a message is bytes, not str"));
        }
        let buffer = PyBuffer::<u8>::get(data)?;
        let length = buffer.len_bytes();
        let Some(start) = NonNull::new(buffer.buf_ptr().cast::<u8>()) else { return Ok(Self::copy(py, b"")) };
        if !buffer.is_c_contiguous() {
            return Ok(Self::copy(py, &buffer.to_vec(py)?));
        }
        let owner = Bound::new(py, Held { _buffer: buffer })?.into_any().unbind();
        Ok(Self { owner, start, length })
    }

    /// The octets. They may be looked at while other Python threads run: the piece keeps them in their place, not Python's lock.
    #[inline(always)]
    pub(crate) fn octets<'a>(&'a self, _py: Python<'_>) -> &'a [u8] {
        // SAFETY: `start` and `length` lie in the octets of `owner`, see the constructors; `owner` keeps them in their place.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }

    /// A part of this piece; empty if `part` was not cut out of it.
    #[inline]
    pub(crate) fn part(&self, py: Python<'_>, part: &[u8]) -> Self {
        let offset = (part.as_ptr() as usize).wrapping_sub(self.start.as_ptr() as usize);
        let inside = offset <= self.length && part.len() <= self.length - offset;
        debug_assert!(inside || part.is_empty(), "a part of the piece");
        let (start, length) = if inside { (NonNull::from(part).cast(), part.len()) } else { (self.start, 0) };
        Self { owner: self.owner.clone_ref(py), start, length }
    }

    /// The octets as `bytes`: the owner itself where it is nothing else.
    pub(crate) fn to_bytes<'py>(&self, py: Python<'py>, part: &[u8]) -> Bound<'py, PyBytes> {
        match self.owner.bind(py).cast::<PyBytes>() {
            Ok(bytes) if bytes.as_bytes().len() == part.len() => bytes.clone(),
            _ => PyBytes::new(py, part),
        }
    }
}
