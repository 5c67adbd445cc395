//! A registrar: REGISTER from many subscribers, with or without digest. RFC 3261 §10, §22.

use super::{Common, Step, Workload, check_echo};
use crate::check::{Own, Wrong, find_own};
use crate::digest::{Algorithm, Challenge, Credentials, Hex};
use crate::ident::{Ident, number, write_decimal};
use crate::message::{Template, Values};
use crate::reply::{Request, check_binding};
use crate::slots::Slots;
use crate::socket::Outbox;

/// Requests that different devices send.
pub const REGISTERS: [&str; 2] =
    [include_str!("../../messages/register-desk.sip"), include_str!("../../messages/register-soft.sip")];

/// Octets of each request without credentials.
const SIZE: usize = 540;

/// What the templates ask for, in seconds.
const EXPIRES: u64 = 3600;

/// The challenge that the floor cannot give.
const FLOOR_NONCE: &[u8] = b"00112233445566778899aabbccddeeff00112233";

/// What distinguishes one register workload from another.
#[derive(Clone, Default)]
pub struct Options {
    /// Expect a challenge and answer it with this algorithm.
    pub digest: Option<Algorithm>,
    /// How often each subscriber has registered before.
    pub passes: u64,
}

/// The workload.
pub struct Register {
    common: Common,
    options: Options,
    templates: Vec<Template>,
    uri: Vec<u8>,
    /// `H(user:realm:password)` of each subscriber.
    secrets: Vec<Hex>,
    sent: Vec<u8>,
    line: Vec<u8>,
}

impl Register {
    /// Compiles the templates and computes the subscribers' secrets.
    pub fn new(common: Common, options: Options) -> Result<Self, String> {
        let mut secrets = Vec::new();
        if let Some(algorithm) = options.digest {
            secrets.reserve(common.users as usize);
            secrets.extend((0..common.users).map(|i| secret(&common.ident, i, &common.domain, algorithm)));
        }
        let templates = compile(&common)?;
        let uri = format!("sip:{}", common.domain).into_bytes();
        Ok(Self { common, options, templates, uri, secrets, sent: Vec::new(), line: Vec::new() })
    }

    fn values(&self, id: u64, stage: u64) -> Values {
        let (common, ident) = (&self.common, &self.common.ident);
        let subscriber = id % common.users;
        let pass = id / common.users + self.options.passes;
        Values {
            branch: ident.branch(id, stage),
            call: ident.value(subscriber, 2),
            cseq: 10_000 + (pass * 2 + stage) % 90_000,
            port: common.ports[common.sender(subscriber / common.step)],
            tag: ident.value(id, 3),
            user: number(subscriber),
            ..Values::default()
        }
    }

    fn template(&self, id: u64) -> &Template {
        &self.templates[variant(&self.common.ident, id % self.common.users, self.templates.len())]
    }

    /// Sends the request again, with credentials.
    fn answer(&mut self, challenge: &Challenge, algorithm: Algorithm, id: u64, out: &mut Outbox) -> Result<(), Wrong> {
        if !self.common.floor && challenge.realm != self.common.domain.as_bytes() {
            let realm = String::from_utf8_lossy(challenge.realm);
            return Err(Wrong::new(format!("the realm is {realm:?}, not {:?}", self.common.domain)));
        }
        let subscriber = id % self.common.users;
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        Credentials {
            algorithm,
            user: &user(subscriber),
            ha1: self.secrets[subscriber as usize].as_ref(),
            method: b"REGISTER",
            uri: &self.uri,
            cnonce: self.common.ident.value(id, 5),
        }
        .write(challenge, &mut line);
        let values = self.values(id, 1);
        out.push(|out| self.template(id).render_with(&values, &line, out));
        self.line = line;
        Ok(())
    }

