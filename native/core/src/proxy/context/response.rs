//! A response to a branch. RFC 3261 §16.7 steps 2 to 5, RFC 6026 §7.2, RFC 4320 §4.

use super::best::Best;
use super::cancel::{Cancel, reason};
use super::watch::Saw;
use super::wire::{AtHand, Wire};
use super::{Client, Contexts, Kept, Server, Target};
use crate::counter::Counter;
use crate::guard::act;
use crate::proxy::forward::frame;
use crate::proxy::hop::{Leaving, Next};
use crate::registrar::{Gone, without_flow};
use crate::routing::target::NextHop;
use crate::store::{Change, Store, Table as _};
use crate::turn::{Step, Turn};
use dialplane_syntax::header::QValue;
use dialplane_syntax::{Contacts, HeaderId, Method, Uri};
use dialplane_transaction::table::Part;
use dialplane_transaction::{SlotId, Taken, client_invite, client_non_invite, server_invite, server_non_invite};

impl<S: Store> Turn<'_, '_, S> {
    /// Step 1 has found the context: `part` is its branch.
    pub(crate) fn response_to(&mut self, id: SlotId, part: Part, method: Method) -> Step {
        let status = self.message.status().unwrap_or_default();
        let place = usize::from(part.0).wrapping_sub(1);
        if method == Method::Cancel {
            self.response_to_cancel(id, place, status);
        } else if self.pass_through_client(id, place, status) {
            if self.contexts.is_watched(id, place) {
                self.desk().watch_saw(id, place, Saw::Status(status));
            }
            match status {
                ..200 => self.provisional(id, place, status),
                200..300 => self.success(id),
                _ => self.rejection(id, place, status),
            }
        }
        self.contexts.arm(id);
        Step::Done
    }

    /// The client transaction; whether it passes the response on.
    fn pass_through_client(&mut self, id: SlotId, place: usize, status: u16) -> bool {
        let now = self.now.monotonic_ms;
        let Contexts { table, outputs, timers, spare, .. } = &mut *self.contexts;
        let Some(branch) = table.get_mut(id).and_then(|context| context.branches.get_mut(place)) else { return false };
        let mut wire = Wire::new(self.out, outputs, branch.to);
        wire.at_hand = Some(AtHand { response: &self.message, index: spare, limits: &self.snapshot.limits });
        let _ = match &mut branch.client {
            // It was given up (§9.1, §16.8), and nobody waits for it; but a call is there, and its caller must be told.
            Client::Invite(machine) if machine.is_terminated() => return (200..300).contains(&status),
            Client::Invite(machine) => {
                let event = match status {
                    ..200 => client_invite::Event::Provisional,
                    200..300 => client_invite::Event::Success,
                    _ => client_invite::Event::Rejection,
                };
                machine.on_event(now, event, timers, &mut wire)
            }
            Client::NonInvite(machine) => {
                let event = match status {
                    ..200 => client_non_invite::Event::Provisional,
                    _ => client_non_invite::Event::Final,
                };
                machine.on_event(now, event, timers, &mut wire)
            }
        };
        wire.passed
    }

    fn response_to_cancel(&mut self, id: SlotId, place: usize, status: u16) {
        let now = self.now.monotonic_ms;
        let Contexts { table, outputs, timers, .. } = &mut *self.contexts;
        let branch = table.get_mut(id).and_then(|context| context.branches.get_mut(place));
        if let Some(branch) = branch
            && let Cancel::Sent(machine) = &mut branch.cancel
        {
            let mut wire = Wire::new(self.out, outputs, branch.to);
            let event =
                if status < 200 { client_non_invite::Event::Provisional } else { client_non_invite::Event::Final };
            let _ = machine.on_event(now, event, timers, &mut wire);
        }
    }

