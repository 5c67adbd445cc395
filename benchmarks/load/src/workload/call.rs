//! Whole calls through a proxy: INVITE, 100, 180, 200, ACK, BYE, 200; through one that looks callees up, and one that forks.
//! RFC 3261 §13, §15, §16.7 step 10.
//!
//! The UAC learns the route set from the 200 (§12.1.2), and its ACK and BYE come back by it. Where the server forks, the branch
//! that came last answers, and the others must be cancelled.

use super::forward::{INVITES, copied};
use super::{Common, Step, Workload, register};
use crate::check::{Expected, Lines, Own, Wrong, find_own};
use crate::ident::{number, read_hex};
use crate::message::{Template, Values, is_named};
use crate::slots::Slots;
use crate::socket::Outbox;
use std::mem;
use std::ops::Range;

const RINGING_END: &str = include_str!("../../messages/ringing-end.sip");
const RESPONSE_END: &str = include_str!("../../messages/response-end.sip");
const EMPTY_END: &str = "Content-Length: 0\n\n";

const OK: &[u8] = b"SIP/2.0 200 OK\r\n";
const RINGING: &[u8] = b"SIP/2.0 180 Ringing\r\n";
const TERMINATED: &[u8] = b"SIP/2.0 487 Request Terminated\r\n";

/// Requests of one call, told apart by their branch.
const INVITE: u64 = 0;
const ACK: u64 = 1;
const BYE: u64 = 2;

/// What has happened in a call, one bit each; the first three of each kind belong to one branch each.
mod seen {
    pub const AT_UAS: u32 = 1;
    pub const RINGS: u32 = 1 << 3;
    pub const CANCEL: u32 = 1 << 6;
    pub const CANCEL_ACK: u32 = 1 << 9;
    pub const TRYING: u32 = 1 << 12;
    pub const OK: u32 = 1 << 13;
    pub const ACK: u32 = 1 << 14;
    pub const BYE: u32 = 1 << 15;
    pub const END: u32 = 1 << 16;
}

/// How much of a call there is.
#[derive(Clone, Copy, Default, PartialEq)]
pub enum Extent {
    /// INVITE and 180: it stays open.
    Rings,
    /// INVITE and 200: a stateful relay.
    Answered,
    /// All of it.
    #[default]
    Whole,
}

/// What distinguishes one workload of calls from another.
#[derive(Clone, Default)]
pub struct Options {
    /// The callee is looked up: the request URI has our domain and leaves as what was registered.
    pub lookup: bool,
    pub extent: Extent,
    /// Contacts of each callee: 1 or 3.
    pub branches: u32,
    /// Octets of each INVITE.
    pub size: usize,
    /// Host and port of the request URI.
    pub target: String,
    /// Port of the UAS.
    pub uas_port: u64,
}

/// The messages of one kind of device.
struct Device {
    invite: Template,
    ringing: Template,
    answer: Template,
    terminated: Template,
    ack: Template,
    bye: Template,
    ended: Template,
}

/// The workload.
pub struct Call {
    common: Common,
    options: Options,
    devices: Vec<Device>,
    registers: Vec<Template>,
    /// A message as it must arrive.
    expected: Vec<u8>,
    routes: Vec<u8>,
}

impl Call {
    /// Compiles the templates.
    pub fn new(common: Common, options: Options) -> Result<Self, String> {
        let uas_port = options.uas_port.to_string();
        let target = if options.lookup { &common.domain } else { &options.target };
        let statics = [("domain", common.domain.as_str()), ("target", target), ("uasport", &uas_port)];
        let compile = |text: &str, size| Template::compile(text, &statics, size);
        let devices = INVITES.iter().map(|text| {
            let invite = compile(text, Some(options.size))?;
            let rest = options.size.saturating_sub(OK.len() + invite.vias.len());
            let bye = within(text, "BYE");
            Ok(Device {
                ringing: compile(&(copied(text) + RINGING_END), None)?,
                answer: compile(&(copied(text) + RESPONSE_END), Some(rest))?,
                terminated: compile(&(copied(text) + EMPTY_END), None)?,
                ack: compile(&within(text, "ACK"), None)?,
                ended: compile(
                    &(copied(&bye).replace(";tag={to_tag};tag={to_tag}", ";tag={to_tag}") + EMPTY_END),
                    None,
                )?,
                bye: compile(&bye, None)?,
                invite,
            })
        });
        let devices = devices.collect::<Result<_, String>>()?;
        let registers = register::compile(&common)?;
        Ok(Self { common, options, devices, registers, expected: Vec::new(), routes: Vec::new() })
    }

