//! Framing and indexing: from octets to a [`Message`]. RFC 3261 §7, §18.3.
//!
//! Two passes over the head: the first finds line ends and anything that is no legal octet, the second names the lines. What is
//! wrong but leaves the fields readable is kept as a fault, so that [`validate`](crate::validate()) can tell what to
//! answer; only what makes the fields unreadable is an error here.

use crate::chars::{TOKEN, decimal, octet, quoted_end, slice, span, trim, trim_end};
use crate::error::{ParseError, ParseErrorKind};
use crate::header::HeaderId;
use crate::index::{IdSet, Index, Line, NO_COLON, Start};
use crate::limits::Limits;
use crate::message::Message;
use crate::method::Method;
use crate::scan::{self, Scanner, Task};

/// What a stream holds so far.
#[derive(Clone, Copy, Debug)]
pub enum Status<'b> {
    /// A whole message. It and the line ends before it are used up.
    Complete(Message<'b>),
    /// The beginning of one, or nothing.
    Partial,
}

/// Parses one datagram. The body ends where Content-Length says, octets behind it are not part of the message
/// (RFC 3261 §18.3, RFC 4475 §3.1.1.8 dblreq); without Content-Length it ends with the datagram.
///
/// # Errors
/// The kinds that are [fatal](ParseErrorKind::is_fatal); other faults are kept in the message for `validate`.
pub fn parse<'b>(bytes: &'b [u8], index: &'b mut Index, limits: &Limits) -> Result<Message<'b>, ParseError> {
    if bytes.len() > limits.message {
        return Err(ParseError { kind: ParseErrorKind::MessageTooLong, offset: limits.message });
    }
    if matches!(bytes, [] | [b'\r' | b'\n', ..]) && bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
        return Err(ParseError { kind: ParseErrorKind::Empty, offset: bytes.len() });
    }
    if !head(bytes, index, limits)? {
        without_end(bytes, index, limits)?;
    }
    match content_length(bytes, index) {
        Ok(None) => index.end = bytes.len(),
        Ok(Some(length)) if length <= bytes.len() - index.body => index.end = index.body + length,
        Ok(Some(_)) => {
            index.end = bytes.len();
            fault(index, ParseErrorKind::ContentLengthExceeds, index.body);
        }
        Err(error) => {
            index.end = bytes.len();
            fault(index, error.kind, error.offset);
        }
    }
    Ok(Message::new(slice(bytes, 0, index.end), index))
}

/// Parses the first message of a stream. Line ends before the start line are passed over (RFC 3261 §7.5); answering the
/// keep-alives among them (RFC 5626 §3.5.1) is the connection's matter, see [`Framer`](crate::Framer).
///
/// A caller that gets octets in small pieces should ask a [`Framer`](crate::Framer) first, which reads each octet once.
///
/// # Errors
/// The kinds that are [fatal](ParseErrorKind::is_fatal), and every fault of Content-Length: the end of the message is then unknown
/// and the connection must be closed. `parse` over the head still gives a message to answer.
pub fn parse_stream<'b>(bytes: &'b [u8], index: &'b mut Index, limits: &Limits) -> Result<Status<'b>, ParseError> {
    let skipped = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
    let rest = slice(bytes, skipped, bytes.len());
    let too_long = Err(ParseError { kind: ParseErrorKind::MessageTooLong, offset: limits.message });
    if !head(rest, index, limits)? {
        return if rest.len() > limits.message { too_long } else { Ok(Status::Partial) };
    }
    let length = match content_length(rest, index)? {
        Some(length) => length,
        None if limits.stream_without_length => 0,
        None => return Err(ParseError { kind: ParseErrorKind::ContentLengthMissing, offset: index.body }),
    };
    if index.body.saturating_add(length) > limits.message {
        return too_long;
    }
    index.end = index.body + length;
    if rest.len() < index.end {
        return Ok(Status::Partial);
    }
    Ok(Status::Complete(Message::new(slice(rest, 0, index.end), index)))
}

