//! Is a response of the server's own what RFC 3261 §8.2.6 asks for the request we sent?

use crate::check::{Lines, Wrong, decimal, same_via};
use crate::message::{Copied, is_named};
use std::ops::Range;

/// Challenges that one response may carry here: one for each algorithm.
pub const CHALLENGES: usize = 4;

/// The request that is answered.
pub struct Request<'a> {
    /// As sent.
    pub bytes: &'a [u8],
    /// All its Via lines.
    pub vias: Range<usize>,
    /// What the response repeats.
    pub copied: &'a Copied,
    /// The port that it was sent from.
    pub port: u64,
    /// Whether the response may name other contacts beside that of the request.
    pub several: bool,
}

/// What the workload decides on.
#[derive(Default)]
pub struct Reply<'a> {
    /// The status code.
    pub status: u64,
    /// The value of the only Contact field, empty when there is none.
    pub contact: &'a [u8],
    /// The values of the WWW-Authenticate fields.
    pub challenges: [&'a [u8]; CHALLENGES],
}

impl Request<'_> {
    /// Checks what every response must repeat; returns the rest.
    pub fn check<'b>(&self, received: &'b [u8]) -> Result<Reply<'b>, Wrong> {
        let mut reply = Reply::default();
        let mut lines = Lines { bytes: received, at: 0 };
        let start = lines.next().map(|l| &received[l]).unwrap_or_default();
        reply.status = start
            .strip_prefix(b"SIP/2.0 ")
            .and_then(|rest| decimal(rest.get(..3)?))
            .ok_or_else(|| Wrong::new("no status line"))?;
        let mut vias = Lines { bytes: &self.bytes[..self.vias.end], at: self.vias.start };
        // From, To, Call-ID, CSeq, Content-Length: each exactly once.
        let mut seen = [0u8; 5];
        let (mut contacts, mut challenges) = (0, 0);
        let mut length = 0;
        for line in &mut lines {
            let line = &received[line];
            if line == b"\r\n" {
                break;
            }
            let Some(colon) = memchr::memchr(b':', line) else { return Err(wrong("a line without a colon", line)) };
            let value = line[colon + 1..].trim_ascii();
            let repeats = |range: &Range<usize>| value == &self.bytes[range.clone()];
            if is_named(line, b"Via", b"v") {
                let sent = vias.next().map(|l| &self.bytes[l]).unwrap_or_default();
                if !same_via(line, sent, self.port) && !equal_via(line, sent, self.port) {
                    return Err(wrong("a Via is not ours", line));
                }
            } else if is_named(line, b"From", b"f") {
                seen[0] += 1;
                if !repeats(&self.copied.from) {
                    return Err(wrong("From differs", line));
                }
            } else if is_named(line, b"To", b"t") {
                seen[1] += 1;
                let tag =
                    value.strip_prefix(&self.bytes[self.copied.to.clone()]).and_then(|r| r.strip_prefix(b";tag="));
                if tag.is_none_or(<[u8]>::is_empty) {
                    return Err(wrong("To differs or has no tag", line));
                }
            } else if is_named(line, b"Call-ID", b"i") {
                seen[2] += 1;
                if !repeats(&self.copied.call_id) {
                    return Err(wrong("Call-ID differs", line));
                }
            } else if is_named(line, b"CSeq", b"") {
                seen[3] += 1;
                if !repeats(&self.copied.cseq) {
                    return Err(wrong("CSeq differs", line));
                }
            } else if is_named(line, b"Content-Length", b"l") {
                seen[4] += 1;
                length = decimal(value).ok_or_else(|| wrong("Content-Length is no number", line))?;
            } else if is_named(line, b"Contact", b"m") {
                if !self.several {
                    contacts += 1;
                    reply.contact = value;
                } else if let Some(own) = self.own_contact(value) {
                    contacts += 1;
                    reply.contact = own;
                }
            } else if is_named(line, b"WWW-Authenticate", b"") && challenges < CHALLENGES {
                reply.challenges[challenges] = value;
                challenges += 1;
            }
        }
        if vias.next().is_some() {
            return Err(Wrong::new("a Via of ours is missing"));
        }
        if seen != [1; 5] {
            return Err(Wrong::new(format!(
                "From, To, Call-ID, CSeq, Content-Length occur {seen:?} times, not once each"
            )));
        }
        if contacts > 1 {
            return Err(Wrong::new(format!("{contacts} Contact fields, at most one expected")));
        }
        if length != (received.len() - lines.at) as u64 {
            return Err(Wrong::new(format!("Content-Length is {length}, the body {}", received.len() - lines.at)));
        }
        Ok(reply)
    }
}