    /// Fields of a request of a call, and of what answers it. `branch` is the callee's contact that speaks.
    fn values(&self, id: u64, request: u64, branch: u32) -> Values {
        let (common, ident) = (&self.common, &self.common.ident);
        let some = ident.value(id, 1);
        Values {
            branch: ident.branch(id, request),
            call: ident.value(id, 2),
            caller: number(some % common.users),
            cseq: 10_000 + some % 80_000 + u64::from(request == BYE),
            media: 10_000 + (some >> 20) % 50_000,
            port: common.ports[common.sender(id / common.step)],
            session: (some >> 24) % 1_000_000_000,
            tag: ident.value(id, 3),
            to_tag: ident.value(id, 16 + u64::from(branch)),
            user: number(self.callee(id)),
        }
    }

    fn callee(&self, id: u64) -> u64 {
        self.common.ident.value(id, 8) % self.common.users
    }

    fn device(&self, id: u64) -> &Device {
        &self.devices[(self.common.ident.value(id, 0) % self.devices.len() as u64) as usize]
    }

    /// The request URI with which the INVITE must arrive.
    fn push_contact(&self, id: u64, branch: u32, out: &mut Vec<u8>) {
        let callee = self.callee(id);
        let template = &self.registers[register::variant(&self.common.ident, callee, self.registers.len())];
        let mut text = Vec::new();
        template.render(&Values { user: number(callee), ..Values::default() }, &mut text);
        let contact = &text[template.copied.contact.clone()];
        let open = contact.iter().position(|&c| c == b'<').map_or(0, |at| at + 1);
        let close = contact.iter().position(|&c| c == b'>').unwrap_or(contact.len());
        let before = out.len();
        out.extend_from_slice(&contact[open..close]);
        // Which of several contacts: see the workload in `benchmarks/workloads.py`.
        if let Some(at) = memchr::memmem::find(&out[before..], b";n=0") {
            out[before + at + 3] = b'0' + branch as u8;
        }
    }

    /// A bit that must not have been set; `false` when it was.
    fn mark(slots: &mut Slots, id: u64, bit: u32) -> bool {
        slots.find(id).is_some_and(|slot| {
            let first = slot.seen & bit == 0;
            slot.seen |= bit;
            first
        })
    }

    /// What a step means for its call: everything may have happened with it.
    fn step(&self, slots: &mut Slots, id: u64) -> Step {
        let Some(slot) = slots.find(id) else { return Step::Stray };
        let bits = |kind: u32, expected: u32| (slot.seen & (kind * 7)).count_ones() == expected;
        let branches = self.options.branches;
        let (all, rings) = match self.options.extent {
            Extent::Rings => (0, branches),
            Extent::Answered => (seen::OK, 0),
            Extent::Whole => (seen::OK | seen::ACK | seen::BYE | seen::END, branches),
        };
        let done = slot.seen & all == all
            && bits(seen::AT_UAS, branches)
            && bits(seen::RINGS, rings)
            && bits(seen::CANCEL, branches - 1)
            && bits(seen::CANCEL_ACK, branches - 1);
        if done { Step::Arrived(id) } else { Step::Continues }
    }

    /// A response as the UAC must get it.
    fn check_response(&mut self, received: &[u8], id: u64, own: &Own, response: &Response) -> Result<(), Wrong> {
        let values = self.values(id, response.request, response.branch);
        let mut expected = mem::take(&mut self.expected);
        expected.clear();
        let device = self.device(id);
        let (request, rest) = match response.request {
            BYE => (&device.bye, &device.ended),
            _ if response.status == RINGING => (&device.invite, &device.ringing),
            _ => (&device.invite, &device.answer),
        };
        request.render(&values, &mut expected);
        expected.truncate(request.vias.end);
        expected.drain(..request.vias.start);
        expected.splice(..0, response.status.iter().copied());
        rest.render(&values, &mut expected);
        let top = response.status.len();
        let result = Expected {
            bytes: &expected,
            top_via: top..top + request.top_via.len(),
            max_forwards: 0..0,
            server_via: false,
            record_route: true,
            port: values.port,
        }
        .compare(received, own);
        self.expected = expected;
        result.map(|_| ())
    }