    /// Steps 2 and 5. 100 goes no further, and to a request other than INVITE no provisional response does (RFC 4320 §4.1).
    fn provisional(&mut self, id: SlotId, place: usize, status: u16) {
        let (now, c) = (self.now.monotonic_ms, self.contexts.timers.c);
        let Some(context) = self.contexts.table.get_mut(id) else { return };
        let Some(branch) = context.branches.get_mut(place) else { return };
        branch.patience = None;
        match branch.cancel {
            Cancel::No if status > 100 => branch.timer_c = now + c,
            Cancel::No | Cancel::Sent(_) => {}
            Cancel::Wanted(_) => self.desk().send_cancel(id, place),
        }
        if status == 100 {
            return;
        }
        let upstream = self.upstream(id);
        let Contexts { table, outputs, timers, .. } = &mut *self.contexts;
        let Some(context) = table.get_mut(id) else { return };
        let mut wire = Wire::new(self.out, outputs, context.reply_to);
        if let Server::Invite(machine) = &mut context.server {
            let event = server_invite::Event::Provisional(upstream);
            if machine.on_event(now, event, timers, &mut wire) == Taken::Yes {
                self.work.counters.count(Counter::ForwardedResponses);
            }
        }
        context.credit -= wire.sent;
    }

    /// Step 5: a 2xx is forwarded at once, to an INVITE even when another final response was. The other branches have lost.
    fn success(&mut self, id: SlotId) {
        let now = self.now.monotonic_ms;
        self.take_off_via(id);
        let Contexts { table, outputs, timers, .. } = &mut *self.contexts;
        let Some(context) = table.get_mut(id) else { return };
        let to = context.reply_to;
        // A callee sends its 2xx eleven times if nobody acknowledges it (RFC 3261 §13.3.1.4). Who has not shown that he receives
        // what we send may be somebody's victim; a few lost datagrams are made up for all the same.
        if !context.server.is_open()
            && !to.transport.is_stream()
            && !act::is_known(self.snapshot, self.store, to.peer.ip(), self.now)
        {
            if context.repeats == MOST_REPEATS {
                self.work.counters.count(Counter::AmplificationAvoided);
                return;
            }
            context.repeats += 1;
        }
        let mut wire = Wire::new(self.out, outputs, to);
        match &mut context.server {
            Server::Invite(machine) => {
                let _ = machine.on_event(now, server_invite::Event::Success, timers, &mut wire);
                let begin = self.out.len();
                self.work.edits.apply(self.message.bytes(), self.out);
                self.queue(begin, to);
            }
            Server::NonInvite(machine) => {
                let mut bytes = Vec::new();
                self.work.edits.apply(self.message.bytes(), &mut bytes);
                let _ = machine.on_event(now, server_non_invite::Event::Final(bytes.into()), timers, &mut wire);
            }
        }
        self.work.counters.count(Counter::ForwardedResponses);
        if self.contexts.table.get(id).is_some_and(|context| context.open_branches() > 0) {
            self.desk().cancel_open(id, &reason(200));
        }
        self.contexts.release(id);
    }

    /// Steps 4 to 6.
    fn rejection(&mut self, id: SlotId, place: usize, status: u16) {
        if !self.contexts.table.get(id).is_some_and(|context| context.server.is_open()) {
            return;
        }
        let given_up = self.contexts.branch(id, place).is_some_and(|branch| branch.given_up);
        if given_up && status < 600 {
            return;
        }
        // 430: RFC 5626 §11.5, which we say ourselves for a flow that is gone.
        if status == 430 {
            self.forget_flow(id, place);
        }
        let hop_failed = matches!(status, 430 | 503);
        if hop_failed && self.desk().next_address(id, place) {
            return;
        }
        let followed = self.snapshot.recurse && matches!(status, 300..=302) && self.follow(id);
        if !followed {
            let upstream = self.upstream(id);
            if let Some(context) = self.contexts.table.get_mut(id) {
                context.hop_failed = hop_failed;
                Best::see(&mut context.best, status, Some(upstream), Some(&self.message));
            }
        }
        if status >= 600 {
            self.desk().cancel_open(id, &reason(status));
        }
        self.desk().settle(id);
    }

