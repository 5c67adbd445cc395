//! What a branch tells of the target that it went to: how long it took, whether it failed, whether the call stands. For target
//! sets that want to know ([`crate::routing::target`]); of other targets nothing is asked.

use super::Desk;
use crate::calls::{CallKey, Put, TargetHalf};
use crate::counter::Counter;
use crate::routing::target::eject::{Record, Treatment, record_word};
use crate::routing::target::latency::{Average, average_word};
use crate::routing::target::{Policy, TargetId, TargetIdentity, TargetSet, TargetSetId};
use crate::store::{Store, TargetHealth};
use dialplane_transaction::SlotId;

/// The target that a request goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watched {
    pub set: TargetSetId,
    pub target: TargetId,
    pub identity: TargetIdentity,
    pub call: Option<CallOf>,
}

/// The call that a request begins, where calls are counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallOf {
    pub key: CallKey,
    pub longest_s: u64,
}

/// What is kept of it for a branch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch {
    of: Watched,
    /// When the request left; `None` once something came back, or was given up.
    begun_ms: Option<u64>,
}

/// What a branch saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Saw {
    /// Nothing in all its time, or in the time that it was given.
    Nothing,
    /// A response of this status.
    Status(u16),
}

/// Seconds for which a call counts that is not answered yet: Timer C (RFC 3261 §16.6 step 11), and some for what follows.
const SETUP_S: u64 = 240;
/// What a failure is worth as a sample of latency: who refuses at once must not be taken for fast.
const FAILURE_MS: u64 = 4000;

impl<S: Store> Desk<'_, S> {
    /// A branch begins.
    pub(super) fn watch(&mut self, of: Watched) -> Watch {
        if let Some(call) = of.call {
            self.count_call(&of, call, SETUP_S);
        }
        Watch { of, begun_ms: Some(self.now.monotonic_ms) }
    }

    /// Tells what a branch saw to whom it may concern.
    pub(super) fn watch_saw(&mut self, id: SlotId, place: usize, saw: Saw) {
        let Some(watch) = self.contexts.branch(id, place).and_then(|branch| branch.watch.as_mut()) else { return };
        let (of, begun) = (watch.of, watch.begun_ms.take());
        if let Some(call) = of.call {
            match saw {
                Saw::Status(..200) => {}
                Saw::Status(200..300) => {
                    self.count_call(&of, call, call.longest_s);
                }
                Saw::Status(300..) | Saw::Nothing => {
                    // Unless another target has it by now.
                    if let Some(of) = self.store.calls().take(call.key, Some(TargetHalf::of(of.identity))) {
                        one_less(self.store.health(), of);
                    }
                }
            }
        }
        // A reload may have given the number to another set.
        let snapshot = self.snapshot;
        let set = snapshot.routes.target_set(of.set);
        let is_same = |set: &&TargetSet| set.target(of.target).is_some_and(|target| target.identity == of.identity);
        let Some(set) = set.filter(is_same) else { return };
        let failed = match saw {
            Saw::Nothing => begun.is_some(),
            Saw::Status(status) => status == 503,
        };
        if let (Policy::Latency, Some(begun)) = (set.policy(), begun) {
            let took = self.now.monotonic_ms.saturating_sub(begun);
            let sample = if failed { took.max(FAILURE_MS) } else { took };
            let now = self.now.unix_ms;
            self.store.health().update(average_word(of.identity), |word| Average::of(word).with(sample, now).word());
        }
        match saw {
            // From a proxy on the way, perhaps.
            Saw::Status(100) => {}
            Saw::Nothing if !failed => {}
            Saw::Nothing | Saw::Status(_) if failed => self.treated(set, &of, Treatment::Failed),
            Saw::Nothing | Saw::Status(_) => self.treated(set, &of, Treatment::Answered),
        }
    }

    fn treated(&mut self, set: &TargetSet, of: &Watched, treatment: Treatment) {
        let Some(settings) = set.eject() else { return };
        let (now, health) = (self.now.unix_ms, self.store.health());
        let before = Record::of(health.read(record_word(of.identity)));
        let may_leave = treatment == Treatment::Failed && set.may_eject_another(now, health);
        if before.on(treatment, now, settings, may_leave) == before {
            return;
        }
        let (mut was, mut is) = (before, before);
        health.update(record_word(of.identity), |word| {
            was = Record::of(word);
            is = was.on(treatment, now, settings, may_leave);
            is.word()
        });
        if is.is_ejected(now) && !was.is_ejected(now) {
            self.work.counters.count(Counter::TargetsEjected);
            let uri =
                set.target(of.target).map_or_else(String::new, |target| String::from_utf8_lossy(&target.uri).into());
            self.work.ejected.push((uri, (is.until_ms - now).div_ceil(1000)));
        }
    }

    /// Counts a call for a target, and no longer for the one that had it.
    fn count_call(&mut self, of: &Watched, call: CallOf, for_s: u64) {
        let (calls, health, half) = (self.store.calls(), self.store.health(), TargetHalf::of(of.identity));
        let now = self.now.unix();
        calls.sweep_in_time(now, |ended| one_less(health, ended));
        let one_more = || health.update(half.count_word(), |calls| calls + 1);
        match calls.put(call.key, half, now + for_s) {
            Put::Full => self.work.counters.count(Counter::CallsUncounted),
            Put::Moved(from) if from == half => {}
            Put::Moved(from) => {
                one_less(health, from);
                one_more();
            }
            Put::New => one_more(),
        }
    }
}

/// A target has a call less.
pub(crate) fn one_less(health: &impl TargetHealth, of: TargetHalf) {
    health.update(of.count_word(), |calls| calls.saturating_sub(1));
}