    /// A request as the UAS must get it; the line of the server's Via.
    fn check_request(
        &mut self,
        received: &[u8],
        id: u64,
        own: &Own,
        request: u64,
        branch: u32,
    ) -> Result<Range<usize>, Wrong> {
        let values = self.values(id, request, branch);
        let mut expected = mem::take(&mut self.expected);
        expected.clear();
        let device = self.device(id);
        let template = match request {
            INVITE => &device.invite,
            ACK => &device.ack,
            _ => &device.bye,
        };
        template.render(&values, &mut expected);
        let (mut top_via, mut max_forwards) = (template.top_via.clone(), template.max_forwards.clone());
        if request == INVITE && self.options.lookup && !self.common.floor {
            let uri = b"INVITE ".len()..expected.iter().position(|&c| c == b'\r').unwrap_or(0) - b" SIP/2.0".len();
            let mut contact = Vec::new();
            self.push_contact(id, branch, &mut contact);
            let moved = |at: usize| at + contact.len() - uri.len();
            top_via = moved(top_via.start)..moved(top_via.end);
            max_forwards = moved(max_forwards.start)..moved(max_forwards.end);
            expected.splice(uri, contact);
        }
        let result = if self.common.floor {
            let same = received == expected;
            if same { Ok(0..0) } else { Err(Wrong::new("the floor changed the request")) }
        } else {
            let port = values.port;
            Expected { bytes: &expected, top_via, max_forwards, server_via: true, record_route: true, port }
                .compare(received, own)
        };
        self.expected = expected;
        result
    }

    /// The UAS answers an INVITE that is in `received`, or the one that a CANCEL with this `server_via` belongs to.
    fn answer(
        &self,
        received: &[u8],
        id: u64,
        server_via: Range<usize>,
        own: Option<&Own>,
        response: &Response,
        uas: &mut Outbox,
    ) {
        let device = self.device(id);
        let values = self.values(id, response.request, response.branch);
        let (request, rest) = match response.request {
            BYE => (&device.bye, &device.ended),
            _ if response.status == RINGING => (&device.invite, &device.ringing),
            _ if response.status == TERMINATED => (&device.invite, &device.terminated),
            _ => (&device.invite, &device.answer),
        };
        uas.push(|out| {
            out.extend_from_slice(response.status);
            out.extend_from_slice(&received[server_via]);
            match own {
                Some(own) => {
                    let more_vias = request.vias.end - request.top_via.end;
                    out.extend_from_slice(&received[own.line.start..own.line.end + more_vias]);
                }
                None => {
                    let start = out.len();
                    request.render(&values, out);
                    out.truncate(start + request.vias.end);
                    out.drain(start..start + request.vias.start);
                }
            }
            if response.request == INVITE && own.is_some() {
                for line in self.record_routes(received) {
                    out.extend_from_slice(&received[line]);
                }
            }
            rest.render(&values, out);
        });
    }