impl Request<'_> {
    /// The contact of the request, in a list that may have others.
    fn own_contact<'b>(&self, list: &'b [u8]) -> Option<&'b [u8]> {
        let uri = |contact| single_contact(contact).map(|(uri, _)| uri);
        let own = uri(&self.bytes[self.copied.contact.clone()]).ok()?;
        list.split(|&c| c == b',').map(<[u8]>::trim_ascii).find(|contact| uri(contact) == Ok(own))
    }
}

/// The URI and the parameters of a Contact with a single element in angle brackets.
pub fn single_contact(value: &[u8]) -> Result<(&[u8], &[u8]), Wrong> {
    let open = memchr::memchr(b'<', value);
    let close = memchr::memchr(b'>', value);
    match (open, close) {
        (Some(open), Some(close)) if open < close && !value[close..].contains(&b'<') => {
            Ok((&value[open + 1..close], &value[close + 1..]))
        }
        _ => Err(wrong("not one Contact in angle brackets", value)),
    }
}

/// Checks the Contact of a 200 to a REGISTER: our URI, with a lifetime up to `asked` seconds. RFC 3261 §10.3 step 8.
pub fn check_binding(contact: &[u8], sent: &[u8], asked: u64) -> Result<(), Wrong> {
    let (uri, params) = single_contact(contact)?;
    let (own, _) = single_contact(sent)?;
    if uri != own {
        return Err(wrong("Contact is not the one registered", contact));
    }
    let expires = params
        .split(|&c| c == b';')
        .find_map(|p| decimal(p.trim_ascii().strip_prefix(b"expires=")?.trim_ascii()))
        .ok_or_else(|| wrong("Contact has no expires", contact))?;
    if expires == 0 || expires > asked {
        return Err(wrong("Contact has a lifetime that was not asked for", contact));
    }
    Ok(())
}

/// Whether `got` is `sent` with its parameters in another order, which means the same (RFC 3261 §7.3.1). Only for a
/// response that the server made itself: a proxy has no reason to touch them.
fn equal_via(got: &[u8], sent: &[u8], port: u64) -> bool {
    let value = |line: &[u8]| line.iter().position(|&c| c == b':').map(|colon| line[colon + 1..].trim_ascii().to_vec());
    let (Some(got), Some(sent)) = (value(got), value(sent)) else { return false };
    let rport = format!("rport={port}");
    let mut wanted: Vec<&[u8]> = sent.split(|&c| c == b';').collect();
    for part in got.split(|&c| c == b';').filter(|part| part != b"received=127.0.0.1") {
        let same = |w: &&[u8]| *w == part || *w == b"rport" && part == rport.as_bytes();
        match wanted.iter().position(same) {
            Some(found) => wanted.swap_remove(found),
            None => return false,
        };
    }
    wanted.is_empty()
}