/// A datagram that ends with a line but without the empty line (RFC 4475 §3.1.2.15 baddn in the archive): its fields are readable, so that it can
/// be answered.
#[cold]
fn without_end(bytes: &[u8], index: &mut Index, limits: &Limits) -> Result<(), ParseError> {
    if index.count < 2 || !bytes.ends_with(b"\r\n") {
        return Err(ParseError { kind: ParseErrorKind::Unterminated, offset: bytes.len() });
    }
    if let Some(line) = index.lines.get_mut(index.count) {
        line.start = bytes.len() as u32;
    }
    index.body = bytes.len();
    scan::run(NameHead { bytes, index, limits })?;
    fault(index, ParseErrorKind::Unterminated, bytes.len());
    Ok(())
}

struct NameHead<'a> {
    bytes: &'a [u8],
    index: &'a mut Index,
    limits: &'a Limits,
}

impl Task for NameHead<'_> {
    type Output = Result<(), ParseError>;

    fn run<S: Scanner>(self) -> Self::Output {
        rest_of_head::<S>(self.bytes, self.index, self.limits, true)
    }
}

/// Indexes the head; `false` when it does not end.
fn head(bytes: &[u8], index: &mut Index, limits: &Limits) -> Result<bool, ParseError> {
    index.count = 0;
    index.fault = None;
    index.present = IdSet::default();
    index.repeated = IdSet::default();
    index.end = 0;
    scan::run(IndexHead { bytes, index, limits })
}

struct IndexHead<'a> {
    bytes: &'a [u8],
    index: &'a mut Index,
    limits: &'a Limits,
}

impl Task for IndexHead<'_> {
    type Output = Result<bool, ParseError>;

    #[inline(always)]
    fn run<S: Scanner>(self) -> Self::Output {
        let Some(suspect) = lines::<S>(self.bytes, self.index, self.limits)? else {
            return Ok(false);
        };
        rest_of_head::<S>(self.bytes, self.index, self.limits, suspect)?;
        Ok(true)
    }
}

#[inline(always)]
fn rest_of_head<S: Scanner>(bytes: &[u8], index: &mut Index, limits: &Limits, suspect: bool) -> Result<(), ParseError> {
    start_line(bytes, index)?;
    names::<S>(bytes, index, limits);
    if suspect {
        control_characters(bytes, index);
    }
    Ok(())
}

/// What the first pass finds.
enum Head {
    /// The octets of a run of control characters do not end the head.
    Goes,
    /// The empty line.
    Ends,
    /// More octets are needed.
    Partial,
}

/// First pass: where lines begin. Gives whether octets were seen that need a closer look, `None` when the head does not end.
#[inline(always)]
fn lines<S: Scanner>(bytes: &[u8], index: &mut Index, limits: &Limits) -> Result<Option<bool>, ParseError> {
    let most = limits.fields.min(index.capacity()) + 2;
    let lines = index.lines.get_mut(..most).unwrap_or_default();
    let mut state = Lines { lines, count: 1, suspect: false, body: 0 };
    let mut carry = 0;
    let mut base = 0;
    while base < bytes.len() {
        let mask = scan::controls_at::<S>(bytes, base);
        // Only the first octet of each run of control characters: a run is looked at as a whole.
        let mut runs = mask & !(mask << 1 | carry);
        carry = mask >> 63;
        while runs != 0 {
            let bit = runs.trailing_zeros() as usize;
            runs &= runs - 1;
            let at = base + bit;
            // Almost always the end of a line and a letter behind it.
            let octets = scan::window_at(bytes, at as u32).map_or(0, |octets| u32::from_le_bytes(*octets));
            if octets & LETTER_AT_LINE_START == LINE_END {
                state.push(at + 2)?;
                continue;
            }
            if octets == HEAD_END {
                state.push(at + 2)?;
                index.count = state.count - 1;
                index.body = at + 4;
                return Ok(Some(state.suspect));
            }
            match state.run(bytes, at)? {
                Head::Goes => {}
                Head::Ends => {
                    let (count, suspect, body) = (state.count, state.suspect, state.body);
                    index.count = count - 1;
                    index.body = body;
                    return Ok(Some(suspect));
                }
                Head::Partial => {
                    index.count = state.count;
                    return Ok(None);
                }
            }
        }
        base += 64;
    }
    index.count = state.count;
    Ok(None)
}

