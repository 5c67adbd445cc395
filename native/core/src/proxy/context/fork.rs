//! Branches: a request leaves for its targets, serially and in parallel. RFC 3261 §16.6, RFC 5393 §5.3.3.

use super::begin::MOST_BREADTH;
use super::best::Best;
use super::branch::{Branch, Client};
use super::cancel::Cancel;
use super::target::Target;
use super::wire::Wire;
use super::{Contexts, MOST_BRANCHES, Waits, reliability};
use crate::counter::Counter;
use crate::proxy::hop::{Found, Leaving};
use crate::proxy::request::Request;
use crate::store::Store;
use crate::turn::Turn;
use dialplane_syntax::{HeaderId, Method, check};
use dialplane_transaction::table::Part;
use dialplane_transaction::{ClientInvite, ClientNonInvite, SlotId};

impl<'b, S: Store> Turn<'_, 'b, S> {
    /// Starts the targets of the present group, as many as Max-Breadth lets be open.
    pub(super) fn fork(&mut self, id: SlotId, request: &Request<'b>) {
        let mut unresolved = Vec::new();
        while let Some(context) = self.contexts.table.get_mut(id) {
            let full = context.open_branches() >= usize::from(context.breadth);
            if full || context.cancelled || !context.server.is_open() || context.branches.len() >= MOST_BRANCHES {
                break;
            }
            let Some(target) = context.next_of_group() else { break };
            unresolved.extend(self.start(id, request, &target.leaving(), Some(target.clone())));
        }
        let Some(context) = self.contexts.table.get_mut(id) else { return };
        if unresolved.is_empty() {
            context.waits = None;
        }
        for target in unresolved.into_iter().rev() {
            context.targets.push_front(target);
        }
    }

    /// Divides the breadth among `together` branches that begin at one time. A single branch takes what the request brought.
    pub(super) fn share(&mut self, id: SlotId, together: usize) {
        let brought = self.message.first(HeaderId::MAX_BREADTH).is_some();
        let Some(context) = self.contexts.table.get_mut(id) else { return };
        context.share = match together {
            0 | 1 if !brought => 0,
            0 | 1 => context.breadth,
            _ => (usize::from(context.breadth) / together).clamp(1, MOST_BREADTH.into()) as u8,
        };
    }

    /// Sends the request to one target. `own` is kept where the target may be needed again: its name may have more
    /// addresses. Gives the target back when its name is not known yet.
    pub(super) fn start(
        &mut self,
        id: SlotId,
        request: &Request<'b>,
        leaving: &Leaving<'_>,
        own: Option<Target>,
    ) -> Option<Target> {
        let tried = own.as_ref().map_or(&[][..], |target| &target.tried);
        let others = own.as_ref().is_some_and(|target| !target.others.is_empty());
        let (to, more) = match self.look_for(leaving, tried) {
            Found::Path { to, more } => (self.sized(leaving, to), more),
            Found::Nowhere(why) => {
                let status = self.no_way(request, leaving, why);
                self.failed_to_start(id, status);
                return None;
            }
            Found::Asked(question) => {
                let (now, patience) = (self.now.monotonic_ms, self.work.names.patience_ms());
                let context = self.contexts.table.get_mut(id)?;
                let waits = context.waits.get_or_insert(Waits { until: now + patience, again: 0 });
                if now >= waits.until {
                    self.failed_to_start(id, 504);
                    return None;
                }
                waits.again = waits.until;
                self.work.note(|| "waits for its name to be resolved".into());
                self.contexts.waiting.entry(question).or_default().push(id);
                return own;
            }
        };
        let (number, share, next) = match self.contexts.table.get(id) {
            Some(context) => (context.branches.len(), context.share, more || others || context.has_stand_in()),
            None => return None,
        };
        let fork = u8::try_from(number).ok();
        let Some(word) = self.compose(request, leaving, &to, fork, (share > 0).then_some(share)) else {
            self.failed_to_start(id, 503);
            return None;
        };
        let mut bytes = Vec::new();
        self.work.edits.apply(self.message.bytes(), &mut bytes);
        let now = self.now.monotonic_ms;
        let Contexts { table, outputs, timers, .. } = &mut *self.contexts;
        let mut wire = Wire::new(self.out, outputs, to);
        let client = match request.method {
            Method::Invite => Client::Invite(ClientInvite::new(now, timers, reliability(&to), bytes.into(), &mut wire)),
            _ => Client::NonInvite(ClientNonInvite::new(now, timers, reliability(&to), bytes.into(), &mut wire)),
        };
        let target = own.filter(Target::has_more).map(Box::new);
        let patience = next.then(|| now + self.snapshot.patience_ms(request.method));
        let timer_c = now + timers.c;
        let cancel = Cancel::No;
        let path = (!leaving.path.is_empty()).then(|| leaving.path.into());
        let branch = Branch { client, word, to, timer_c, cancel, patience, given_up: false, target, path, watch: None };
        table.bind(branch.key(request.method), id, Part(number as u16 + 1));
        if let Some(context) = table.get_mut(id) {
            context.branches.push(branch);
        }
        if let Some(watched) = leaving.watched {
            let watch = self.desk().watch(watched);
            if let Some(branch) = self.contexts.branch(id, number) {
                branch.watch = Some(watch);
            }
        }
        self.work.counters.count(Counter::ForwardedRequests);
        if number > 0 {
            self.work.counters.count(Counter::Forks);
        }
        self.work.note(|| format!("branch {number} to {}", to.peer));
        None
    }

    /// Sends the request to the next address of a target's name, or by the next flow of its client, if there is one.
    pub(super) fn start_next_address(&mut self, id: SlotId, request: &Request<'b>, mut target: Target) {
        while !matches!(self.look_for(&target.leaving(), &target.tried), Found::Path { .. }) {
            let mut others = std::mem::take(&mut target.others);
            let Some(next) = others.pop_front() else { return };
            target = next.with_others(others);
        }
        let leaving = target.clone();
        self.start(id, request, &leaving.leaving(), Some(target));
    }

    /// The kept request of a context, read again.
    pub(super) fn reread(&mut self, id: SlotId) -> Option<Request<'b>> {
        let loop_hash = self.contexts.table.get(id)?.loop_hash;
        let essentials = check(&self.message, &self.snapshot.limits).ok()?;
        self.read(essentials, loop_hash)
    }

    /// A target that there is no way to: as if it had answered so.
    fn failed_to_start(&mut self, id: SlotId, status: u16) {
        if let Some(context) = self.contexts.table.get_mut(id) {
            context.hop_failed = true;
            Best::see(&mut context.best, status, None, None);
        }
    }
}
