//! A proxy between us and us: INVITE through the server, and the response back when asked for.

use super::{Common, Step, Workload};
use crate::check::{Expected, Lines, Own, Wrong, branch_of, find_own};
use crate::ident::{mix, number};
use crate::message::{Template, Values, is_named};
use crate::slots::Slots;
use crate::socket::Outbox;
use crate::streams::Transport;
use std::mem;
use std::ops::Range;

/// Requests that different devices send; each with fields, order and spelling of its own.
pub const INVITES: [&str; 4] = [
    include_str!("../../messages/invite-desk.sip"),
    include_str!("../../messages/invite-soft.sip"),
    include_str!("../../messages/invite-trunk.sip"),
    include_str!("../../messages/invite-compact.sip"),
];

const RESPONSE_END: &str = include_str!("../../messages/response-end.sip");
const STATUS_LINE: &[u8] = b"SIP/2.0 200 OK\r\n";

/// Branches remembered to see whether the server uses one twice.
const REMEMBERED: usize = 4096;

/// What distinguishes one forward workload from another.
#[derive(Clone, Default)]
pub struct Options {
    /// The UAS answers each request.
    pub respond: bool,
    /// The server may add Record-Route.
    pub record_route: bool,
    /// Every so many requests are sent twice; 0 means none.
    pub retransmit: u64,
    /// Octets of each message.
    pub size: usize,
    /// Host and port of the request URI.
    pub target: String,
    /// Port of the UAS.
    pub uas_port: u64,
    /// What the top Via says.
    pub transport: Transport,
}

/// The workload.
pub struct Forward {
    common: Common,
    options: Options,
    requests: Vec<Template>,
    responses: Vec<Template>,
    /// The request as it was sent.
    request: Vec<u8>,
    /// The response as it must come back.
    response: Vec<u8>,
    /// Hash of a server's branch and the exchange that had it.
    branches: Vec<(u64, u64)>,
    shared: bool,
}

impl Forward {
    /// Compiles the templates.
    pub fn new(common: Common, options: Options) -> Result<Self, String> {
        let uas_port = options.uas_port.to_string();
        let statics = [("domain", common.domain.as_str()), ("target", &options.target), ("uasport", &uas_port)];
        let mut requests = Vec::new();
        let mut responses = Vec::new();
        for text in INVITES {
            let text = &text.replacen("SIP/2.0/UDP", &format!("SIP/2.0/{}", options.transport.name()), 1);
            let request = Template::compile(text, &statics, Some(options.size))?;
            // As the sender gets it, the response is as large as its request.
            let rest = options.size.saturating_sub(STATUS_LINE.len() + request.vias.len());
            responses.push(Template::compile(&(copied(text) + RESPONSE_END), &statics, Some(rest))?);
            requests.push(request);
        }
        Ok(Self {
            common,
            options,
            requests,
            responses,
            request: Vec::new(),
            response: Vec::new(),
            branches: vec![(0, 0); REMEMBERED],
            shared: false,
        })
    }

    fn values(&self, id: u64) -> Values {
        let (common, ident) = (&self.common, &self.common.ident);
        let some = ident.value(id, 1);
        Values {
            branch: ident.branch(id, 0),
            call: ident.value(id, 2),
            caller: number(some % common.users),
            cseq: 10_000 + some % 90_000,
            media: 10_000 + (some >> 20) % 50_000,
            port: common.ports[common.sender(id / common.step)],
            session: (some >> 24) % 1_000_000_000,
            tag: ident.value(id, 3),
            to_tag: ident.value(id, 4),
            user: number((some >> 32) % common.users),
        }
    }

    fn variant(&self, id: u64) -> usize {
        (self.common.ident.value(id, 0) % self.requests.len() as u64) as usize
    }

    /// Our Via in a received message, when an exchange waits for it.
    fn find(&self, received: &[u8], slots: &Slots) -> Option<(u64, Own)> {
        let ident = self.common.ident;
        let own = find_own(received, |branch| {
            let (id, stage) = ident.read_branch(branch);
            stage == 0 && slots.expects(id, 0)
        })?;
        Some((ident.read_branch(own.branch).0, own))
    }

    /// Checks the request that arrived at the UAS; returns the line of the server's Via.
    fn check_request(&mut self, received: &[u8], id: u64, own: &Own) -> Result<Range<usize>, Wrong> {
        let values = self.values(id);
        let template = &self.requests[self.variant(id)];
        self.request.clear();
        template.render(&values, &mut self.request);
        if self.common.floor {
            let same = received == self.request;
            return if same { Ok(0..0) } else { Err(Wrong::new("the floor changed the request")) };
        }
        Expected {
            bytes: &self.request,
            top_via: template.top_via.clone(),
            max_forwards: template.max_forwards.clone(),
            server_via: true,
            record_route: self.options.record_route,
            port: values.port,
        }
        .compare(received, own)
    }