/// CR, LF and an octet with the bit that all letters have, as a little-endian word; and the bits that decide it.
const LINE_END: u32 = u32::from_le_bytes(*b"\r\n\x40\0");
const HEAD_END: u32 = u32::from_le_bytes(*b"\r\n\r\n");
const LETTER_AT_LINE_START: u32 = u32::from_le_bytes(*b"\xFF\xFF\x40\0");

/// Where the first pass writes: line starts, the start line first and the end of the head last.
struct Lines<'i> {
    lines: &'i mut [Line],
    count: usize,
    suspect: bool,
    body: usize,
}

impl Lines<'_> {
    #[inline(always)]
    fn push(&mut self, start: usize) -> Result<(), ParseError> {
        let Some(line) = self.lines.get_mut(self.count) else {
            return Err(ParseError { kind: ParseErrorKind::TooManyFields, offset: start });
        };
        line.start = start as u32;
        self.count += 1;
        Ok(())
    }

    /// A run of control characters that is not just the end of a line before a visible octet.
    #[inline(never)]
    fn run(&mut self, bytes: &[u8], at: usize) -> Result<Head, ParseError> {
        let mut at = at;
        loop {
            match (bytes.get(at), bytes.get(at + 1), bytes.get(at + 2)) {
                (Some(b'\r'), None, _) | (Some(b'\r'), Some(b'\n'), None) => return Ok(Head::Partial),
                // A fold: the line goes on. The start line has none in its grammar.
                (Some(b'\r'), Some(b'\n'), Some(b' ' | b'\t')) => {
                    self.suspect |= self.count == 1;
                    at += 2;
                }
                (Some(b'\r'), Some(b'\n'), Some(b'\r')) if matches!(bytes.get(at + 3), None | Some(b'\n')) => {
                    if bytes.get(at + 3).is_none() {
                        return Ok(Head::Partial);
                    }
                    self.push(at + 2)?;
                    self.body = at + 4;
                    return Ok(Head::Ends);
                }
                (Some(b'\r'), Some(b'\n'), Some(_)) => {
                    self.push(at + 2)?;
                    at += 2;
                }
                (Some(b'\t'), ..) => at += 1,
                (Some(byte), ..) if *byte < b' ' => {
                    self.suspect = true;
                    at += 1;
                }
                _ => return Ok(Head::Goes),
            }
        }
    }
}

/// Second pass: what each line is called. From the last line to the first, so that the first of each name is the one that stays.
#[inline(always)]
fn names<S: Scanner>(bytes: &[u8], index: &mut Index, limits: &Limits) {
    if index.body > limits.field {
        field_lengths(index, limits);
    }
    let mut present = IdSet::default();
    let mut repeated = IdSet::default();
    let mut unusual = false;
    let mut number = index.count;
    let lines = index.lines.get_mut(1..number).unwrap_or_default();
    for line in lines.iter_mut().rev() {
        number -= 1;
        let Some((colon, id)) = scan::name::<S>(bytes, line.start) else {
            line.colon = UNUSUAL;
            unusual = true;
            continue;
        };
        line.colon = colon;
        line.id = id.0;
        index.first[usize::from(id.0)] = number as u16;
        let only = IdSet::only(id);
        repeated = repeated.or(present.and(only));
        present = present.or(only);
    }
    index.present = present;
    index.repeated = repeated;
    if unusual {
        unusual_names::<S>(bytes, index);
    }
}

/// Stands for the colon of a line that the second pass has left.
const UNUSUAL: u16 = NO_COLON - 1;

/// Lines whose name is not in the table, has blanks before its colon, is no name, or lies too near to the end for the scanner.
#[inline(never)]
fn unusual_names<S: Scanner>(bytes: &[u8], index: &mut Index) {
    for number in (1..index.count).rev() {
        let Some(line) = index.lines.get_mut(number).filter(|line| line.colon == UNUSUAL) else { continue };
        let start = line.start as usize;
        let (colon, id) = scan::last_name::<S>(bytes, start).unwrap_or_else(|| unusual_name(bytes, start));
        line.colon = colon;
        line.id = id.0;
        if colon == NO_COLON {
            fault(index, ParseErrorKind::HeaderLine, start);
        }
        let only = IdSet::only(id);
        let first = &mut index.first[usize::from(id.0)];
        if index.present.and(only).is_empty() {
            *first = number as u16;
        } else {
            *first = u16::min(*first, number as u16);
            index.repeated = index.repeated.or(only);
        }
        index.present = index.present.or(only);
    }
}