    /// Lines of Record-Route that the server put in: in none of our own messages does one name its port.
    fn record_routes<'m>(&self, received: &'m [u8]) -> impl Iterator<Item = Range<usize>> + 'm {
        let own: Vec<String> = self.common.ports.iter().map(|port| format!("<sip:127.0.0.1:{port};lr>")).collect();
        let head = Lines { bytes: received, at: 0 }.take_while(|line| &received[line.clone()] != b"\r\n");
        head.filter(move |line| {
            let text = &received[line.clone()];
            is_named(text, b"Record-Route", b"")
                && !own.iter().any(|own| memchr::memmem::find(text, own.as_bytes()).is_some())
        })
    }

    /// ACK and BYE, by the route set of the 200.
    fn go_on(&mut self, received: &[u8], id: u64, branch: u32, out: &mut Outbox) {
        let mut routes = mem::take(&mut self.routes);
        routes.clear();
        let lines: Vec<_> = self.record_routes(received).collect();
        for line in lines.into_iter().rev() {
            routes.extend_from_slice(&received[line][b"Record-".len()..]);
        }
        let device = self.device(id);
        for (request, template) in [(ACK, &device.ack), (BYE, &device.bye)] {
            let values = self.values(id, request, branch);
            out.push(|out| template.render_with(&values, &routes, out));
        }
        self.routes = routes;
    }

    /// CANCEL, and the ACK for the 487 to it: made by the server, with no Via of ours.
    fn by_server(&mut self, received: &[u8], slots: &mut Slots, uas: &mut Outbox) -> Result<Step, Wrong> {
        let Some(id) = call_id(received).map(|call| self.common.ident.read_value(call, 2)) else {
            return Ok(Step::Stray);
        };
        let Some(slot) = slots.find(id) else { return Ok(Step::Stray) };
        let lost = slot.seen;
        let branch = branch_of_uri(received);
        let via = second_line(received);
        if !is_named(&received[via.clone()], b"Via", b"v") {
            return Err(Wrong::new("a request of the server's own does not begin with its Via").of(id));
        }
        if received.starts_with(b"ACK ") {
            if lost & seen::CANCEL << branch == 0 || !Self::mark(slots, id, seen::CANCEL_ACK << branch) {
                return Ok(Step::Stray);
            }
            return Ok(self.step(slots, id));
        }
        if !received.starts_with(b"CANCEL ") {
            return Ok(Step::Stray);
        }
        if branch == winner(lost) || lost & seen::AT_UAS << branch == 0 {
            return Err(Wrong::new("a branch was cancelled that has answered or was never there").of(id));
        }
        if !Self::mark(slots, id, seen::CANCEL << branch) {
            return Ok(Step::Stray);
        }
        uas.push(|out| {
            out.extend_from_slice(OK);
            for line in (Lines { bytes: received, at: via.start }).take_while(|line| &received[line.clone()] != b"\r\n")
            {
                let text = &received[line];
                let kept =
                    [(&b"Via"[..], &b"v"[..]), (b"From", b"f"), (b"To", b"t"), (b"Call-ID", b"i"), (b"CSeq", b"")];
                if kept.iter().any(|(name, compact)| is_named(text, name, compact)) {
                    out.extend_from_slice(text);
                }
            }
            out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
        });
        self.answer(received, id, via, None, &Response { status: TERMINATED, request: INVITE, branch }, uas);
        Ok(self.step(slots, id))
    }
}

/// A response of the UAS.
struct Response {
    status: &'static [u8],
    request: u64,
    branch: u32,
}

impl Workload for Call {
    fn begin(&mut self, id: u64, senders: &mut [Outbox]) -> u8 {
        let values = self.values(id, INVITE, 0);
        senders[self.common.sender(id / self.common.step)].push(|out| self.device(id).invite.render(&values, out));
        1
    }

    fn at_uas(&mut self, received: &[u8], slots: &mut Slots, uas: &mut Outbox) -> Result<Step, Wrong> {
        let ident = self.common.ident;
        let Some(own) = find_own(received, |branch| slots.is_open(ident.read_branch(branch).0)) else {
            return self.by_server(received, slots, uas);
        };
        let (id, request) = ident.read_branch(own.branch);
        let branch = if request == INVITE { branch_of_uri(received) } else { 0 };
        let bit = match request {
            INVITE => seen::AT_UAS << branch,
            ACK => seen::ACK,
            _ => seen::BYE,
        };
        if !Self::mark(slots, id, bit) {
            return Ok(Step::Stray);
        }
        let last = slots.find(id).map_or(0, |slot| {
            let all = (slot.seen & (seen::AT_UAS * 7)).count_ones() == self.options.branches;
            if request == INVITE && all {
                slot.seen |= branch << WINNER;
            }
            u32::from(all)
        });
        let answered = slots.find(id).map_or(0, |slot| winner(slot.seen));
        let to_tag = if request == INVITE { branch } else { answered };
        let via = self.check_request(received, id, &own, request, to_tag).map_err(|w| w.of(id))?;
        let respond = |status, branch| Response { status, request, branch };
        match request {
            INVITE => {
                if self.options.extent != Extent::Answered {
                    self.answer(received, id, via.clone(), Some(&own), &respond(RINGING, branch), uas);
                }
                if last == 1 && self.options.extent != Extent::Rings {
                    self.answer(received, id, via, Some(&own), &respond(OK, branch), uas);
                }
            }
            BYE => {
                if slots.find(id).is_some_and(|slot| slot.seen & seen::ACK == 0) {
                    return Err(Wrong::new("BYE came before ACK").of(id));
                }
                self.answer(received, id, via, Some(&own), &respond(OK, answered), uas);
            }
            _ => {}
        }
        Ok(self.step(slots, id))
    }

