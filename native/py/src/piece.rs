//! Parts of a `bytes` object that keep the object alive: what every view of the Python API is made of.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

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

/// A part of a `bytes` object.
#[derive(Debug)]
pub(crate) struct Piece {
    bytes: Py<PyBytes>,
    span: Span,
}

impl Piece {
    /// `part`, which was cut out of `bytes`.
    #[inline]
    pub(crate) fn new(bytes: &Bound<'_, PyBytes>, part: &[u8]) -> Self {
        Self { span: Span::of(bytes.as_bytes(), part), bytes: bytes.clone().unbind() }
    }

    /// A copy of octets that belong to nobody.
    pub(crate) fn copy(py: Python<'_>, octets: &[u8]) -> Self {
        let bytes = PyBytes::new(py, octets);
        Self { span: Span::of(bytes.as_bytes(), bytes.as_bytes()), bytes: bytes.unbind() }
    }

    /// The octets.
    #[inline]
    pub(crate) fn octets<'a>(&'a self, py: Python<'_>) -> &'a [u8] {
        self.span.or_empty(self.bytes.as_bytes(py))
    }

    /// A part of this part.
    #[inline]
    pub(crate) fn part(&self, py: Python<'_>, part: &[u8]) -> Self {
        Self { span: Span::of(self.bytes.as_bytes(py), part), bytes: self.bytes.clone_ref(py) }
    }
}
