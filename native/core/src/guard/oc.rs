//! Overload control by loss: a peer that puts `oc` into its Via learns from our responses how many per cent fewer requests to
//! send. RFC 7339 §4, §5.3 to §5.7.
//!
//! Nothing is said while all is served: what was said before ends by itself, after the `oc-validity` in it.

use crate::time::Now;
use dialplane_syntax::{Edits, HeaderId, Message};
use std::ops::Range;

/// Milliseconds for which a value holds; the default of RFC 7339 §4.3.
const VALIDITY: u64 = 500;

/// Writes into the top Via of the response behind `begin`.
pub(super) fn mark_own(share: u32, now: Now, begin: usize, out: &mut Vec<u8>) {
    let Some((start, end)) = top_via(&out[begin..]) else { return };
    let (start, end) = (begin + start, begin + end);
    if let Some(Told { stale, text }) = told(&out[start..end], share, now) {
        out.splice(end..end, text.into_bytes());
        for range in stale.into_iter().rev() {
            out.drain(start + range.start..start + range.end);
        }
    }
}

/// Writes into the Via behind ours, which `edits` take off.
pub(super) fn mark_forwarded(message: &Message<'_>, share: u32, now: Now, edits: &mut Edits) {
    let Some(via) = message.elements(HeaderId::VIA).nth(1) else { return };
    if let Some(Told { stale, text }) = told(via.value, share, now) {
        let start = via.range().start;
        stale.into_iter().for_each(|range| edits.remove(start + range.start..start + range.end));
        edits.insert(via.range().end, text.as_bytes());
    }
}

/// Where the first Via value of a response that we wrote stands: the first line behind the status.
pub(crate) fn top_via(message: &[u8]) -> Option<(usize, usize)> {
    let line = message.iter().position(|&octet| octet == b'\n')? + 1;
    let rest = message.get(line..)?;
    let name = [&b"Via: "[..], b"v:"].into_iter().find(|name| rest.starts_with(name))?;
    let end = split(rest, b',').next()?.len().min(rest.iter().position(|&octet| octet == b'\r')?);
    Some((line + name.len(), line + end))
}

/// What a Via value says when it has our answer.
struct Told {
    /// Parameters that go, with their semicolons.
    stale: Vec<Range<usize>>,
    /// Those that come at the end.
    text: String,
}

/// `None` for a peer that does not ask, or for another algorithm only.
fn told(value: &[u8], share: u32, now: Now) -> Option<Told> {
    let mut asks = [false; 2];
    let mut stale = Vec::new();
    let mut end = 0;
    for (place, param) in split(value, b';').enumerate() {
        let start = end;
        end = start + usize::from(place > 0) + param.len();
        let (name, text) = match param.iter().position(|&octet| octet == b'=') {
            Some(equal) => (param[..equal].trim_ascii(), param[equal + 1..].trim_ascii()),
            None => (param.trim_ascii(), &b""[..]),
        };
        let is = |known: &str| place > 0 && name.eq_ignore_ascii_case(known.as_bytes());
        if is("oc") {
            asks[0] = true;
        } else if is("oc-algo") {
            let list = text.strip_prefix(b"\"").and_then(|list| list.strip_suffix(b"\"")).unwrap_or(text);
            asks[1] = list.split(|&octet| octet == b',').any(|one| one.trim_ascii().eq_ignore_ascii_case(b"loss"));
        } else if !is("oc-validity") && !is("oc-seq") {
            continue;
        }
        stale.push(start..end);
    }
    let (seconds, rest) = (now.unix_ms / 1000, now.unix_ms % 1000);
    let text = format!(";oc={share};oc-algo=\"loss\";oc-validity={VALIDITY};oc-seq={seconds}.{rest:03}");
    (asks == [true; 2]).then_some(Told { stale, text })
}

/// The parts between `mark`s that are not in quotation marks.
fn split(text: &[u8], mark: u8) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    text.split(move |&octet| {
        quoted ^= octet == b'"';
        octet == mark && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dialplane_syntax::{Index, Limits, parse};

    const NOW: Now = Now { monotonic_ms: 0, unix_ms: 1_282_321_615_782 };

    #[test]
    fn who_asks_is_told() {
        // RFC 7339 §6.
        let asked = "SIP/2.0/TLS p1.example.net;branch=z9hG4bK2d4790.1;oc;oc-algo=\"loss,A\"";
        let told = "SIP/2.0/TLS p1.example.net;branch=z9hG4bK2d4790.1;oc=20;oc-algo=\"loss\";oc-validity=500;oc-seq=1282321615.782";
        for (before, after) in [
            (asked, Some(told)),
            (told, Some(told)),
            ("SIP/2.0/UDP a;branch=z9hG4bK1", None),
            ("SIP/2.0/UDP a;branch=z9hG4bK1;oc", None),
            ("SIP/2.0/UDP a;branch=z9hG4bK1;oc;oc-algo=\"rate\"", None),
        ] {
            let mut out = format!("SIP/2.0 200 \r\nVia: {before}\r\n\r\n").into_bytes();
            mark_own(20, NOW, 0, &mut out);
            let expected = format!("SIP/2.0 200 \r\nVia: {}\r\n\r\n", after.unwrap_or(before));
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }

    #[test]
    fn only_the_via_of_the_peer_changes() {
        let asked = "SIP/2.0/UDP a;branch=z9hG4bK1;oc;oc-algo=\"loss\"";
        let told = "SIP/2.0/UDP a;branch=z9hG4bK1;oc=7;oc-algo=\"loss\";oc-validity=500;oc-seq=1282321615.782";
        for vias in ["Via: {}, SIP/2.0/UDP b;oc\r\n", "Via: {}\r\nVia: SIP/2.0/UDP b;oc\r\n", "v:{}\r\n"] {
            let text = |via| format!("beforeSIP/2.0 503 \r\n{}CSeq: 1 INVITE\r\n\r\n", vias.replace("{}", via));
            let mut out = text(asked).into_bytes();
            mark_own(7, NOW, 6, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), text(told));
        }
        for vias in ["Via: ours, {}, SIP/2.0/UDP b;oc\r\n", "Via: ours;oc\r\nVia: {}\r\nVia: SIP/2.0/UDP b;oc\r\n"] {
            let text = |via| format!("SIP/2.0 180 Ringing\r\n{}CSeq: 1 INVITE\r\n\r\n", vias.replace("{}", via));
            let (bytes, mut index, mut edits) = (text(asked).into_bytes(), Index::new(), Edits::new());
            let message = parse(&bytes, &mut index, &Limits::default()).expect("SIP");
            edits.clear();
            mark_forwarded(&message, 7, NOW, &mut edits);
            let mut out = Vec::new();
            edits.apply(&bytes, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), text(told));
        }
    }
}