fn unusual_name(bytes: &[u8], start: usize) -> (u16, HeaderId) {
    let name_end = span(bytes, start, &TOKEN);
    let mut colon = name_end;
    while matches!(octet(bytes, colon), b' ' | b'\t') {
        colon += 1;
    }
    if name_end == start || octet(bytes, colon) != b':' || colon - start >= usize::from(UNUSUAL) {
        return (NO_COLON, HeaderId::OTHER);
    }
    ((colon - start) as u16, HeaderId::from_name(slice(bytes, start, name_end)))
}

#[cold]
fn field_lengths(index: &mut Index, limits: &Limits) {
    for number in 1..index.count {
        let Some((line, next)) = index.line(number) else { break };
        let offset = line.start as usize;
        if next - offset > limits.field {
            return fault(index, ParseErrorKind::FieldTooLong, offset);
        }
    }
}

/// Fills in the start line; an error when it belongs to no SIP message.
#[inline(always)]
fn start_line(bytes: &[u8], index: &mut Index) -> Result<(), ParseError> {
    let end = index.lines.get(1).map_or(0, |line| line.start as usize).saturating_sub(2);
    let line = slice(bytes, 0, end);
    let (start, kind) = if line.starts_with(b"SIP/2.0 ") {
        status_line(line)
    } else if let Some(rest) = line.strip_suffix(b" SIP/2.0") {
        request_line(rest)
    } else {
        unusual_start_line(line).ok_or(ParseError { kind: ParseErrorKind::NotSip, offset: 0 })?
    };
    index.start = Start { end: end as u32, ..start };
    if let Some(kind) = kind {
        fault(index, kind, 0);
    }
    Ok(())
}

/// `Method SP Request-URI`, the version taken off.
#[inline(always)]
fn request_line(rest: &[u8]) -> (Start, Option<ParseErrorKind>) {
    let (method, method_end) = Method::short_at(rest, 0).unwrap_or_else(|| {
        let end = span(rest, 0, &TOKEN);
        (Method::from_name(slice(rest, 0, end)), end)
    });
    let uri = method_end + 1;
    let legal = method_end > 0
        && octet(rest, method_end) == b' '
        && uri < rest.len()
        && octet(rest, uri) != b' '
        && rest.last() != Some(&b' ');
    let start = Start {
        is_request: true,
        method,
        status: 0,
        method_end: method_end as u32,
        text_start: uri.min(rest.len()) as u32,
        text_end: rest.len() as u32,
        end: 0,
    };
    (start, (!legal).then_some(ParseErrorKind::StartLine))
}

/// `SIP-Version SP Status-Code SP Reason-Phrase` after a version of seven octets.
#[inline(always)]
fn status_line(line: &[u8]) -> (Start, Option<ParseErrorKind>) {
    let code_end = span(line, 8, &crate::chars::DIGIT);
    let code = slice(line, 8, code_end);
    let status = decimal(code).filter(|status| code.len() == 3 && (100..700).contains(status));
    let reason = code_end + 1;
    let kind = match status {
        None => Some(ParseErrorKind::StatusCode),
        Some(_) if octet(line, code_end) != b' ' => Some(ParseErrorKind::StartLine),
        Some(_) => None,
    };
    let start = Start {
        is_request: false,
        method: Method::Other,
        status: status.unwrap_or(0) as u16,
        method_end: 0,
        text_start: reason.min(line.len()) as u32,
        text_end: line.len() as u32,
        end: 0,
    };
    (start, kind)
}

/// Another version, another case (RFC 3261 §7.1: the version compares without case), blanks behind the version. `None` when nothing says SIP.
#[cold]
fn unusual_start_line(line: &[u8]) -> Option<(Start, Option<ParseErrorKind>)> {
    let first = line.iter().position(|byte| *byte == b' ')?;
    if let Some(two) = version(slice(line, 0, first)) {
        let (start, kind) = if first == 7 { status_line(line) } else { return None };
        return Some((start, if two { kind } else { Some(ParseErrorKind::Version) }));
    }
    let trimmed = trim_end(line);
    let last = trimmed.iter().rposition(|byte| *byte == b' ')?;
    let two = version(slice(trimmed, last + 1, trimmed.len()))?;
    let (start, kind) = request_line(slice(line, 0, last));
    let kind = match kind {
        _ if !two => Some(ParseErrorKind::Version),
        None if trimmed.len() < line.len() => Some(ParseErrorKind::StartLine),
        kind => kind,
    };
    Some((start, kind))
}

