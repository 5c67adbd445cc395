//! Message templates: text with fields of fixed width, so that all messages of a workload have one size.
//!
//! In a template `{server}`-like names are replaced once, when it is compiled; the names of [`Field`] are written anew
//! into each message; `{pad}` takes up what is missing to the wanted size; `{length}` is the Content-Length.

use crate::ident::{write_decimal, write_hex};
use std::ops::Range;

/// What differs from message to message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Field {
    /// Sixteen hexadecimal digits behind the cookie of the top Via.
    Branch,
    /// Sixteen hexadecimal digits of the Call-ID.
    Call,
    /// Nine decimal digits of the caller's number.
    Caller,
    /// Five decimal digits of the CSeq.
    CSeq,
    /// Five decimal digits: the media port in the SDP.
    Media,
    /// Five decimal digits: the UAC's port.
    Port,
    /// Nine decimal digits: the session of the SDP.
    Session,
    /// Sixteen hexadecimal digits of the From tag.
    Tag,
    /// Sixteen hexadecimal digits of the To tag.
    ToTag,
    /// Nine decimal digits of the number called or registered.
    User,
}

/// Name in the template, field, width.
const FIELDS: [(&str, Field, usize); 10] = [
    ("{branch}", Field::Branch, 16),
    ("{call}", Field::Call, 16),
    ("{caller}", Field::Caller, 9),
    ("{cseq}", Field::CSeq, 5),
    ("{media}", Field::Media, 5),
    ("{port}", Field::Port, 5),
    ("{session}", Field::Session, 9),
    ("{tag}", Field::Tag, 16),
    ("{to_tag}", Field::ToTag, 16),
    ("{user}", Field::User, 9),
];

/// The fields of one message.
#[derive(Clone, Copy, Default)]
#[allow(missing_docs)] // one for each `Field`, described there
pub struct Values {
    pub branch: u64,
    pub call: u64,
    pub caller: u64,
    pub cseq: u64,
    pub media: u64,
    pub port: u64,
    pub session: u64,
    pub tag: u64,
    pub to_tag: u64,
    pub user: u64,
}

impl Values {
    fn of(&self, field: Field) -> u64 {
        match field {
            Field::Branch => self.branch,
            Field::Call => self.call,
            Field::Caller => self.caller,
            Field::CSeq => self.cseq,
            Field::Media => self.media,
            Field::Port => self.port,
            Field::Session => self.session,
            Field::Tag => self.tag,
            Field::ToTag => self.to_tag,
            Field::User => self.user,
        }
    }
}

/// A compiled template.
pub struct Template {
    bytes: Vec<u8>,
    fields: Vec<(Range<usize>, Field)>,
    /// All Via lines, which follow each other; empty when there is none.
    pub vias: Range<usize>,
    /// The first of them.
    pub top_via: Range<usize>,
    /// The digits of Max-Forwards; empty when there is none.
    pub max_forwards: Range<usize>,
    /// Offset of the empty line between head and body.
    pub blank: usize,
    /// The values of the fields that a response copies (RFC 3261 §8.2.6.2); empty when there is none.
    pub copied: Copied,
}

/// Ranges of field values in a rendered message, in the order of RFC 3261 §8.2.6.2.
#[derive(Clone, Default)]
#[allow(missing_docs)] // named as the fields are
pub struct Copied {
    pub from: Range<usize>,
    pub to: Range<usize>,
    pub call_id: Range<usize>,
    pub cseq: Range<usize>,
    pub contact: Range<usize>,
}

impl Template {
    /// Compiles `text` (lines end in LF here and in CRLF on the wire). `statics` are replaced first; `size` is the size
    /// that `{pad}` fills up to.
    pub fn compile(text: &str, statics: &[(&str, &str)], size: Option<usize>) -> Result<Self, String> {
        let mut text = text.replace('\n', "\r\n");
        for (name, value) in statics {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        for (name, _, width) in FIELDS {
            debug_assert!(name.len() <= 16 && width <= 16);
        }
        if let Some(size) = size {
            // Two rounds: the padding changes the Content-Length, whose own width is fixed at three digits here.
            let empty = Self::fill(&text, 0)?;
            let missing = size.checked_sub(empty).ok_or(format!("template needs {empty} octets, not {size}"))?;
            text = text.replace("{pad}", &padding(missing));
        } else {
            text = text.replace("{pad}", "-");
        }
        let blank = text.find("\r\n\r\n").ok_or("template has no empty line")? + 2;
        let body = width_of(&text[blank + 2..]);
        text = text.replace("{length}", &body.to_string());

        let mut out = Self {
            bytes: Vec::new(),
            fields: Vec::new(),
            vias: 0..0,
            top_via: 0..0,
            max_forwards: 0..0,
            blank: 0,
            copied: Copied::default(),
        };
        out.write_fields(&text)?;
        out.find_lines();
        Ok(out)
    }

    /// Size of the rendered message with `pad` octets of padding and a Content-Length of three digits.
    fn fill(text: &str, pad: usize) -> Result<usize, String> {
        if !text.contains("{pad}") {
            return Err("template has no {pad}".into());
        }
        Ok(width_of(&text.replace("{pad}", "").replace("{length}", "000")) + pad)
    }

    fn write_fields(&mut self, text: &str) -> Result<(), String> {
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            self.bytes.extend_from_slice(&rest.as_bytes()[..open]);
            rest = &rest[open..];
            let Some((name, field, width)) = FIELDS.iter().find(|(name, ..)| rest.starts_with(name)) else {
                return Err(format!("unknown field: {}", rest.chars().take(20).collect::<String>()));
            };
            let at = self.bytes.len();
            self.bytes.resize(at + width, b'0');
            self.fields.push((at..at + width, *field));
            rest = &rest[name.len()..];
        }
        self.bytes.extend_from_slice(rest.as_bytes());
        Ok(())
    }

