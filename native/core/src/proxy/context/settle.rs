//! When a branch has ended, what next; timers and transport errors. RFC 3261 §16.7 step 6, §16.8, §16.9, RFC 3263 §4.3.

use super::best::Best;
use super::cancel::Cancel;
use super::watch::Saw;
use super::wire::Wire;
use super::{Branch, Client, Contexts, Desk, Kept, Server, Whose};
use crate::counter::Counter;
use crate::guard::act;
use crate::path::Transport;
use crate::proxy::size::BY_SIZE;
use crate::respond::push_tag;
use crate::store::Store;
use crate::turn::Turn;
use dialplane_syntax::write_response;
use dialplane_transaction::{
    Failure, SlotId, Timer, client_invite, client_non_invite, server_invite, server_non_invite,
};

/// Steps of one context that one wake-up carries out.
const MOST_STEPS: usize = 256;

impl<S: Store> Desk<'_, S> {
    /// Carries out what is due.
    pub(crate) fn wake(&mut self, id: SlotId) {
        for _ in 0..MOST_STEPS {
            let due = self.contexts.table.get(id).and_then(|context| context.due());
            let Some((whose, due)) = due.filter(|(_, due)| due.at <= self.now.monotonic_ms) else { break };
            match whose {
                Whose::Server => self.server_timer(id, due.timer),
                Whose::Branch(place) if due.timer == Timer::C => self.timer_c(id, place),
                Whose::Branch(place) => self.client_timer(id, place, due.timer),
                Whose::Cancel(place) => self.cancel_timer(id, place, due.timer),
                Whose::Names => self.look_again(id),
                Whose::Patience(place) => self.lose_patience(id, place),
                Whose::Ring => self.stop_ringing(id),
            }
        }
        self.contexts.arm(id);
    }

    fn server_timer(&mut self, id: SlotId, timer: Timer) {
        let now = self.now.monotonic_ms;
        let Contexts { table, outputs, timers, .. } = &mut *self.contexts;
        let Some(context) = table.get_mut(id) else { return };
        let to = context.reply_to;
        let mut wire = Wire::new(self.out, outputs, to);
        // Who has not shown that he receives what we send gets no more of it than he sent: he may be somebody's victim.
        if timer == Timer::G && !act::is_known(self.snapshot, self.store, to.peer.ip(), self.now) {
            wire.most = Some(context.credit);
        }
        match &mut context.server {
            Server::Invite(machine) => {
                if let Some(event) = server_invite::Event::of(timer) {
                    let _ = machine.on_event(now, event, timers, &mut wire);
                }
            }
            Server::NonInvite(machine) => {
                if let Some(event) = server_non_invite::Event::of(timer) {
                    let _ = machine.on_event(now, event, timers, &mut wire);
                }
            }
        }
        context.credit -= wire.sent;
        if timer == Timer::G && wire.sent == 0 {
            self.work.counters.count(Counter::AmplificationAvoided);
        }
        if wire.failure.is_some() {
            self.work.counters.count(Counter::AcksMissing);
        }
        if wire.trying {
            self.with_request(id, |turn| turn.say_trying(id, to));
        }
    }

    fn client_timer(&mut self, id: SlotId, place: usize, timer: Timer) {
        let now = self.now.monotonic_ms;
        let Contexts { table, outputs, timers, .. } = &mut *self.contexts;
        let Some(branch) = table.get_mut(id).and_then(|context| context.branches.get_mut(place)) else { return };
        let mut wire = Wire::new(self.out, outputs, branch.to);
        match &mut branch.client {
            Client::Invite(machine) => {
                if let Some(event) = client_invite::Event::of(timer) {
                    let _ = machine.on_event(now, event, timers, &mut wire);
                }
            }
            Client::NonInvite(machine) => {
                if let Some(event) = client_non_invite::Event::of(timer) {
                    let _ = machine.on_event(now, event, timers, &mut wire);
                }
            }
        }
        if let Some(failure) = wire.failure {
            self.failed(id, place, failure);
        }
    }

    fn cancel_timer(&mut self, id: SlotId, place: usize, timer: Timer) {
        let now = self.now.monotonic_ms;
        let Contexts { table, outputs, timers, .. } = &mut *self.contexts;
        let branch = table.get_mut(id).and_then(|context| context.branches.get_mut(place));
        if let (Some(branch), Some(event)) = (branch, client_non_invite::Event::of(timer))
            && let Cancel::Sent(machine) = &mut branch.cancel
        {
            let mut wire = Wire::new(self.out, outputs, branch.to);
            // Without an answer too: the INVITE has a deadline of its own.
            let _ = machine.on_event(now, event, timers, &mut wire);
        }
    }

    /// §16.8. A branch that was cancelled and still says nothing is given up.
    fn timer_c(&mut self, id: SlotId, place: usize) {
        let branch = self.contexts.table.get_mut(id).and_then(|context| context.branches.get_mut(place));
        let Some(branch) = branch else { return };
        if let Cancel::No = branch.cancel {
            branch.cancel = Cancel::Wanted(Kept::default());
            self.send_cancel(id, place);
        } else {
            branch.client.abandon();
            self.failed(id, place, Failure::Timeout);
        }
    }

    /// Targets whose names were asked for.
    fn look_again(&mut self, id: SlotId) {
        self.fork_on(id);
        self.settle(id);
    }

    /// A branch ended without a final response: §16.8 treats a timeout as 408. A transport error comes as a 503 response (§16.9,
    /// [`crate::unsent`]), and is one here too.
    fn failed(&mut self, id: SlotId, place: usize, failure: Failure) {
        let status = match failure {
            Failure::Timeout => {
                self.work.counters.count(Counter::BranchTimeouts);
                408
            }
            Failure::Transport => 503,
        };
        self.watch_saw(id, place, Saw::Nothing);
        let given_up = |branch: &mut Branch| branch.given_up;
        if self.contexts.branch(id, place).is_some_and(given_up) || self.next_address(id, place) {
            return;
        }
        if let Some(context) = self.contexts.table.get_mut(id) {
            context.hop_failed = true;
            if context.server.is_open() {
                Best::see(&mut context.best, status, None, None);
            }
        }
        self.settle(id);
    }

    /// RFC 3263 §4.3: the next address of the name that the branch went to. `false` when there is none.
    pub(super) fn next_address(&mut self, id: SlotId, place: usize) -> bool {
        let Some(context) = self.contexts.table.get_mut(id) else { return false };
        if context.cancelled || !context.server.is_open() {
            return false;
        }
        let Some(branch) = context.branches.get_mut(place) else { return false };
        let (to, Some(mut target)) = (branch.to, branch.target.take()) else { return false };
        // What went by TCP for its size alone was to be a datagram.
        target.tried.push((if to.connection == BY_SIZE { Transport::Udp } else { to.transport }, to.peer));
        let before = context.branches.len();
        self.work.names.failed(&to, self.now.monotonic_ms);
        let started = self.with_request(id, |turn| {
            if let Some(request) = turn.reread(id) {
                turn.start_next_address(id, &request, *target);
            }
        });
        let started = started.is_some() && self.contexts.table.get(id).is_some_and(|it| it.branches.len() > before);
        if started {
            self.work.counters.count(Counter::Failovers);
        }
        started
    }

    /// Starts what may be started.
    fn fork_on(&mut self, id: SlotId) {
        self.with_request(id, |turn| {
            if let Some(request) = turn.reread(id) {
                turn.fork(id, &request);
            }
        });
    }

    /// Step 6: as long as nothing final was sent and nothing is open, the next targets are tried, then the best response
    /// is sent.
    pub(super) fn settle(&mut self, id: SlotId) {
        while let Some(context) = self.contexts.table.get_mut(id) {
            if !context.server.is_open() {
                return;
            }
            let open = context.open_branches();
            let next = context.targets.front().map(|target| (target.group, target.stands_in));
            match next {
                // Max-Breadth that has become free (RFC 5393 §5.3.3.1).
                Some((group, _)) if group == context.group && context.waits.is_none() && open > 0 => {
                    self.fork_on(id);
                    return;
                }
                _ if open > 0 || context.waits.is_some() => return,
                Some((group, stands_in)) if !stands_in || context.hop_failed => {
                    if stands_in {
                        self.work.counters.count(Counter::Failovers);
                    }
                    context.group = group;
                    let together = context.targets.iter().take_while(|target| target.group == group).count();
                    let left = context.targets.len();
                    self.with_request(id, |turn| turn.share(id, together));
                    self.fork_on(id);
                    self.contexts.ring(id, self.now.monotonic_ms);
                    // No branch more: as many as one context may have.
                    if let Some(context) = self.contexts.table.get_mut(id)
                        && context.targets.len() == left
                        && context.waits.is_none()
                    {
                        context.targets.clear();
                    }
                }
                Some(_) => {
                    // Stand-ins of a target that did answer.
                    let others = context.targets.iter().position(|target| !target.stands_in);
                    context.targets.drain(..others.unwrap_or(context.targets.len()));
                }
                None => {
                    self.finish(id);
                    return;
                }
            }
        }
    }

    /// Sends the best response.
    fn finish(&mut self, id: SlotId) {
        let Some(context) = self.contexts.table.get_mut(id) else { return };
        let (best, cancelled, tried) = (context.best.take(), context.cancelled, !context.branches.is_empty());
        let status = best.as_ref().map_or(408, |best| best.status);
        let response = best.and_then(|best| best.take(&self.snapshot.limits));
        let received = response.is_some();
        let invite = matches!(context.server, Server::Invite(_));
        let response = match response {
            Some(response) => Some(response),
            None if cancelled => self.own_response(id, 487),
            // RFC 4320 §4.2.
            None if status == 408 && !invite => None,
            // A hop that refused the connection says nothing about us; if there was no way at all, that is our state.
            None if status == 503 && tried => self.own_response(id, 500),
            None => self.own_response(id, status),
        };
        let now = self.now.monotonic_ms;
        let Contexts { table, outputs, timers, .. } = &mut *self.contexts;
        let Some(context) = table.get_mut(id) else { return };
        let mut wire = Wire::new(self.out, outputs, context.reply_to);
        let _ = match (&mut context.server, response) {
            (Server::Invite(machine), response) => {
                let event = server_invite::Event::Rejection(response.unwrap_or_default());
                machine.on_event(now, event, timers, &mut wire)
            }
            (Server::NonInvite(machine), Some(response)) => {
                machine.on_event(now, server_non_invite::Event::Final(response), timers, &mut wire)
            }
            (Server::NonInvite(machine), None) => {
                machine.on_event(now, server_non_invite::Event::Silence, timers, &mut wire)
            }
        };
        context.credit -= wire.sent;
        if received {
            self.work.counters.count(Counter::ForwardedResponses);
        }
        self.contexts.release(id);
    }

    /// A final response of our own to the request of a context.
    fn own_response(&mut self, id: SlotId, status: u16) -> Option<Kept> {
        self.work.counters.count(Counter::answered(status));
        self.with_request(id, |turn| turn.own_response(status))
    }
}

impl<S: Store> Turn<'_, '_, S> {
    fn own_response(&mut self, status: u16) -> Kept {
        let (mut bytes, mut tag) = (Vec::with_capacity(512), Vec::new());
        let branch = self.message.top_via().ok().and_then(|via| via.branch).unwrap_or_default();
        push_tag(self.snapshot, &self.message, branch, &mut self.work.scratch, &mut tag);
        let server = |fields: &mut dialplane_syntax::Fields<'_>| {
            fields.lines(&self.snapshot.server);
        };
        write_response(&self.message, status, b"", Some(&tag), self.path.peer, server, b"", &mut bytes);
        bytes.into()
    }
}
