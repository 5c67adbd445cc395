//! Writing header fields that cannot break out of their line. RFC 3261 §7.3.

use crate::chars::write_decimal;
use crate::header::HeaderId;
use alloc::vec::Vec;

/// Appends header fields to a message under construction.
#[derive(Debug)]
pub struct Fields<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Fields<'o> {
    /// Over a buffer that ends at the start of a line.
    pub const fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out }
    }

    /// A field of the table.
    pub fn field(&mut self, id: HeaderId, value: &[u8]) -> &mut Self {
        self.named(id.name().as_bytes(), value)
    }

    /// A field of any name. CR, LF and NUL in the value are written as blanks, so that no value can begin a line.
    pub fn named(&mut self, name: &[u8], value: &[u8]) -> &mut Self {
        self.write(name, |out| out.extend_from_slice(value))
    }

    /// A field with a number.
    pub fn number(&mut self, id: HeaderId, number: u64) -> &mut Self {
        self.write(id.name().as_bytes(), |out| write_decimal(number, out))
    }

    /// A field whose value `write` appends. The same octets are replaced as in [`Fields::named`].
    pub fn field_with(&mut self, id: HeaderId, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        self.write(id.name().as_bytes(), write)
    }

    /// Complete lines that the caller made, each with its line end.
    pub fn lines(&mut self, lines: &[u8]) -> &mut Self {
        debug_assert!(lines.is_empty() || lines.ends_with(b"\r\n"), "whole lines");
        self.out.extend_from_slice(lines);
        self
    }

    fn write(&mut self, name: &[u8], write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        debug_assert!(crate::chars::is_token(name), "a header name is a token");
        self.out.extend_from_slice(name);
        self.out.extend_from_slice(b": ");
        let start = self.out.len();
        write(self.out);
        blank_line_ends(self.out.get_mut(start..).unwrap_or_default());
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// Content-Length, the empty line and the body.
    pub(super) fn finish(&mut self, body: &[u8]) {
        self.number(HeaderId::CONTENT_LENGTH, body.len() as u64);
        self.out.extend_from_slice(b"\r\n");
        self.out.extend_from_slice(body);
    }
}

/// Makes blanks of CR, LF and NUL.
#[inline]
pub(super) fn blank_line_ends(value: &mut [u8]) {
    let is_end = |byte: u8| matches!(byte, b'\r' | b'\n' | 0);
    // Without an early exit, so that many octets are looked at at once.
    if !value.iter().fold(false, |found, byte| found | is_end(*byte)) {
        return;
    }
    for byte in value.iter_mut().filter(|byte| is_end(**byte)) {
        *byte = b' ';
    }
}
