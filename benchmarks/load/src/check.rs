//! Is a forwarded message what a proxy may make of the one we sent? RFC 3261 §16.6, §16.7, §18.2.1, RFC 3581 §4.
//!
//! Allowed: one Via of the server's on top of ours, Max-Forwards one less, `received` and the value of `rport` in our
//! Via, Record-Route where the workload says so. Every other octet must be as it was sent. A short comparison accepts
//! the usual case; what it does not accept is walked line by line, which decides and can say what is wrong.

use crate::ident::read_hex;
use crate::message::is_named;
use std::ops::Range;

/// What every branch begins with. RFC 3261 §8.1.1.7.
pub const COOKIE: &[u8] = b"branch=z9hG4bK";

/// Why a message counts as wrong.
#[derive(Debug, PartialEq)]
pub struct Wrong {
    /// In words, with the line that differs.
    pub reason: String,
    /// The exchange that it ends, when that is known.
    pub exchange: Option<u64>,
}

impl Wrong {
    /// With this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), exchange: None }
    }

    /// In exchange `id`.
    pub fn of(self, id: u64) -> Self {
        Self { exchange: Some(id), ..self }
    }

    fn lines(what: &str, expected: &[u8], received: &[u8]) -> Self {
        let show = |line: &[u8]| String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
        Self::new(format!("{what}\n  - {}\n  + {}", show(expected), show(received)))
    }
}

/// Our Via in a received message.
#[derive(Debug, PartialEq)]
pub struct Own {
    /// The 64 bits of its branch.
    pub branch: u64,
    /// Its line.
    pub line: Range<usize>,
}

/// Finds our Via: the first whose branch is sixteen hexadecimal digits that `mine` knows.
pub fn find_own(received: &[u8], mine: impl Fn(u64) -> bool) -> Option<Own> {
    let mut lines = Lines { bytes: received, at: 0 };
    lines.next()?;
    for line in lines {
        let text = &received[line.clone()];
        if text == b"\r\n" {
            return None;
        }
        if !is_named(text, b"Via", b"v") {
            continue;
        }
        if let Some(branch) = branch_of(text).and_then(read_hex)
            && mine(branch)
        {
            return Some(Own { branch, line });
        }
    }
    None
}

/// The text behind the cookie, up to the end of the parameter.
pub fn branch_of(via: &[u8]) -> Option<&[u8]> {
    let start = memchr::memmem::find(via, COOKIE)? + COOKIE.len();
    let rest = &via[start..];
    let end = rest.iter().position(|c| b";, \t\r\n".contains(c)).unwrap_or(rest.len());
    Some(&rest[..end])
}

/// What was sent and how it may have changed.
pub struct Expected<'a> {
    /// The message as sent.
    pub bytes: &'a [u8],
    /// The line of our Via in it.
    pub top_via: Range<usize>,
    /// The digits of its Max-Forwards when they must be one less; empty when nothing may change.
    pub max_forwards: Range<usize>,
    /// Whether the server's Via must be on top.
    pub server_via: bool,
    /// Whether Record-Route lines, and the Max-Breadth of a fork (RFC 5393 §5.3.3), may have come.
    pub record_route: bool,
    /// The port that the message was sent from: the only right value of `rport`.
    pub port: u64,
}

