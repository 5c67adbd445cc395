//! `keep` in Via: who asks is told which keep-alives we take. RFC 6223 §4.4, §5, §10.
//!
//! The element before us asks by `keep` without a value. Where we are willing (a registration, or a dialog in whose route set we
//! are), our own Via gets a mark, which responses bring back: so nothing is remembered, and their next Via gets the
//! value. The mark is no part of the branch, which CANCEL and ACK must share with their INVITE though they cannot ask.
//!
//! DEVIATION from §10, which has values taken out of all other Vias too: only the next one is looked at. Whoever added one
//! further down looks at it likewise, and parsing all of them would cost each response.
//!
//! We do not ask ourselves: where a connection of ours is lost, another is opened.

use crate::guard::oc::top_via;
use crate::text::push_decimal;
use dialplane_syntax::{Edits, Via};
use std::ops::Range;

/// A parameter of our Via: the element before us has asked, and we are willing.
pub(crate) const MARK: &[u8] = b"dp-keep";

/// Whether the sender of a request asks. A value in a request means nothing.
pub(crate) fn is_asked(via: &Via<'_>) -> bool {
    via.keep == Some(None)
}

/// What becomes of `keep` in the next Via of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keep {
    range: Range<usize>,
    is_willing: bool,
}

impl Keep {
    /// `None` when there is nothing to be done: nobody asked, or there is no value and will be none.
    #[inline]
    pub(crate) fn read(ours: &Via<'_>, next: &Via<'_>, status: u16) -> Option<Self> {
        let range = next.keep_range()?;
        // A response that begins or refreshes a dialog, or a registration.
        let is_willing = (101..300).contains(&status) && ours.params().contains(MARK);
        (is_willing || !is_asked(next)).then_some(Self { range, is_willing })
    }

    /// Writes our value, or takes out one that is not ours ("risks being adversely affected by such a malicious downstream SIP
    /// entity").
    pub(crate) fn write(&self, seconds: u32, edits: &mut Edits) {
        edits.replace_with(self.range.clone(), |out| {
            out.extend_from_slice(b"keep");
            if self.is_willing && seconds > 0 {
                push_value(seconds, out);
            }
        });
    }
}

/// Writes our value into the top Via of our own response behind `begin`.
pub(crate) fn promise(seconds: u32, begin: usize, out: &mut Vec<u8>) {
    let Some((start, end)) = top_via(&out[begin..]) else { return };
    let value = &out[begin + start..begin + end];
    let via = Via::parse(value.trim_ascii_end(), begin + start).ok().filter(is_asked);
    if let Some(at) = via.and_then(|via| via.keep_range()).filter(|_| seconds > 0) {
        let mut value = Vec::new();
        push_value(seconds, &mut value);
        out.splice(at.end..at.end, value);
    }
}

fn push_value(seconds: u32, out: &mut Vec<u8>) {
    out.push(b'=');
    push_decimal(seconds.into(), out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_response_says_how_often() {
        for (via, expected) in [
            ("SIP/2.0/UDP a;branch=z9hG4bK1;keep", "SIP/2.0/UDP a;branch=z9hG4bK1;keep=29"),
            ("SIP/2.0/UDP a;KEEP ;branch=z9hG4bK1", "SIP/2.0/UDP a;KEEP=29 ;branch=z9hG4bK1"),
            (
                "SIP/2.0/UDP a;x=\";keep,\";keep, SIP/2.0/UDP b;keep",
                "SIP/2.0/UDP a;x=\";keep,\";keep=29, SIP/2.0/UDP b;keep",
            ),
            ("SIP/2.0/UDP a;keep=5", "SIP/2.0/UDP a;keep=5"),
            ("SIP/2.0/UDP a;keeper", "SIP/2.0/UDP a;keeper"),
            ("SIP/2.0/UDP a, SIP/2.0/UDP b;keep", "SIP/2.0/UDP a, SIP/2.0/UDP b;keep"),
        ] {
            let text = |via| format!("beforeSIP/2.0 200 OK\r\nVia: {via}\r\nCSeq: 1 REGISTER\r\n\r\n");
            for (seconds, expected) in [(29, expected), (0, via)] {
                let mut out = text(via).into_bytes();
                promise(seconds, 6, &mut out);
                assert_eq!(String::from_utf8_lossy(&out), text(expected));
            }
        }
    }
}
