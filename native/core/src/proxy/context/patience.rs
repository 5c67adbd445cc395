//! Patience: a target that says nothing is not waited for as long as its transaction lives, nor one that rings for ever, when
//! there is another to be tried. RFC 3263 §4.3, RFC 3261 §16.6 (serial search).
//!
//! A branch that was given up is not ended. An INVITE that is nobody's business any more is cancelled as soon as that is
//! possible (RFC 3261 §9.1); a 2xx that comes all the same is sent on, as any 2xx is.

use super::best::Best;
use super::cancel::{Cancel, reason};
use super::watch::Saw;
use super::{Client, Context, Contexts, Desk};
use crate::counter::Counter;
use crate::store::Store;
use dialplane_syntax::Method;
use dialplane_transaction::SlotId;

impl Context {
    /// Whether the target that comes next stands in for the present one.
    pub(super) fn has_stand_in(&self) -> bool {
        self.targets.front().is_some_and(|target| target.stands_in)
    }
}

impl Contexts {
    /// Sets the time that the present targets have, if there are others to ring after them.
    pub(super) fn ring(&mut self, id: SlotId, now_ms: u64) {
        let Some(context) = self.table.get_mut(id) else { return };
        let others = context.targets.iter().any(|target| target.group != context.group && !target.stands_in);
        let rings = others && context.method == Method::Invite && context.open_branches() > 0;
        context.ring_until = rings.then(|| now_ms + u64::from(context.ring_ms));
    }
}

impl<S: Store> Desk<'_, S> {
    /// A branch has said nothing, not even 100: the next address of its name, or whoever stands in for it, takes over.
    pub(super) fn lose_patience(&mut self, id: SlotId, place: usize) {
        let Some(context) = self.contexts.table.get_mut(id) else { return };
        let Some(branch) = context.branches.get_mut(place) else { return };
        branch.patience = None;
        let is_open = branch.client.is_open() && !branch.given_up;
        if !is_open || context.cancelled || !context.server.is_open() {
            return;
        }
        let stand_in = context.has_stand_in();
        let taken_over = self.next_address(id, place);
        if !taken_over && !stand_in {
            return;
        }
        self.work.counters.count(Counter::Impatience);
        self.watch_saw(id, place, Saw::Nothing);
        self.give_up(id, place);
        if !taken_over && let Some(context) = self.contexts.table.get_mut(id) {
            context.hop_failed = true;
            Best::see(&mut context.best, 408, None, None);
            self.settle(id);
        }
    }

    /// The present targets have rung long enough.
    pub(super) fn stop_ringing(&mut self, id: SlotId) {
        let Some(context) = self.contexts.table.get_mut(id) else { return };
        context.ring_until = None;
        if context.cancelled || !context.server.is_open() {
            return;
        }
        Best::see(&mut context.best, 408, None, None);
        self.work.counters.count(Counter::RingingEnded);
        for place in 0..context.branches.len() {
            self.give_up(id, place);
        }
        self.settle(id);
    }

    /// Goes on without a branch.
    fn give_up(&mut self, id: SlotId, place: usize) {
        let Some(branch) = self.contexts.branch(id, place).filter(|branch| branch.client.is_open()) else { return };
        branch.given_up = true;
        branch.patience = None;
        let Client::Invite(machine) = &branch.client else { return };
        if let Cancel::No = branch.cancel {
            let can_be_cancelled = machine.is_proceeding();
            branch.cancel = Cancel::Wanted(reason(408));
            if can_be_cancelled {
                self.send_cancel(id, place);
            }
        }
    }
}
