//! Whether a target takes requests, and what is told of it. See the [module](super).

use super::eject::{Record, record_word};
use super::latency::{Average, average_word};
use super::{Member, Policy, TargetId, TargetSet};
use crate::calls::TargetHalf;
use crate::store::TargetHealth;

/// Bit of the state word: the prober found the target down.
pub const DOWN: u64 = 1;
/// Bit of the state word: the operator wants it to get no new calls.
pub const DRAINED: u64 = 2;

/// Whether a target takes requests outside dialogs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The prober found it down.
    Down,
    /// The operator wants it to get none; its dialogs go on.
    Drained,
    /// It failed too often, and is left alone until that millisecond since 1970.
    Ejected(u64),
    /// It does.
    Up,
}

impl Standing {
    /// In one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Drained => "drained",
            Self::Ejected(_) => "ejected",
            Self::Up => "up",
        }
    }
}

/// What is told of a target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// Whether it takes requests.
    pub standing: Standing,
    /// Calls that it has open, where the set counts them.
    pub calls: Option<u64>,
    /// How long it takes in milliseconds, where the set measures it.
    pub latency_ms: Option<f64>,
}

impl TargetSet {
    /// What is to be told of a target.
    pub fn report(&self, id: TargetId, now_ms: u64, health: &impl TargetHealth) -> Option<Report> {
        let member = self.members.iter().find(|member| member.id == id)?;
        Some(Report {
            standing: self.standing(member, now_ms, health),
            calls: (self.policy == Policy::Calls).then(|| open_calls(member, health)),
            latency_ms: (self.policy == Policy::Latency).then(|| latency(member, now_ms, health)),
        })
    }

    /// Whether one more of its targets may be ejected.
    pub(crate) fn may_eject_another(&self, now_ms: u64, health: &impl TargetHealth) -> bool {
        let Some(settings) = &self.eject else { return false };
        let is_out = |member: &&Member| Record::of(health.read(record_word(member.identity))).is_ejected(now_ms);
        self.members.iter().filter(is_out).count() < settings.most(self.members.len())
    }

    #[inline]
    pub(super) fn standing(&self, member: &Member, now_ms: u64, health: &impl TargetHealth) -> Standing {
        let state = health.read(member.identity.0);
        if member.drain || state & DRAINED != 0 {
            return Standing::Drained;
        }
        if state & DOWN != 0 {
            return Standing::Down;
        }
        if self.eject.is_some() {
            let record = Record::of(health.read(record_word(member.identity)));
            if record.is_ejected(now_ms) {
                return Standing::Ejected(record.until_ms);
            }
        }
        Standing::Up
    }
}

/// Calls that a target has open.
pub(super) fn open_calls(member: &Member, health: &impl TargetHealth) -> u64 {
    health.read(TargetHalf::of(member.identity).count_word())
}

/// How long a target takes, in milliseconds.
pub(super) fn latency(member: &Member, now_ms: u64, health: &impl TargetHealth) -> f64 {
    Average::of(health.read(average_word(member.identity))).at(now_ms)
}
