//! Health of targets by OPTIONS: when to ask, whom, and what an answer or silence means. RFC 3261 §11, §17.1.2.
//!
//! Without input or output: [`Prober::poll`] says what to send and when to come back. One process probes; it writes what it finds
//! to [`TargetHealth`], where every worker reads it.
//!
//! Any worker may receive the answer, since all share the address that it comes to. So answers take the way over the same
//! page: whoever receives one, and has found its branch to be authentic, calls [`note_answer`]; the prober looks there when one of its timers
//! fires, at most T1 (500 ms) later. No process waits for another, and one that dies takes nothing with it: its successor reads
//! who is down from the page.
//!
//! Two machines per target, both printed in `native/core/tables/probe.md`: `ask` is one question, with the timers of a
//! non-INVITE client transaction; `liveness` counts outcomes against the thresholds.
//!
//! A target that several sets name is probed once, by the settings of the first set that has any. One that no set probes
//! counts as up.

mod ask;
mod liveness;
mod message;
mod settings;
#[cfg(test)]
mod tests;

pub use liveness::{Change, Liveness};
pub use settings::ProbeSettings;

use crate::routing::RouteTable;
use crate::routing::target::{DOWN, NextHop, TargetIdentity};
use crate::store::TargetHealth;
use ask::{Ask, Effect, Event};
use std::collections::{BTreeSet, HashMap};

/// Names one question: what an answer to it brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeId {
    /// Who is asked.
    pub target: TargetIdentity,
    /// Number of the question, its CSeq.
    pub sequence: u32,
}

/// How a question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A final response whose status means "alive".
    Alive,
    /// Another final response, or none in time.
    Dead,
}

/// A question to be sent now.
#[derive(Clone, Copy, Debug)]
pub struct Probe<'p> {
    /// Its name.
    pub id: ProbeId,
    /// URI of the target.
    pub uri: &'p [u8],
    /// Where to send it. If its name is not resolved yet, send nothing: the next retransmission will come.
    pub hop: &'p NextHop,
    /// URI for From, if the configuration has one.
    pub from: Option<&'p [u8]>,
    /// Number that is this prober's own, in Call-ID and From tag.
    instance: u64,
}

/// What [`Prober::poll`] wants.
#[derive(Debug)]
pub enum Poll<'p> {
    /// A question has ended: to be counted and, where something changed, logged.
    Ended {
        /// The question.
        probe: Probe<'p>,
        /// How it ended.
        outcome: Outcome,
        /// What that changed.
        change: Change,
    },
    /// Send this, the first time or again.
    Send(Probe<'p>),
    /// Nothing to do before this time in milliseconds of the monotonic clock; `None`: before the next reload.
    Wait(Option<u64>),
}

/// The prober of one host. See the [module](self).
#[derive(Debug)]
pub struct Prober {
    instance: u64,
    targets: Vec<Probed>,
    /// When each target wants to be looked at, and its index.
    timers: BTreeSet<(u64, usize)>,
    /// Targets that came up or went down, until somebody asks.
    changed: Vec<(Box<[u8]>, Change)>,
}

#[derive(Clone, Debug)]
struct Probed {
    identity: TargetIdentity,
    uri: Box<[u8]>,
    hop: NextHop,
    settings: ProbeSettings,
    sequence: u32,
    ask: Ask,
    liveness: Liveness,
}

/// The first questions after a start or reload are spread over this time.
const SPREAD_MS: u64 = 1000;
/// CSeq numbers are below 2^31 (RFC 3261 §8.1.1.5).
const MAX_SEQUENCE: u32 = (1 << 31) - 1;

impl Prober {
    /// A prober without targets. `instance` is random: it makes Call-ID and From tag unique (RFC 3261 §8.1.1.3, §8.1.1.4).
    #[must_use]
    pub fn new(instance: u64) -> Self {
        Self { instance, targets: Vec::new(), timers: BTreeSet::new(), changed: Vec::new() }
    }

    /// Takes the targets of a table. Those that were probed before stay as they are found to be.
    pub fn reload(&mut self, now_ms: u64, table: &RouteTable, health: &impl TargetHealth) {
        let mut before: HashMap<TargetIdentity, Probed> =
            self.targets.drain(..).map(|target| (target.identity, target)).collect();
        let mut unprobed = Vec::new();
        let mut added = Vec::new();
        for set in table.target_sets() {
            for target in set.targets() {
                let Some(settings) = set.probe() else {
                    unprobed.push(target.identity);
                    continue;
                };
                if self.targets.iter().any(|probed| probed.identity == target.identity) {
                    continue;
                }
                let (sequence, ask, liveness) = match before.remove(&target.identity) {
                    Some(known) => (known.sequence, known.ask, known.liveness),
                    None => {
                        added.push(self.targets.len());
                        let down = health.read(target.identity.0) & DOWN != 0;
                        let liveness = if down { Liveness::Down } else { Liveness::Unknown };
                        (self.first_sequence(), Ask::Idle { due: now_ms }, liveness)
                    }
                };
                self.targets.push(Probed {
                    identity: target.identity,
                    uri: target.uri.clone(),
                    hop: target.hop.clone(),
                    settings: settings.clone(),
                    sequence,
                    ask,
                    liveness,
                });
            }
        }
        for (place, &index) in added.iter().enumerate() {
            let spread = SPREAD_MS.min(self.targets[index].settings.interval_ms);
            self.targets[index].ask = Ask::Idle { due: now_ms + spread * place as u64 / added.len() as u64 };
        }
        unprobed.retain(|identity| self.targets.iter().all(|probed| probed.identity != *identity));
        for identity in unprobed {
            if health.read(identity.0) & DOWN != 0 {
                health.update(identity.0, |state| state & !DOWN);
            }
        }
        self.timers = self.targets.iter().enumerate().map(|(index, target)| (target.ask.timer(), index)).collect();
    }

