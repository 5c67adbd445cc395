//! Own requests. RFC 3261 §7.1, §8.1.1.

use super::fields::Fields;
use alloc::vec::Vec;

/// Appends a request: the request line first, then fields in the order they are called for, at last Content-Length and body.
#[derive(Debug)]
pub struct RequestBuilder<'o> {
    fields: Fields<'o>,
}

impl<'o> RequestBuilder<'o> {
    /// Writes the request line. `method` is a token and `uri` holds no blank; octets that would end the line are written as `%XX`.
    pub fn new(method: &[u8], uri: &[u8], out: &'o mut Vec<u8>) -> Self {
        debug_assert!(crate::chars::is_token(method), "a method is a token");
        out.extend_from_slice(method);
        out.push(b' ');
        for byte in uri {
            match byte {
                b'\r' => out.extend_from_slice(b"%0D"),
                b'\n' => out.extend_from_slice(b"%0A"),
                b' ' => out.extend_from_slice(b"%20"),
                0 => out.extend_from_slice(b"%00"),
                other => out.push(*other),
            }
        }
        out.extend_from_slice(b" SIP/2.0\r\n");
        Self { fields: Fields::new(out) }
    }

    /// The fields.
    pub const fn fields(&mut self) -> &mut Fields<'o> {
        &mut self.fields
    }

    /// Writes Content-Length, the empty line and the body. Content-Type is the caller's field.
    pub fn body(mut self, body: &[u8]) {
        self.fields.finish(body);
    }
}