fn wrong(what: &str, line: &[u8]) -> Wrong {
    Wrong::new(format!("{what}\n  + {}", String::from_utf8_lossy(line.trim_ascii_end())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = "REGISTER sip:h SIP/2.0\r\nVia: a;rport\r\nVia: b\r\nF1;tag=2\r\nT1\r\nC1\r\n7 REGISTER\r\n";
    const RIGHT: &str = "SIP/2.0 200 OK\r\nVia: a;received=127.0.0.1;rport=16100\r\nVia: b\r\nFrom: F1;tag=2\r\n\
                         To: T1;tag=x\r\nCall-ID: C1\r\nCSeq: 7 REGISTER\r\nContact: <sip:a@b>;expires=60\r\n\
                         Content-Length: 0\r\n\r\n";

    fn judge(received: &str) -> Result<u64, String> {
        let find = |text: &str| SENT.find(text).map(|at| at..at + text.len()).unwrap();
        let copied = Copied {
            from: find("F1;tag=2"),
            to: find("T1"),
            call_id: find("C1"),
            cseq: find("7 REGISTER"),
            contact: 0..0,
        };
        let vias = find("Via: a;rport\r\nVia: b\r\n");
        let request = Request { bytes: SENT.as_bytes(), vias, copied: &copied, port: 16100, several: false };
        request.check(received.as_bytes()).map(|r| r.status).map_err(|w| w.reason)
    }

    #[test]
    fn right_response_is_accepted() {
        assert_eq!(judge(RIGHT), Ok(200));
        assert_eq!(judge(&RIGHT.replace("Call-ID:", "i:").replace("From:", "f :")), Ok(200));
        let moved = RIGHT.replace("Via: a;received=127.0.0.1;rport=16100", "v: a;rport=16100;received=127.0.0.1");
        assert_eq!(judge(&moved), Ok(200));
    }

    #[test]
    fn wrong_responses_are_refused() {
        for (name, from, to, reason) in [
            ("no status", "SIP/2.0 200", "SIP/2.0 2x0", "no status line"),
            ("our Via changed", "Via: a;", "Via: c;", "a Via is not ours"),
            ("our Via with more", "Via: a;", "Via: a;x=1;", "a Via is not ours"),
            ("our Via with less", ";rport=16100", "", "a Via is not ours"),
            ("upstream Via lost", "Via: b\r\n", "", "a Via of ours is missing"),
            ("Via added", "From:", "Via: c\r\nFrom:", "a Via is not ours"),
            ("From", "tag=2", "tag=3", "From differs"),
            ("no tag", ";tag=x", "", "To differs"),
            ("empty tag", ";tag=x", ";tag=", "To differs"),
            ("Call-ID", "C1", "C2", "Call-ID differs"),
            ("CSeq", "7 REG", "8 REG", "CSeq differs"),
            ("twice", "CSeq:", "CSeq: 7 REGISTER\r\nCSeq:", "From, To, Call-ID"),
            ("no length", "Content-Length: 0\r\n", "", "From, To, Call-ID"),
            ("wrong length", "Length: 0", "Length: 1", "Content-Length is 1"),
            ("two contacts", "Contact:", "Contact: <sip:c>\r\nContact:", "2 Contact fields"),
        ] {
            let error = judge(&RIGHT.replacen(from, to, 1)).expect_err(name);
            assert!(error.starts_with(reason), "{name}: {error}");
        }
    }

    #[test]
    fn binding_must_be_ours_and_alive() {
        let sent = b"<sip:a@b;ob>;+sip.instance=\"<urn:uuid:1>\"".split(|&c| c == b';').next().unwrap();
        assert_eq!(single_contact(b"<sip:a>;q=1").unwrap(), (&b"sip:a"[..], &b";q=1"[..]));
        assert!(single_contact(b"<sip:a>, <sip:b>").is_err());
        assert!(single_contact(sent).is_err());
        let own = b"<sip:a@b>";
        assert!(check_binding(b"<sip:a@b>;expires=60", own, 60).is_ok());
        assert!(check_binding(b"<sip:a@b>;expires=61", own, 60).is_err());
        assert!(check_binding(b"<sip:a@b>;expires=0", own, 60).is_err());
        assert!(check_binding(b"<sip:a@b>", own, 60).is_err());
        assert!(check_binding(b"<sip:c@b>;expires=60", own, 60).is_err());
    }
}
