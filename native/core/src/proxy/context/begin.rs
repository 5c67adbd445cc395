//! Requests that make a context or belong to one. RFC 3261 §16.2, §17.2.3, §8.2.2.2, RFC 5393 §5.3.3.

use super::target::is_name;
use super::wire::Wire;
use super::{Context, Contexts, Kept, Server, Target, reliability};
use crate::counter::Counter;
use crate::path::Path;
use crate::proxy::hop::Leaving;
use crate::proxy::request::Request;
use crate::proxy::response::reply_address_of_request;
use crate::store::Store;
use crate::turn::{Step, Turn};
use dialplane_syntax::{Essentials, HeaderId, Method, write_response};
use dialplane_transaction::table::Part;
use dialplane_transaction::{ServerInvite, ServerNonInvite, SlotId, server_invite, server_non_invite};
use smallvec::SmallVec;
use std::collections::VecDeque;

/// Key of a server transaction within its context; branches count from 1.
pub(super) const SERVER: Part = Part(0);

impl<'b, S: Store> Turn<'_, 'b, S> {
    /// What is to be done with a request that belongs to a context: a retransmission, an ACK or a CANCEL. `None` when it
    /// belongs to none, or is the ACK for a 2xx, which goes its own way.
    pub(crate) fn belongs(&mut self, essentials: &Essentials<'b>) -> Option<Step> {
        let key = self.snapshot.keys.transaction.server(&self.message, essentials);
        let (id, _) = self.contexts.table.find(key)?;
        match essentials.cseq.method {
            Method::Ack => self.acknowledged(id, essentials.to.tag()).then_some(Step::Done),
            Method::Cancel => Some(self.cancelled(id)),
            _ => {
                self.repeated(id);
                Some(Step::Done)
            }
        }
    }

    /// A retransmission of the request.
    fn repeated(&mut self, id: SlotId) {
        self.work.counters.count(Counter::Retransmissions);
        self.work.note(|| "a retransmission: absorbed".into());
        let Contexts { table, outputs, timers, .. } = &mut *self.contexts;
        let Some(context) = table.get_mut(id) else { return };
        let (now, to) = (self.now.monotonic_ms, context.reply_to);
        context.credit += self.message.bytes().len() as i64;
        let mut wire = Wire::new(self.out, outputs, to);
        let _ = match &mut context.server {
            Server::Invite(machine) => machine.on_event(now, server_invite::Event::Invite, timers, &mut wire),
            Server::NonInvite(machine) => machine.on_event(now, server_non_invite::Event::Request, timers, &mut wire),
        };
        context.credit -= wire.sent;
        if wire.trying {
            self.say_trying(id, to);
        }
    }

    /// An ACK with the branch of the INVITE: `true` when it was for our final response.
    fn acknowledged(&mut self, id: SlotId, to_tag: Option<&[u8]>) -> bool {
        let Contexts { table, outputs, timers, .. } = &mut *self.contexts;
        let Some(context) = table.get_mut(id) else { return false };
        let proves = match &context.server {
            Server::Invite(machine) => machine.rejection().is_some_and(|response| has_tag(response, to_tag)),
            Server::NonInvite(_) => false,
        };
        let mut wire = Wire::new(self.out, outputs, context.reply_to);
        let passed = match &mut context.server {
            Server::Invite(machine) => {
                let _ = machine.on_event(self.now.monotonic_ms, server_invite::Event::Ack, timers, &mut wire);
                wire.passed
            }
            Server::NonInvite(_) => false,
        };
        self.contexts.arm(id);
        if proves {
            self.prove();
        }
        !passed
    }

    /// Makes a context for the request: `first` is tried now, `others` in its place if it fails, and with it those of `rest` that are of group 0.
    pub(crate) fn begin(
        &mut self,
        request: &Request<'b>,
        first: &Leaving<'_>,
        others: VecDeque<Target>,
        rest: VecDeque<Target>,
        ring_ms: u32,
    ) -> Step {
        let keyer = &self.snapshot.keys.transaction;
        let essentials = &request.essentials;
        let merged = essentials.to.tag().is_none().then(|| keyer.merged(essentials, request.loop_hash));
        if merged.is_some_and(|merged| self.contexts.table.find(merged).is_some()) {
            self.work.counters.count(Counter::Merged);
            self.work.note(|| "came by another way already".into());
            return self.refuse(482);
        }
        let breadth = self.breadth();
        if breadth == 0 {
            return self.refuse(440);
        }
        let key = keyer.server(&self.message, essentials);
        let peer = reply_address_of_request(&essentials.via, self.path.peer, self.path.transport);
        let reply_to = Path { peer, ..*self.path };
        let (server, trying) = self.server(request.method, &reply_to);
        let together = 1 + rest.iter().take_while(|target| target.group == 0).count();
        let context = Context {
            server,
            method: request.method,
            key,
            merged,
            source: *self.path,
            reply_to,
            request: Kept::from(self.message.bytes()),
            loop_hash: request.loop_hash,
            credit: self.message.bytes().len() as i64,
            repeats: 0,
            branches: SmallVec::new(),
            targets: rest,
            group: 0,
            breadth,
            share: 0,
            best: None,
            cancelled: false,
            hop_failed: false,
            waits: None,
            ring_ms,
            ring_until: None,
            armed: None,
        };
        let Ok(id) = self.contexts.table.insert(Box::new(context)) else {
            self.work.counters.count(Counter::ContextsFull);
            return self.pass_by(request, first);
        };
        self.work.counters.count(Counter::Contexts);
        self.contexts.table.bind(key, id, SERVER);
        if let Some(merged) = merged {
            self.contexts.table.bind(merged, id, SERVER);
        }
        if trying {
            self.say_trying(id, reply_to);
        }
        self.share(id, together);
        let own =
            (is_name(&first.next) || !others.is_empty()).then(|| Target::new(first, 0, false).with_others(others));
        let unresolved = self.start(id, request, first, own);
        if let (Some(target), Some(context)) = (unresolved, self.contexts.table.get_mut(id)) {
            context.targets.push_front(target);
        }
        if together > 1 {
            self.fork(id, request);
        }
        self.contexts.ring(id, self.now.monotonic_ms);
        self.desk().settle(id);
        self.contexts.arm(id);
        Step::Done
    }

    /// The server transaction, and whether it wants 100 to be sent.
    fn server(&mut self, method: Method, reply_to: &Path) -> (Server, bool) {
        let Contexts { outputs, timers, .. } = &mut *self.contexts;
        match method {
            Method::Invite => {
                let mut wire = Wire::new(self.out, outputs, *reply_to);
                let machine = ServerInvite::new(reliability(reply_to), &mut wire);
                (Server::Invite(machine), wire.trying)
            }
            _ => {
                let machine = ServerNonInvite::new(self.now.monotonic_ms, timers, reliability(reply_to));
                (Server::NonInvite(machine), false)
            }
        }
    }

    /// Sends 100 for the request at hand. Timestamp: RFC 3261 §8.2.6.1.
    pub(super) fn say_trying(&mut self, id: SlotId, to: Path) {
        let begin = self.out.len();
        let timestamp = self.message.first(HeaderId::TIMESTAMP);
        let extra = |fields: &mut dialplane_syntax::Fields<'_>| {
            if let Some(timestamp) = timestamp {
                fields.field(HeaderId::TIMESTAMP, timestamp.value);
            }
        };
        write_response(&self.message, 100, b"", None, self.path.peer, extra, b"", self.out);
        self.work.counters.count(Counter::Answered1xx);
        if let Some(context) = self.contexts.table.get_mut(id) {
            context.credit -= (self.out.len() - begin) as i64;
        }
        self.queue(begin, to);
    }

    /// Incoming Max-Breadth, at most [`MOST_BREADTH`].
    fn breadth(&self) -> u8 {
        match self.message.seconds(HeaderId::MAX_BREADTH) {
            Ok(Some(breadth)) => breadth.min(MOST_BREADTH.into()) as u8,
            Ok(None) | Err(_) => MOST_BREADTH,
        }
    }
}

/// Whether a response of ours has this To tag, which its ACK brings back (RFC 3261 §17.1.1.3). One too short to be chance
/// proves nothing.
fn has_tag(response: &[u8], tag: Option<&[u8]>) -> bool {
    const SHORTEST: usize = 6;
    let Some(tag) = tag.filter(|tag| tag.len() >= SHORTEST) else { return false };
    let mut places = response.windows(tag.len() + 5).filter(|window| window.ends_with(tag));
    places.any(|window| window[..5].eq_ignore_ascii_case(b";tag="))
}

/// RFC 5393 §5.3.3: both for a request that has none, and the most that is believed.
pub(super) const MOST_BREADTH: u8 = 60;