    /// A retransmission must get the branch of the first. RFC 3261 §16.11.
    fn check_branch(&mut self, via: &[u8], id: u64, slots: &mut Slots) -> Result<(), Wrong> {
        let branch = branch_of(via).unwrap_or_default();
        let hash = branch.chunks(8).fold(1, |sum, chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            mix(sum ^ u64::from_le_bytes(word))
        });
        if let Some(slot) = slots.find(id) {
            if slot.server_branch != 0 && slot.server_branch != hash {
                return Err(Wrong::new("a retransmission got another branch than the first"));
            }
            slot.server_branch = hash;
        }
        let place = &mut self.branches[hash as usize % REMEMBERED];
        self.shared |= place.0 == hash && place.1 != id;
        *place = (hash, id);
        Ok(())
    }

    fn respond(&self, received: &[u8], id: u64, own: &Own, server_via: Range<usize>, uas: &mut Outbox) {
        let variant = self.variant(id);
        let request = &self.requests[variant];
        let more_vias = request.vias.end - request.top_via.end;
        uas.push(|out| {
            out.extend_from_slice(STATUS_LINE);
            out.extend_from_slice(&received[server_via]);
            out.extend_from_slice(&received[own.line.start..own.line.end + more_vias]);
            if self.options.record_route {
                let head = (Lines { bytes: received, at: 0 }).map(|line| &received[line]);
                for line in head.take_while(|line| line != b"\r\n").filter(|l| is_named(l, b"Record-Route", b"")) {
                    // The one that the request had from us is in the template.
                    if memchr::memmem::find(&self.request, line).is_none() {
                        out.extend_from_slice(line);
                    }
                }
            }
            self.responses[variant].render(&self.values(id), out);
        });
    }
}

impl Workload for Forward {
    fn begin(&mut self, id: u64, senders: &mut [Outbox]) -> u8 {
        let values = self.values(id);
        let out = &mut senders[self.common.sender(id / self.common.step)];
        out.push(|out| self.requests[self.variant(id)].render(&values, out));
        let again = self.options.retransmit != 0 && id.is_multiple_of(self.options.retransmit);
        if again {
            out.repeat_last();
        }
        1 + u8::from(again)
    }

    fn at_uas(&mut self, received: &[u8], slots: &mut Slots, uas: &mut Outbox) -> Result<Step, Wrong> {
        let Some((id, own)) = self.find(received, slots) else { return Ok(Step::Stray) };
        match slots.find(id) {
            Some(slot) if slot.passing > 0 => slot.passing -= 1,
            _ => return Ok(Step::Stray),
        }
        let server_via = self.check_request(received, id, &own).map_err(|w| w.of(id))?;
        if !server_via.is_empty() {
            self.check_branch(&received[server_via.clone()], id, slots).map_err(|w| w.of(id))?;
        }
        if !self.options.respond {
            return Ok(Step::Arrived(id));
        }
        self.respond(received, id, &own, server_via, uas);
        Ok(Step::Continues)
    }

    fn at_uac(&mut self, received: &[u8], sender: usize, slots: &mut Slots, _: &mut [Outbox]) -> Result<Step, Wrong> {
        if !self.options.respond {
            return Err(Wrong::new("the server answered a request that it was to forward"));
        }
        let Some((id, own)) = self.find(received, slots) else { return Ok(Step::Stray) };
        let values = self.values(id);
        if self.common.ports[sender] != values.port {
            return Err(Wrong::new("the response came to a sender that is not in its Via").of(id));
        }
        let variant = self.variant(id);
        let (mut request, mut response) = (mem::take(&mut self.request), mem::take(&mut self.response));
        let template = &self.requests[variant];
        request.clear();
        template.render(&values, &mut request);
        response.clear();
        response.extend_from_slice(STATUS_LINE);
        response.extend_from_slice(&request[template.vias.clone()]);
        self.responses[variant].render(&values, &mut response);
        let expected = Expected {
            bytes: &response,
            top_via: STATUS_LINE.len()..STATUS_LINE.len() + template.top_via.len(),
            max_forwards: 0..0,
            server_via: false,
            record_route: self.options.record_route,
            port: values.port,
        };
        let result = expected.compare(received, &own);
        (self.request, self.response) = (request, response);
        result.map(|_| Step::Arrived(id)).map_err(|w| w.of(id))
    }

    fn shares_branches(&self) -> bool {
        self.shared
    }
}

/// What a UAS copies from `request` to its response, behind the Vias. RFC 3261 §8.2.6.2, §12.1.1.
pub fn copied(request: &str) -> String {
    let mut out = String::new();
    for line in request.lines().skip(1).take_while(|l| !l.is_empty()) {
        match line.split(':').next().unwrap_or_default() {
            "Record-Route" | "From" | "f" | "Call-ID" | "i" | "CSeq" => out.extend([line, "\n"]),
            "To" | "t" => out.extend([line, ";tag={to_tag}\n"]),
            _ => (),
        }
    }
    out
}

#[cfg(test)]
#[path = "forward_tests.rs"]
mod tests;
