//! A redirect server: INVITE in, 302 with the Contact that belongs to the number out. RFC 3261 §8.3.

use super::{Common, Step, Workload, check_echo, register};
use crate::check::{Wrong, find_own};
use crate::ident::{Ident, number};
use crate::message::{Template, Values};
use crate::reply::{Request, single_contact};
use crate::slots::Slots;
use crate::socket::Outbox;
use crate::workload::forward::INVITES;

/// Where the server has the contacts from.
#[derive(Clone, Copy, PartialEq)]
pub enum Source {
    /// Bindings, put there by the register workload with the same seed, users and contact.
    Location,
    /// A table, written by [`table_line`].
    Table,
}

/// The workload.
pub struct Redirect {
    common: Common,
    source: Source,
    templates: Vec<Template>,
    registers: Vec<Template>,
    sent: Vec<u8>,
    contact: Vec<u8>,
}

impl Redirect {
    /// Compiles the templates; `size` is the size of each request.
    pub fn new(common: Common, source: Source, size: usize) -> Result<Self, String> {
        let statics = [("domain", common.domain.as_str()), ("target", common.domain.as_str())];
        let templates = INVITES.iter().map(|text| Template::compile(text, &statics, Some(size)));
        let templates = templates.collect::<Result<_, _>>()?;
        let registers = register::compile(&common)?;
        Ok(Self { common, source, templates, registers, sent: Vec::new(), contact: Vec::new() })
    }

    fn subscriber(&self, id: u64) -> u64 {
        self.common.ident.value(id, 8) % self.common.users
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
            to_tag: 0,
            user: number(self.subscriber(id)),
        }
    }

    fn template(&self, id: u64) -> &Template {
        &self.templates[(self.common.ident.value(id, 0) % self.templates.len() as u64) as usize]
    }

    /// Writes the URI that the server must give for this exchange.
    fn write_contact(&mut self, id: u64) {
        let index = self.subscriber(id);
        self.contact.clear();
        if self.source == Source::Table {
            self.contact.extend_from_slice(table_uri(&self.common.ident, index).as_bytes());
            return;
        }
        let ports = &self.common.ports;
        let port = ports[(index / self.common.step % ports.len() as u64) as usize];
        let template = &self.registers[register::variant(&self.common.ident, index, self.registers.len())];
        let mut text = std::mem::take(&mut self.contact);
        template.render(&Values { user: number(index), port, ..Values::default() }, &mut text);
        text.truncate(template.copied.contact.end);
        text.drain(..template.copied.contact.start);
        self.contact = text;
    }

    fn check(&mut self, received: &[u8], id: u64) -> Result<(), Wrong> {
        let values = self.values(id);
        let mut sent = std::mem::take(&mut self.sent);
        sent.clear();
        self.template(id).render(&values, &mut sent);
        self.sent = sent;
        if self.common.floor {
            return check_echo(received, &self.sent);
        }
        self.write_contact(id);
        let template = self.template(id);
        let (vias, copied) = (template.vias.clone(), &template.copied);
        let request = Request { bytes: &self.sent, vias, copied, port: values.port, several: false };
        let reply = request.check(received)?;
        if reply.status != 302 {
            return Err(Wrong::new(format!("status {} where 302 is expected", reply.status)));
        }
        let (uri, _) = single_contact(reply.contact)?;
        let wanted = match self.source {
            Source::Table => self.contact.as_slice(),
            Source::Location => single_contact(&self.contact)?.0,
        };
        if uri != wanted {
            let show = String::from_utf8_lossy;
            return Err(Wrong::new(format!("another contact\n  - {}\n  + {}", show(wanted), show(uri))));
        }
        Ok(())
    }
}

impl Workload for Redirect {
    fn begin(&mut self, id: u64, senders: &mut [Outbox]) -> u8 {
        let values = self.values(id);
        senders[self.common.sender(id / self.common.step)].push(|out| self.template(id).render(&values, out));
        1
    }

    fn at_uas(&mut self, _: &[u8], _: &mut Slots, _: &mut Outbox) -> Result<Step, Wrong> {
        Err(Wrong::new("the server forwarded a request that it was to redirect"))
    }

    fn at_uac(&mut self, received: &[u8], _: usize, slots: &mut Slots, _: &mut [Outbox]) -> Result<Step, Wrong> {
        let ident = self.common.ident;
        let found = find_own(received, |branch| {
            let (id, stage) = ident.read_branch(branch);
            slots.expects(id, stage)
        });
        let Some(own) = found else { return Ok(Step::Stray) };
        let id = ident.read_branch(own.branch).0;
        self.check(received, id).map_err(|w| w.of(id))?;
        Ok(Step::Arrived(id))
    }
}

/// Where number `index` of the table leads.
pub fn table_uri(ident: &Ident, index: u64) -> String {
    let some = ident.value(index, 9).to_le_bytes();
    let user = register::user(index);
    format!("sip:{}@10.{}.{}.{}:5060", String::from_utf8_lossy(&user), some[0], some[1], some[2])
}

/// Line `index` of the table: number, URI.
pub fn table_line(ident: &Ident, index: u64) -> String {
    format!("{},{}\n", String::from_utf8_lossy(&register::user(index)), table_uri(ident, index))
}