    /// RFC 5626 §5.3, §7: the connection of a client is gone, ours or that of the edge proxy that says so, and so are the
    /// bindings that were made by it.
    fn forget_flow(&mut self, id: SlotId, place: usize) {
        let Some(branch) = self.contexts.branch(id, place) else { return };
        let gone = match branch.path.take() {
            Some(path) => Gone::Edge(path),
            None if branch.to.connection.worker().is_some() => Gone::Connection(branch.to.connection),
            None => return,
        };
        let forgotten = self.desk().with_request(id, |turn| {
            let Some(uri) = turn.reread(id).and_then(|request| request.sip_uri()) else { return Ok(Change::Keep) };
            let mut aor = Vec::new();
            if turn.bound(&uri, &mut aor).is_err() {
                return Ok(Change::Keep);
            }
            turn.store.bindings().update(&aor, &mut |present, next| without_flow(present, &gone, next))
        });
        match forgotten {
            Some(Ok(Change::Keep)) | None => {}
            Some(Ok(Change::Write { .. } | Change::Remove)) => self.work.counters.count(Counter::FlowsForgotten),
            Some(Err(_)) => self.work.counters.count(Counter::StoreErrors),
        }
    }

    /// Step 4, recursion: the contacts of a 3xx become targets, best first, before those that are left. `false` when there is
    /// none that can be followed, and the response is upstream's business.
    fn follow(&mut self, id: SlotId) -> bool {
        let Ok(Contacts::List(contacts)) = self.message.contacts() else { return false };
        let Some(context) = self.contexts.table.get(id) else { return false };
        if context.cancelled {
            return false;
        }
        let secure = context.request.windows(6).take(64).any(|window| window == b" sips:");
        let mut found: Vec<(QValue, Target)> = Vec::new();
        for contact in contacts.flatten().take(MOST_FOLLOWED) {
            let Ok(Uri::Sip(uri)) = contact.parsed_uri() else { return false };
            let known = context.targets.iter().any(|target| target.uri() == Some(contact.uri));
            let Ok(hop) = NextHop::of(&uri) else { return false };
            // "SHOULD NOT recurse to a non-SIPS URI if the Request-URI of the original request was a SIPS URI".
            if known || secure && !uri.secure {
                return false;
            }
            let q = contact.params().find(b"q").flatten().and_then(QValue::parse).unwrap_or(QValue::MAX);
            let to = Leaving::to(Next::Hop(&hop), self.snapshot.record_route, true);
            let leaving = Leaving { uri: Some(contact.uri), ..to };
            found.push((q, Target::new(&leaving, 0, false)));
        }
        found.sort_by_key(|(q, _)| std::cmp::Reverse(*q));
        let Some(context) = self.contexts.table.get_mut(id).filter(|_| !found.is_empty()) else { return false };
        // A group of its own for each q, none of them that of an older target.
        let first = context.targets.iter().map(|target| target.group).max().unwrap_or(0).max(context.group) + 1;
        let groups: Vec<QValue> = found.iter().map(|(q, _)| *q).collect();
        for (place, (_, mut target)) in found.into_iter().enumerate().rev() {
            target.group = first + groups[..=place].windows(2).filter(|pair| pair[0] != pair[1]).count() as u16;
            context.targets.push_front(target);
        }
        context.hop_failed = false;
        self.work.counters.count(Counter::Recursed);
        true
    }

    /// Step 3: the response without our Via, framed for where it goes.
    fn upstream(&mut self, id: SlotId) -> Kept {
        self.take_off_via(id);
        let mut bytes = Vec::new();
        self.work.edits.apply(self.message.bytes(), &mut bytes);
        bytes.into()
    }

    fn take_off_via(&mut self, id: SlotId) {
        let edits = &mut self.work.edits;
        edits.clear();
        if let Some(via) = self.message.elements(HeaderId::VIA).next() {
            edits.remove(via.removal_range());
        }
        let listener = self.contexts.table.get(id).map(|context| usize::from(context.reply_to.listener.0));
        if let Some(listener) = listener.and_then(|listener| self.snapshot.listeners.get(listener)) {
            if let Some(keep) = &self.work.keep {
                keep.write(listener.keep, edits);
            }
            frame(&self.message, listener.transport, edits);
        }
        if let Some(peer) = self.contexts.table.get(id).map(|context| context.reply_to.peer.ip()) {
            self.tell_load_upstream(peer);
        }
    }
}

/// 2xx beyond the first that go to an address that nothing is known of.
const MOST_REPEATS: u8 = 3;
/// Contacts of one 3xx that are followed.
const MOST_FOLLOWED: usize = 10;