    fn at_uac(
        &mut self,
        received: &[u8],
        sender: usize,
        slots: &mut Slots,
        senders: &mut [Outbox],
    ) -> Result<Step, Wrong> {
        let ident = self.common.ident;
        let Some(own) = find_own(received, |branch| slots.is_open(ident.read_branch(branch).0)) else {
            return Ok(Step::Stray);
        };
        let (id, request) = ident.read_branch(own.branch);
        if sender != self.common.sender(id / self.common.step) {
            return Err(Wrong::new("the response came to a sender that is not in its Via").of(id));
        }
        // The floor says 100 by the beginning of the INVITE.
        if received.starts_with(b"SIP/2.0 100 ") || self.common.floor && received.starts_with(b"INVITE ") {
            let second = second_line(received).start == own.line.start;
            if request != INVITE || !second || call_id(received) != Some(ident.value(id, 2)) {
                return Err(Wrong::new("100 does not belong to the INVITE").of(id));
            }
            return Ok(if Self::mark(slots, id, seen::TRYING) { Step::Continues } else { Step::Stray });
        }
        let status = if received.starts_with(RINGING) { RINGING } else { OK };
        let seen_before = slots.find(id).map_or(0, |slot| slot.seen);
        let branch = match status {
            _ if self.options.branches == 1 => 0,
            RINGING => self.speaker(received, id),
            _ => winner(seen_before),
        };
        let bit = match (request, status) {
            (BYE, _) => seen::END,
            (_, RINGING) => seen::RINGS << branch,
            (..) => seen::OK,
        };
        if !Self::mark(slots, id, bit) {
            return Ok(Step::Stray);
        }
        self.check_response(received, id, &own, &Response { status, request, branch }).map_err(|w| w.of(id))?;
        if request == INVITE && status == OK && self.options.extent == Extent::Whole {
            self.go_on(received, id, branch, &mut senders[sender]);
        }
        let step = self.step(slots, id);
        let first = request == INVITE && seen_before & (seen::RINGS * 7) == 0;
        Ok(if matches!(step, Step::Continues) && status == RINGING && first { Step::Heard(id) } else { step })
    }

    fn hears(&self) -> bool {
        self.options.extent == Extent::Whole
    }
}

impl Call {
    /// The contact whose To tag a response has.
    fn speaker(&self, received: &[u8], id: u64) -> u32 {
        let has = |branch: &u32| {
            let mut tag = [0; 16];
            crate::ident::write_hex(self.common.ident.value(id, 16 + u64::from(*branch)), &mut tag);
            memchr::memmem::find(received, &tag).is_some()
        };
        (0..self.options.branches).find(has).unwrap_or(0)
    }
}

/// Where in the bits of a call its answering contact stands.
const WINNER: u32 = 20;

fn winner(seen: u32) -> u32 {
    seen >> WINNER & 3
}

/// Which of several contacts a request is for: the digit in `;n=` of its URI.
fn branch_of_uri(received: &[u8]) -> u32 {
    let line = &received[..memchr::memchr(b'\r', received).unwrap_or(0)];
    let digit = memchr::memmem::find(line, b";n=").and_then(|at| line.get(at + 3));
    digit.map_or(0, |digit| u32::from(digit.wrapping_sub(b'0')) % 3)
}

fn second_line(received: &[u8]) -> Range<usize> {
    Lines { bytes: received, at: 0 }.nth(1).unwrap_or(0..0)
}

fn call_id(received: &[u8]) -> Option<u64> {
    let mut lines = Lines { bytes: received, at: 0 };
    let line = lines.find(|line| is_named(&received[line.clone()], b"Call-ID", b"i"))?;
    let line = &received[line];
    read_hex(line.get(memchr::memchr(b':', line)? + 2..)?)
}

/// A request inside the dialog that this INVITE begins. RFC 3261 §12.2.1.1.
fn within(invite: &str, method: &str) -> String {
    let mut out = format!("{method} sip:+493{{user}}@127.0.0.1:{{uasport}} SIP/2.0\n");
    let mut vias = 0;
    for line in invite.lines().skip(1).take_while(|l| !l.is_empty()) {
        match line.split(':').next().unwrap_or_default() {
            "Via" | "v" if vias == 0 => {
                vias += 1;
                out.extend([line, "\nMax-Forwards: 70\n"]);
            }
            "From" | "f" | "Call-ID" | "i" => out.extend([line, "\n"]),
            "To" | "t" => out.extend([line, ";tag={to_tag}\n"]),
            "CSeq" => out.extend(["CSeq: {cseq} ", method, "\n"]),
            _ => (),
        }
    }
    out + EMPTY_END
}

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;