    fn find_lines(&mut self) {
        let mut at = 0;
        while let Some(end) = memchr::memchr(b'\n', &self.bytes[at..]).map(|n| at + n + 1) {
            let line = &self.bytes[at..end];
            if is_named(line, b"Via", b"v") {
                if self.vias.is_empty() {
                    self.vias = at..end;
                    self.top_via = at..end;
                }
                self.vias.end = end;
            } else if line.starts_with(b"Max-Forwards: ") {
                self.max_forwards = at + 14..end - 2;
            } else if line == b"\r\n" {
                self.blank = at;
                return;
            } else if let Some(colon) = memchr::memchr(b':', line) {
                let value = at + colon + 2..end - 2;
                match &line[..colon] {
                    b"From" | b"f" => self.copied.from = value,
                    b"To" | b"t" => self.copied.to = value,
                    b"Call-ID" | b"i" => self.copied.call_id = value,
                    b"CSeq" => self.copied.cseq = value,
                    b"Contact" | b"m" => self.copied.contact = value,
                    _ => (),
                }
            }
            at = end;
        }
    }

    /// Appends the message with these values.
    pub fn render(&self, values: &Values, out: &mut Vec<u8>) {
        self.render_range(0..self.bytes.len(), values, out);
    }

    /// Appends the message with `lines` put in before the empty line.
    pub fn render_with(&self, values: &Values, lines: &[u8], out: &mut Vec<u8>) {
        let base = out.len();
        self.render(values, out);
        // The body is empty wherever this is used, so only the last two octets move.
        out.truncate(base + self.blank);
        out.extend_from_slice(lines);
        out.extend_from_slice(&self.bytes[self.blank..]);
    }

    fn render_range(&self, range: Range<usize>, values: &Values, out: &mut Vec<u8>) {
        let base = out.len();
        out.extend_from_slice(&self.bytes[range]);
        for (place, field) in &self.fields {
            let to = &mut out[base + place.start..base + place.end];
            let value = values.of(*field);
            match place.len() {
                16 => write_hex(value, to),
                _ => write_decimal(value, to),
            }
        }
    }
}

/// Whether `line` is the field `name` or, in compact form, `compact`; letter case does not count.
pub fn is_named(line: &[u8], name: &[u8], compact: &[u8]) -> bool {
    let Some(colon) = memchr::memchr(b':', line) else { return false };
    let written = line[..colon].trim_ascii_end();
    written.eq_ignore_ascii_case(name) || !compact.is_empty() && written.eq_ignore_ascii_case(compact)
}

/// Octets that `text` has once its fields are written.
fn width_of(text: &str) -> usize {
    FIELDS.iter().fold(text.len(), |sum, (name, _, width)| {
        let found = text.matches(name).count();
        sum - found * name.len() + found * width
    })
}

fn padding(length: usize) -> String {
    "Benchmark session with a subject that fills up the size. ".chars().cycle().take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "INVITE sip:{user}@{host} SIP/2.0\nVia: SIP/2.0/UDP a;branch=z9hG4bK{branch}\nVia: x\nMax-Forwards: 70\n\
                        Content-Length: {length}\n\ns={pad}\n";

    #[test]
    fn size_is_as_asked_and_length_is_right() {
        let template = Template::compile(TEXT, &[("host", "h")], Some(300)).unwrap();
        let mut out = Vec::new();
        template.render(&Values::default(), &mut out);
        assert_eq!(out.len(), 300);
        let text = String::from_utf8(out).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{text}");
        assert_eq!(template.blank, head.len() + 2);
    }

    #[test]
    fn fields_and_lines_are_where_they_are_said_to_be() {
        let template = Template::compile(TEXT, &[("host", "h")], Some(300)).unwrap();
        let mut out = Vec::new();
        template.render(&Values { user: 123, branch: 0xabc, ..Values::default() }, &mut out);
        assert!(out.starts_with(b"INVITE sip:000000123@h SIP/2.0\r\n"));
        assert_eq!(&out[template.top_via.clone()], b"Via: SIP/2.0/UDP a;branch=z9hG4bK0000000000000abc\r\n");
        assert_eq!(&out[template.vias.end - 8..template.vias.end], b"Via: x\r\n");
        assert_eq!(&out[template.max_forwards.clone()], b"70");
    }

    #[test]
    fn lines_are_put_before_the_empty_line() {
        let template = Template::compile("A b\nVia: x\nContent-Length: {length}\n\n", &[], None).unwrap();
        let mut out = Vec::new();
        template.render_with(&Values::default(), b"X: y\r\n", &mut out);
        assert_eq!(out, b"A b\r\nVia: x\r\nContent-Length: 0\r\nX: y\r\n\r\n");
    }

    #[test]
    fn unknown_field_is_an_error() {
        assert!(Template::compile("A {nothing}\n\n", &[], None).is_err());
        assert!(Template::compile(TEXT, &[("host", "h")], Some(30)).is_err());
    }
}