impl Expected<'_> {
    /// Compares; `own` is where our Via was found. Returns the line of the server's Via, empty when none is wanted.
    pub fn compare(&self, received: &[u8], own: &Own) -> Result<Range<usize>, Wrong> {
        match self.compare_quickly(received, own) {
            Some(via) => Ok(via),
            None => self.compare_lines(received),
        }
    }

    /// The usual case: the server's Via directly above ours, everything else in its place.
    fn compare_quickly(&self, received: &[u8], own: &Own) -> Option<Range<usize>> {
        let start = self.top_via.start;
        let above = if self.server_via { start..own.line.start } else { 0..0 };
        if received.get(..start)? != &self.bytes[..start] {
            return None;
        }
        if self.server_via {
            let line = received.get(above.clone())?;
            let is_one = memchr::memchr(b'\n', line)? == line.len() - 1;
            if !is_one || !is_named(line, b"Via", b"v") || branch_of(line)?.is_empty() {
                return None;
            }
        } else if own.line.start != start {
            return None;
        }
        if !same_via(&received[own.line.clone()], &self.bytes[self.top_via.clone()], self.port) {
            return None;
        }
        let (got, sent) = (&received[own.line.end..], &self.bytes[self.top_via.end..]);
        if self.max_forwards.is_empty() {
            return (got == sent).then_some(above);
        }
        if self.max_forwards.start < self.top_via.end {
            return None;
        }
        let digits = self.max_forwards.start - self.top_via.end..self.max_forwards.end - self.top_via.end;
        let same = got.len() == sent.len()
            && got[..digits.start] == sent[..digits.start]
            && got[digits.end..] == sent[digits.end..]
            && decimal(&got[digits.clone()])? + 1 == decimal(&sent[digits])?;
        same.then_some(above)
    }

    fn compare_lines(&self, received: &[u8]) -> Result<Range<usize>, Wrong> {
        let mut server = None;
        let mut sent = Lines { bytes: self.bytes, at: 0 };
        let mut got = Lines { bytes: received, at: 0 };
        let mut own_passed = false;
        let mut want = sent.next();
        while let Some(line) = want.clone() {
            let Some(have) = got.next() else {
                return Err(Wrong::lines("message ends early", &self.bytes[line], b""));
            };
            let (expected, text) = (&self.bytes[line.clone()], &received[have.clone()]);
            let is_own = line == self.top_via;
            let hops = !self.max_forwards.is_empty() && line.contains(&self.max_forwards.start);
            if is_own && same_via(text, expected, self.port) {
                own_passed = true;
            } else if hops && is_one_less(expected, text) || !hops && !is_own && text == expected {
            } else if self.server_via && server.is_none() && !own_passed && is_named(text, b"Via", b"v") {
                match branch_of(text) {
                    Some(branch) if !branch.is_empty() => server = Some(have),
                    _ => return Err(Wrong::lines("the server's Via has no branch with the cookie", b"", text)),
                }
                continue;
            } else if self.record_route && (is_named(text, b"Record-Route", b"") || is_named(text, b"Max-Breadth", b""))
            {
                continue;
            } else {
                let what = match (is_own, hops) {
                    (true, _) => "our Via is not intact",
                    (_, true) => "Max-Forwards is not one less",
                    _ => "a line differs",
                };
                return Err(Wrong::lines(what, expected, text));
            }
            if expected == b"\r\n" {
                break;
            }
            want = sent.next();
        }
        if received[got.at..] != self.bytes[sent.at..] {
            return Err(Wrong::lines("the body differs", &self.bytes[sent.at..], &received[got.at..]));
        }
        match server {
            None if self.server_via => Err(Wrong::new("no Via of the server's on top of ours")),
            None => Ok(0..0),
            Some(line) => Ok(line),
        }
    }
}

/// Whether `got` is `sent` but for `received=` and the value of `rport`. RFC 3261 §18.2.1, RFC 3581 §4.
pub fn same_via(got: &[u8], sent: &[u8], port: u64) -> bool {
    let mut sent = sent.trim_ascii_end().split(|&c| c == b';');
    for part in got.trim_ascii_end().split(|&c| c == b';') {
        if part == b"received=127.0.0.1" {
            continue;
        }
        let same = match sent.next() {
            Some(b"rport") => part == b"rport" || part.strip_prefix(b"rport=").and_then(decimal) == Some(port),
            Some(other) => part == other,
            None => false,
        };
        if !same {
            return false;
        }
    }
    sent.next().is_none()
}

/// Whether two `Max-Forwards` lines differ only in that `got` is one less.
fn is_one_less(sent: &[u8], got: &[u8]) -> bool {
    let value = |line: &[u8]| line.split(|&c| c == b':').nth(1).and_then(|v| decimal(v.trim_ascii()));
    is_named(got, b"Max-Forwards", b"") && matches!((value(sent), value(got)), (Some(a), Some(b)) if a == b + 1)
}

/// A decimal number of up to nine digits.
pub fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 9 {
        return None;
    }
    text.iter().try_fold(0, |sum, c| c.is_ascii_digit().then(|| sum * 10 + u64::from(c - b'0')))
}

/// Ranges of the lines of a message, each with its line end; the last may have none.
pub struct Lines<'a> {
    /// The message.
    pub bytes: &'a [u8],
    /// Where the next line begins.
    pub at: usize,
}

impl Iterator for Lines<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let start = self.at;
        self.at = memchr::memchr(b'\n', &self.bytes[start..]).map_or(self.bytes.len(), |n| start + n + 1);
        Some(start..self.at)
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