    /// Next thing to do; to be called again until it is [`Poll::Wait`].
    pub fn poll(&mut self, now_ms: u64, health: &impl TargetHealth) -> Poll<'_> {
        loop {
            let Some(&(timer, index)) = self.timers.first() else { return Poll::Wait(None) };
            if timer > now_ms {
                return Poll::Wait(Some(timer));
            }
            self.timers.pop_first();
            let target = &mut self.targets[index];
            let effect = target.step(now_ms, health);
            self.timers.insert((target.ask.timer(), index));
            match effect {
                Effect::Nothing => {}
                Effect::Send => return Poll::Send(self.probe(index)),
                Effect::End(outcome) => {
                    let change = self.targets[index].end(outcome, health);
                    if change != Change::None {
                        self.changed.push((self.targets[index].uri.clone(), change));
                    }
                    return Poll::Ended { probe: self.probe(index), outcome, change };
                }
            }
        }
    }

    /// URI of a target that came up or went down since it was last asked for, and which.
    pub fn poll_change(&mut self) -> Option<(Box<[u8]>, Change)> {
        self.changed.pop()
    }

    /// What is known of each target, in the order of the file.
    pub fn states(&self) -> impl Iterator<Item = (TargetIdentity, Liveness)> {
        self.targets.iter().map(|target| (target.identity, target.liveness))
    }

    fn probe(&self, index: usize) -> Probe<'_> {
        let target = &self.targets[index];
        Probe {
            id: ProbeId { target: target.identity, sequence: target.sequence },
            uri: &target.uri,
            hop: &target.hop,
            from: target.settings.from_uri.as_deref(),
            instance: self.instance,
        }
    }

    /// Number before the first question's; random, so that a late answer to this prober's predecessor is not taken for one to us.
    fn first_sequence(&self) -> u32 {
        self.instance as u32 % (MAX_SEQUENCE / 2)
    }
}

impl Probed {
    /// One of its timers has fired: looks whether an answer has come, else does what the timer says.
    fn step(&mut self, now_ms: u64, health: &impl TargetHealth) -> Effect {
        let event = match (self.ask, self.answer(health)) {
            (Ask::Trying { .. } | Ask::Proceeding { .. }, Some(status @ 200..)) => {
                let alive = self.settings.accept.contains(&status);
                Event::Final(if alive { Outcome::Alive } else { Outcome::Dead })
            }
            (Ask::Trying { .. }, Some(_)) if !self.ask.is_late(now_ms) => Event::Provisional,
            (Ask::Idle { .. } | Ask::Trying { .. } | Ask::Proceeding { .. }, _) => self.ask.fired(now_ms),
        };
        if event == Event::Due {
            self.sequence = if self.sequence == MAX_SEQUENCE { 1 } else { self.sequence + 1 };
        }
        self.ask.on_event(now_ms, event, &self.settings, self.hop.transport)
    }

    /// Status of the answer to the present question, if one has come.
    fn answer(&self, health: &impl TargetHealth) -> Option<u16> {
        let word = health.read(answer_word(self.identity));
        (word as u32 == self.sequence).then_some((word >> 32) as u16)
    }

    fn end(&mut self, outcome: Outcome, health: &impl TargetHealth) -> Change {
        let change = self.liveness.on_outcome(outcome, &self.settings);
        match change {
            Change::None => {}
            Change::CameUp => health.update(self.identity.0, |state| state & !DOWN),
            Change::WentDown => health.update(self.identity.0, |state| state | DOWN),
        }
        change
    }
}

/// Tells the prober, wherever it runs, that a response to a question has come. The caller has made sure that the branch of the
/// response is one that we wrote.
pub fn note_answer(id: ProbeId, status: u16, health: &impl TargetHealth) {
    health.write(answer_word(id.target), u64::from(status) << 32 | u64::from(id.sequence));
}

/// Name of the word that holds the last answer of a target.
fn answer_word(target: TargetIdentity) -> u64 {
    !target.0.rotate_left(32)
}
