//! Own responses of an element that keeps no transaction. RFC 3261 §8.2.6, §8.2.7, §16.11.

use crate::counter::Counter;
use crate::guard::Bucket;
use crate::path::{ConnectionId, Path};
use crate::proxy::response::reply_address_of_request;
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::text::push_base32;
use crate::turn::{Step, Turn};
use dialplane_syntax::{HeaderId, Message, Method, reason_phrase};

/// What an own response says beyond what it copies from the request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Answer<'a> {
    /// 200 to 699.
    pub status: u16,
    /// Reason phrase; empty for the usual one of the status.
    pub reason: &'a [u8],
    /// Complete header lines.
    pub lines: &'a [u8],
}

/// Characters of our To tags: 40 bits, where RFC 3261 §19.3 asks for 32.
pub(crate) const TAG: usize = 8;

/// Octets by which a response to a stranger may be longer than the request after all. The shortest requests (an OPTIONS
/// that asks whether we live) are shorter than their shortest answer, which has a To tag and the source more than they. A
/// request that breaks the grammar has no such allowance.
const SLACK: usize = 64;

/// Appends the To tag of our response to `message`: the same for each retransmission, and for its ACK (RFC 3261 §8.2.7).
pub(crate) fn push_tag(
    snapshot: &Snapshot,
    message: &Message<'_>,
    branch: &[u8],
    scratch: &mut Vec<u8>,
    tag: &mut Vec<u8>,
) {
    scratch.clear();
    scratch.extend_from_slice(message.call_id().unwrap_or_default());
    scratch.push(b' ');
    scratch.extend_from_slice(branch);
    scratch.push(b' ');
    scratch.extend_from_slice(message.from().ok().and_then(|from| from.tag()).unwrap_or_default());
    if let Ok(cseq) = message.cseq() {
        scratch.extend_from_slice(&cseq.number.to_be_bytes());
    }
    push_base32(snapshot.keys.tag.hash(scratch), TAG, tag);
}

impl<S: Store> Turn<'_, '_, S> {
    /// Answers the request with a status and nothing else.
    pub(crate) fn refuse(&mut self, status: u16) -> Step {
        self.respond(Answer { status, ..Answer::default() })
    }

    /// Answers the request. ACK is never answered, nor what has no Via; nothing is sent that the request's Via does not allow. A Via that
    /// cannot be read (RFC 4475 §3.1.2.1) allows the address that the request came from.
    pub(crate) fn respond(&mut self, answer: Answer<'_>) -> Step {
        if self.message.method() == Some(Method::Ack) || !self.message.contains(HeaderId::VIA) {
            return Step::Done;
        }
        let via = self.message.top_via().ok();
        let (source, transport) = (self.path.peer, self.path.transport);
        let peer = via.as_ref().map_or(source, |via| reply_address_of_request(via, source, transport));
        let begin = self.out.len();
        let mut tag = std::mem::take(&mut self.work.value);
        tag.clear();
        let branch = via.and_then(|via| via.branch).unwrap_or_default();
        push_tag(self.snapshot, &self.message, branch, &mut self.work.scratch, &mut tag);
        self.write(&answer, &tag, &self.snapshot.server);
        if !self.may_be_longer(&answer) && !self.fit(&answer, &tag, begin) {
            self.out.truncate(begin);
            self.work.value = tag;
            self.work.counters.count(Counter::AmplificationAvoided);
            return Step::Done;
        }
        self.work.value = tag;
        if self.work.shed.is_on() {
            self.tell_load(begin);
        }
        if came_to_nothing(answer.status) {
            self.charge(Bucket::Refused);
        }
        self.work.counters.count(Counter::answered(answer.status));
        self.work.note(|| format!("answered {} {}", answer.status, reason_phrase(answer.status)));
        Step::Send(Path { connection: ConnectionId(self.path.connection.0), peer, ..*self.path })
    }

    /// Whether the response may have more octets than the request: over a connection, to a source that the operator trusts,
    /// and with what was asked for by somebody who passed the checks there are (bindings, contacts).
    fn may_be_longer(&self, answer: &Answer<'_>) -> bool {
        let asked = (200..400).contains(&answer.status) && self.message.method() != Some(Method::Options);
        // Nobody opens a connection in another's name.
        asked || self.path.transport.is_stream() || self.snapshot.trusted.contains(self.path.peer.ip())
    }