/// `"SIP" "/" 1*DIGIT "." 1*DIGIT`: whether it is 2.0; `None` when it is no version of SIP.
fn version(text: &[u8]) -> Option<bool> {
    let (name, number) = (text.get(..4)?, text.get(4..)?);
    let dot = number.iter().position(|byte| *byte == b'.')?;
    let digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let legal = name.eq_ignore_ascii_case(b"SIP/")
        && digits(slice(number, 0, dot))
        && digits(slice(number, dot + 1, number.len()));
    legal.then_some(number == b"2.0")
}

/// The value of Content-Length, the same in all fields of that name. RFC 3261 §20.14.
#[inline(always)]
fn content_length(bytes: &[u8], index: &Index) -> Result<Option<usize>, ParseError> {
    let first = index.first_line(HeaderId::CONTENT_LENGTH);
    if first == 0 {
        return Ok(None);
    }
    let length = length_at(bytes, index, first)?;
    let mut next = index.next_line(HeaderId::CONTENT_LENGTH, first);
    while next != 0 {
        if length_at(bytes, index, next)? != length {
            let offset = index.line(next).map_or(0, |(line, _)| line.start as usize);
            return Err(ParseError { kind: ParseErrorKind::ContentLengthConflict, offset });
        }
        next = index.next_line(HeaderId::CONTENT_LENGTH, next);
    }
    Ok(Some(length))
}

#[inline(always)]
fn length_at(bytes: &[u8], index: &Index, number: usize) -> Result<usize, ParseError> {
    let (line, next) = index.line(number).unwrap_or_default();
    let start = line.start as usize;
    // Almost always a blank, at most eight digits and the end of the line.
    let mut at = start + usize::from(line.colon) + 1;
    if octet(bytes, at) == b' ' {
        at += 1;
    }
    let mut length = 0;
    let mut digits = 0;
    while digits < 8 {
        let digit = octet(bytes, at + digits).wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        length = length * 10 + usize::from(digit);
        digits += 1;
    }
    if digits > 0 && at + digits + 2 == next {
        return Ok(length);
    }
    let value = trim(slice(bytes, start + usize::from(line.colon) + 1, next));
    let error = ParseError { kind: ParseErrorKind::ContentLength, offset: start };
    decimal(value).and_then(|length| usize::try_from(length).ok()).ok_or(error)
}

/// Looks for control characters that are not part of a quoted-pair (RFC 3261 §25.1 lets those through, RFC 4475 §3.1.1.2 intmeth has them).
#[cold]
fn control_characters(bytes: &[u8], index: &mut Index) {
    for number in 0..index.count {
        let Some((line, next)) = index.line(number) else { break };
        let start = line.start as usize;
        let text = slice(bytes, start, next.saturating_sub(2));
        if number == 0
            && let Some(at) = text.windows(2).position(|pair| pair == b"\r\n")
        {
            fault(index, ParseErrorKind::LeadingFold, at);
            return;
        }
        if let Some(at) = control_character(text, number > 0) {
            fault(index, ParseErrorKind::ControlCharacter, start + at);
            return;
        }
    }
}

/// The first control character of a line that is neither part of a fold nor of a quoted-pair.
fn control_character(text: &[u8], quotes: bool) -> Option<usize> {
    let mut at = 0;
    let mut end_of_quotes = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' if quotes && at >= end_of_quotes => end_of_quotes = quoted_end(text, at).unwrap_or(at),
            b'\\' if at < end_of_quotes && !matches!(octet(text, at + 1), b'\r' | b'\n') => at += 1,
            b'\t' => {}
            b'\r' if text.get(at + 1) == Some(&b'\n') && matches!(octet(text, at + 2), b' ' | b'\t') => at += 1,
            other if *other < b' ' => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// Keeps the first fault.
fn fault(index: &mut Index, kind: ParseErrorKind, offset: usize) {
    if index.fault.is_none() {
        index.fault = Some(ParseError { kind, offset });
    }
}
