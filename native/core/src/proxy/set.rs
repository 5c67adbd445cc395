//! Which target of a set a request goes to, and which stand in for it. RFC 3261 §16.5, §16.6 (serial search), §16.11.

use super::context::{CallOf, Target, Watched, one_less};
use super::hop::{Leaving, Next};
use super::request::{Request, makes_transaction};
use crate::calls::{CallKey, TargetHalf};
use crate::counter::Counter;
use crate::routing::Mode;
use crate::routing::target::{
    Choices, HashBy, NextHop, Policy, Supply, Target as SetTarget, TargetId, TargetSet, TargetSetId,
};
use crate::store::Store;
use crate::turn::{Step, Turn};
use dialplane_syntax::Method;
use std::collections::VecDeque;

impl<'t, 'b, S: Store> Turn<'t, 'b, S> {
    /// To a target of a set. `mode` is what the rule says.
    pub(super) fn by_target_set<'l>(
        &mut self,
        request: &Request<'b>,
        id: TargetSetId,
        mode: Option<Mode>,
        leaving: impl Fn(Next<'l>) -> Leaving<'l>,
    ) -> Step
    where
        't: 'l,
    {
        let Some(set) = self.snapshot.routes.target_set(id) else { return self.refuse(503) };
        let stateful = mode.unwrap_or_else(|| mode_of(set)) == Mode::Stateful;
        if !stateful || !makes_transaction(request.method) {
            return match self.first_of(request, set) {
                Some(hop) => self.forward(request, &Leaving { stateful, ..leaving(Next::Hop(hop)) }),
                None => self.refuse(503),
            };
        }
        let mut choices = Choices::new();
        self.choices(request, set, &mut choices);
        let call = self.call_of(request, set);
        if let Some(call) = call {
            self.stay(set, call.key, &mut choices);
        }
        let of = |choice: TargetId, target: &'t SetTarget| Leaving {
            stateful: true,
            watched: set.is_watched().then_some(Watched { set: id, target: choice, identity: target.identity, call }),
            ..leaving(Next::Hop(&target.hop))
        };
        let mut ways = choices.iter().filter_map(|&choice| Some(of(choice, set.target(choice)?)));
        let Some(first) = ways.next() else { return self.refuse(503) };
        let rest = ways.enumerate().map(|(place, way)| Target::new(&way, place as u16 + 1, true)).collect();
        self.begin(request, &first, VecDeque::new(), rest, self.snapshot.ring_ms)
    }

    /// The target for a request of which nothing is kept: the same for each retransmission, CANCEL and ACK (§16.11).
    fn first_of(&mut self, request: &Request<'b>, set: &'t TargetSet) -> Option<&'t NextHop> {
        let source = match set.policy() {
            Policy::Hash(HashBy::Source) => self.path.peer.ip().to_string(),
            _ => String::new(),
        };
        let (key, chance) = (set_key(set, request, source.as_bytes()), self.chance(request));
        let (id, supply) = set.first(key, chance, self.now.unix_ms, self.store.health());
        self.note_choice(set, id, supply);
        set.target(id?).map(|target| &target.hop)
    }

    /// The targets of a set in the order in which this request tries them.
    fn choices(&mut self, request: &Request<'b>, set: &TargetSet, out: &mut Choices) {
        let source = match set.policy() {
            Policy::Hash(HashBy::Source) => self.path.peer.ip().to_string(),
            _ => String::new(),
        };
        let (key, chance) = (set_key(set, request, source.as_bytes()), self.chance(request));
        let supply = set.choose(key, chance, self.now.unix_ms, self.store.health(), out);
        self.note_choice(set, out.first().copied(), supply);
    }

    fn note_choice(&mut self, set: &TargetSet, id: Option<TargetId>, supply: Supply) {
        match supply {
            Supply::AllDown => self.work.counters.count(Counter::TargetsAllDown),
            Supply::AllDrained => self.work.counters.count(Counter::NoTarget),
            Supply::Up => {}
        }
        let Some(trace) = &mut self.work.trace else { return };
        for (place, other) in set.targets().iter().enumerate() {
            let place = TargetId(place as u16);
            let report = set.report(place, self.now.unix_ms, self.store.health());
            let state = report.map_or("", |report| report.standing.name());
            trace.candidate(&other.uri, format!("target set {}, {state}", set.name()), id == Some(place));
        }
        let chosen = id.and_then(|id| set.target(id)).map_or(&b"none, all are drained"[..], |target| &target.uri);
        self.work.note(|| format!("target set {}: {}", set.name(), String::from_utf8_lossy(chosen)));
    }

    /// What chance decides for this request: the same for each retransmission, CANCEL and ACK (§16.11).
    fn chance(&mut self, request: &Request<'b>) -> u64 {
        let scratch = &mut self.work.scratch;
        scratch.clear();
        scratch.extend_from_slice(request.essentials.via.branch.unwrap_or_default());
        scratch.extend_from_slice(request.essentials.call_id);
        self.snapshot.keys.looping.hash(scratch)
    }

    /// The call that this request begins, if its set counts calls.
    fn call_of(&self, request: &Request<'b>, set: &TargetSet) -> Option<CallOf> {
        let begins = request.method == Method::Invite && request.essentials.to.tag().is_none();
        let counts = begins && set.policy() == Policy::Calls;
        counts.then(|| CallOf { key: self.call_key(request), longest_s: set.longest_call_s() })
    }

    fn call_key(&self, request: &Request<'b>) -> CallKey {
        CallKey(self.snapshot.keys.looping.hash(request.essentials.call_id))
    }

    /// A call that is counted goes where it went: its INVITE comes again when the worker that kept it has died.
    fn stay(&self, set: &TargetSet, call: CallKey, choices: &mut Choices) {
        let Some(half) = self.store.calls().target(call) else { return };
        let is_its = |id: &TargetId| set.target(*id).is_some_and(|target| TargetHalf::of(target.identity) == half);
        if let Some(place) = choices.iter().position(is_its) {
            choices[..=place].rotate_right(1);
        }
    }

    /// RFC 3261 §15: a BYE ends its dialog, whatever is answered.
    pub(super) fn end_call(&mut self, request: &Request<'b>) {
        if let Some(of) = self.store.calls().take(self.call_key(request), None) {
            one_less(self.store.health(), of);
        }
    }
}

/// What the rule of a set means when it does not say: whoever names several hops wants the next one tried when one fails, and
/// what is watched has to be kept.
fn mode_of(set: &TargetSet) -> Mode {
    if set.targets().len() > 1 || set.is_watched() { Mode::Stateful } else { Mode::Stateless }
}

/// What [`Policy::Hash`] of a set looks at.
fn set_key<'b>(set: &TargetSet, request: &Request<'b>, source: &'b [u8]) -> &'b [u8] {
    let essentials = &request.essentials;
    match set.policy() {
        Policy::Hash(HashBy::CallId) => essentials.call_id,
        Policy::Hash(HashBy::From) => essentials.from.uri,
        Policy::Hash(HashBy::To) => essentials.to.uri,
        Policy::Hash(HashBy::Uri) => request.routed.uri,
        Policy::Hash(HashBy::Source) => source,
        Policy::Calls | Policy::Latency | Policy::Priority | Policy::RoundRobin | Policy::Weight => b"",
    }
}