    /// The floor echoes: what came back must be the beginning of what was sent.
    fn at_floor(&mut self, received: &[u8], id: u64, stage: u64, out: &mut Outbox) -> Result<bool, Wrong> {
        let values = self.values(id, stage);
        let mut sent = std::mem::take(&mut self.sent);
        sent.clear();
        self.template(id).render(&values, &mut sent);
        let blank = if stage == 0 { sent.len() } else { self.template(id).blank };
        let same = check_echo(&received[..received.len().min(blank)], &sent[..blank]);
        self.sent = sent;
        same?;
        match self.options.digest {
            Some(algorithm) if stage == 0 => {
                let domain = self.common.domain.clone();
                let challenge = Challenge { realm: domain.as_bytes(), nonce: FLOOR_NONCE, opaque: None, qop: true };
                self.answer(&challenge, algorithm, id, out)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// A real server: 401 and then 200, or 200 at once. True when the exchange goes on.
    fn at_server(&mut self, received: &[u8], id: u64, stage: u64, out: &mut Outbox) -> Result<bool, Wrong> {
        let values = self.values(id, stage);
        let mut sent = std::mem::take(&mut self.sent);
        sent.clear();
        let template = self.template(id);
        template.render(&values, &mut sent);
        let (vias, copied) = (template.vias.clone(), &template.copied);
        // A callee of the forking workload has several.
        let several = self.common.contact.as_ref().is_some_and(|contact| contact.contains(';'));
        let request = Request { bytes: &sent, vias, copied, port: values.port, several };
        let reply = request.check(received)?;
        let wanted = if self.options.digest.is_some() && stage == 0 { 401 } else { 200 };
        if reply.status != wanted {
            return Err(Wrong::new(format!("status {} where {wanted} is expected", reply.status)));
        }
        if wanted == 200 {
            check_binding(reply.contact, &sent[template.copied.contact.clone()], EXPIRES)?;
            self.sent = sent;
            return Ok(false);
        }
        self.sent = sent;
        let Some(algorithm) = self.options.digest else { return Ok(false) };
        let challenge = reply
            .challenges
            .iter()
            .find_map(|value| Challenge::read(value, algorithm))
            .ok_or_else(|| Wrong::new(format!("no challenge for {}", algorithm.name())))?;
        self.answer(&challenge, algorithm, id, out)?;
        Ok(true)
    }
}

impl Workload for Register {
    fn begin(&mut self, id: u64, senders: &mut [Outbox]) -> u8 {
        let values = self.values(id, 0);
        let sender = self.common.sender(id % self.common.users / self.common.step);
        senders[sender].push(|out| self.template(id).render(&values, out));
        1
    }

    fn at_uas(&mut self, _: &[u8], _: &mut Slots, _: &mut Outbox) -> Result<Step, Wrong> {
        Err(Wrong::new("the server forwarded a REGISTER that it was to answer"))
    }

    fn at_uac(
        &mut self,
        received: &[u8],
        sender: usize,
        slots: &mut Slots,
        senders: &mut [Outbox],
    ) -> Result<Step, Wrong> {
        let ident = self.common.ident;
        let found = find_own(received, |branch| {
            let (id, stage) = ident.read_branch(branch);
            slots.expects(id, stage)
        });
        let Some(Own { branch, .. }) = found else { return Ok(Step::Stray) };
        let (id, stage) = ident.read_branch(branch);
        let out = &mut senders[sender];
        let continues = match self.common.floor {
            true => self.at_floor(received, id, stage, out),
            false => self.at_server(received, id, stage, out),
        };
        if !continues.map_err(|w| w.of(id))? {
            return Ok(Step::Arrived(id));
        }
        if let Some(slot) = slots.find(id) {
            slot.stage = 1;
        }
        Ok(Step::Continues)
    }
}

/// The templates with the Contact of this run.
pub fn compile(common: &Common) -> Result<Vec<Template>, String> {
    let contact = common.contact.as_deref().unwrap_or("127.0.0.1:{port}");
    let statics = [("domain", common.domain.as_str()), ("contact", contact)];
    REGISTERS.iter().map(|text| Template::compile(text, &statics, Some(SIZE))).collect()
}

/// The device of subscriber `index`, always the same.
pub fn variant(ident: &Ident, index: u64, variants: usize) -> usize {
    (ident.value(index, 6) % variants as u64) as usize
}

/// User part of subscriber `index`.
pub fn user(index: u64) -> [u8; 13] {
    let mut out = *b"+493000000000";
    write_decimal(number(index), &mut out[4..]);
    out
}

/// Password of subscriber `index`.
pub fn password(ident: &Ident, index: u64) -> String {
    format!("pw{:08x}", ident.value(index, 7) as u32)
}

/// `H(user:realm:password)`. RFC 7616 §3.4.2.
pub fn secret(ident: &Ident, index: u64, realm: &str, algorithm: Algorithm) -> Hex {
    let password = password(ident, index);
    algorithm.hash(&[&user(index), b":", realm.as_bytes(), b":", password.as_bytes()])
}