    /// Says the same in fewer octets until the response behind `begin` is no longer than the request: an unproved sender must
    /// not be able to have more sent to a victim than it sends itself. `false` when it cannot be said so.
    ///
    /// DEVIATION from that rule: a challenge goes out whatever its length, and with every algorithm up to three quarters longer than
    /// the request, else with the last algorithm only, which every client has. The shortest requests are shorter than any
    /// challenge, and their senders could otherwise never log in, or not with the better algorithm.
    fn fit(&mut self, answer: &Answer<'_>, tag: &[u8], begin: usize) -> bool {
        let most = self.message.bytes().len();
        if self.out.len() - begin <= most {
            return true;
        }
        self.rewrite(answer, tag, begin);
        if self.out.len() - begin <= most {
            return true;
        }
        if matches!(answer.status, 401 | 407) {
            if self.out.len() - begin <= most + most * 3 / 4 {
                return true;
            }
            let before = answer.lines.strip_suffix(b"\r\n").unwrap_or_default();
            let last = before.iter().rposition(|&octet| octet == b'\n').map_or(0, |end| end + 1);
            self.rewrite(&Answer { lines: &answer.lines[last..], ..*answer }, tag, begin);
            return true;
        }
        let lines = vital(answer.lines);
        self.rewrite(&Answer { lines: &lines, ..*answer }, tag, begin);
        self.out.len() - begin <= most + if answer.status == 400 { 0 } else { SLACK }
    }

    fn rewrite(&mut self, answer: &Answer<'_>, tag: &[u8], begin: usize) {
        self.out.truncate(begin);
        self.write(answer, tag, b"");
        shrink(self.out, begin, &mut self.work.scratch);
    }

    fn write(&mut self, answer: &Answer<'_>, tag: &[u8], server: &[u8]) {
        let reason = if answer.reason.is_empty() { reason_phrase(answer.status).as_bytes() } else { answer.reason };
        let extra = |fields: &mut dialplane_syntax::Fields<'_>| {
            fields.lines(answer.lines).lines(server);
        };
        let source = self.path.peer;
        dialplane_syntax::write_response(&self.message, answer.status, reason, Some(tag), source, extra, b"", self.out);
    }
}

/// Whether a request that is answered so was worth nothing to anybody: it cannot be read, has no right, or nobody is there.
/// What happens to honest requests (a user who is not registered, a call that is over) is none of it.
fn came_to_nothing(status: u16) -> bool {
    matches!(status, 400..=407 | 410..=420 | 482 | 483)
}

/// The lines that do more than inform.
fn vital(lines: &[u8]) -> Vec<u8> {
    const INFORM: [&[u8]; 4] = [b"Accept: ", b"Allow: ", b"Supported: ", b"Date: "];
    let each = lines.split_inclusive(|&octet| octet == b'\n');
    each.filter(|line| !INFORM.iter().any(|name| line.starts_with(name))).flatten().copied().collect()
}

/// Rewrites the message behind `begin` in its shortest form: no reason phrase, compact names (RFC 3261 §7.3.3), no blanks
/// behind the colon.
fn shrink(out: &mut Vec<u8>, begin: usize, scratch: &mut Vec<u8>) {
    const COMPACT: [(&[u8], &[u8]); 6] = [
        (b"Via: ", b"v:"),
        (b"From: ", b"f:"),
        (b"To: ", b"t:"),
        (b"Call-ID: ", b"i:"),
        (b"Contact: ", b"m:"),
        (b"Content-Length: ", b"l:"),
    ];
    /// `SIP/2.0 401 `
    const STATUS: usize = 12;
    scratch.clear();
    for (place, line) in out[begin..].split_inclusive(|&octet| octet == b'\n').enumerate() {
        if place == 0 {
            scratch.extend_from_slice(&line[..STATUS.min(line.len())]);
            scratch.extend_from_slice(b"\r\n");
            continue;
        }
        match COMPACT.iter().find_map(|(name, compact)| Some((compact, line.strip_prefix(*name)?))) {
            Some((compact, value)) => {
                scratch.extend_from_slice(compact);
                scratch.extend_from_slice(value);
            }
            None => scratch.extend_from_slice(line),
        }
    }
    out.truncate(begin);
    out.extend_from_slice(scratch);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_form_says_the_same() {
        let mut out = b"beforeSIP/2.0 404 Not Found\r\nVia: SIP/2.0/UDP a\r\nTo: <sip:b>;tag=1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n".to_vec();
        shrink(&mut out, 6, &mut Vec::new());
        let expected = b"beforeSIP/2.0 404 \r\nv:SIP/2.0/UDP a\r\nt:<sip:b>;tag=1\r\nCSeq: 1 INVITE\r\nl:0\r\n\r\n";
        assert_eq!(out.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }
}
