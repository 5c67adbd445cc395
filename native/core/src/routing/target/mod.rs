//! Target sets: next hops that can stand for each other, and the order in which a request tries them. RFC 3261 §16.5–16.6.
//!
//! A set is immutable. What makes two requests go different ways comes in: a key for `hash`, chance for the other
//! policies, health for all.
//!
//! **Groups.** Whatever the policy, targets with the lowest `priority` number come first; those of a higher number are
//! used when none of a lower one is up. The policy orders the targets within a group:
//!
//! | policy | first choice within the group | the rest, for failover |
//! |---|---|---|
//! | `weight` | by chance, in proportion to the weights | drawn the same way from those that remain |
//! | `hash` | by the key, in proportion to the weights: the same key goes to the same target | the same |
//! | `round-robin` | the next of the group in turn | those that follow it |
//! | `priority` | the first in the file | the next in the file |
//!
//! A target of weight 0 takes no share: it comes behind all others of its group.
//!
//! **Health.** Targets that are down are left out. When every target of the set is down, all are tried as if all were up
//! ([`Supply::AllDown`]): a probe that cannot get through, or a target that dislikes OPTIONS, must not be able to stop
//! all calls. With `weight` and `hash`, a target that goes down or is taken out of the file moves only its own share: every other
//! request or key stays where it was.
//!
//! **Chance.** RFC 3261 §16.11: a stateless proxy sends each retransmission, and the CANCEL and the non-routed ACK of an
//! INVITE, to the same target. So its caller must derive `chance` from what these have in common (a hash of the branch in the top Via);
//! `round-robin` then gives equal shares in no order. A stateful caller hands in a random number, or for `round-robin`
//! the number of this request in the set's sequence, which it counts itself.
//! DEVIATION: §16.11 allows only what never changes to decide. Health does change; a retransmission may then go to another
//! target than the request before it, which is what the caller of a dead target wants.

mod build;
mod hop;
mod order;
pub(crate) mod score;

pub use hop::{HopHost, NextHop};

use crate::routing::probe::ProbeSettings;
use crate::store::TargetHealth;
use smallvec::SmallVec;
use std::hash::Hasher as _;
use std::ops::Range;

/// Index of a target set in its table, in file order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetSetId(pub u16);

/// Index of a target in its set, in file order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetId(pub u16);

/// What a target is known by across sets, reloads, processes and hosts: a hash of its next hop. Key of [`TargetHealth`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetIdentity(pub u64);

/// How the targets of a group share the requests. See the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The same key goes to the same target.
    Hash(HashBy),
    /// File order.
    Priority,
    /// In turn.
    RoundRobin,
    /// By chance.
    Weight,
}

/// What the caller takes as the key of [`Policy::Hash`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashBy {
    /// The Call-ID: all requests of a call.
    CallId,
    /// The URI in From: all requests of a caller.
    From,
    /// The address that the request came from.
    Source,
    /// The URI in To.
    To,
    /// The request URI.
    Uri,
}

/// One next hop of a set.
#[derive(Clone, Debug)]
pub struct Target {
    /// URI as the file has it.
    pub uri: Box<[u8]>,
    /// Where requests to that URI go.
    pub hop: NextHop,
    /// Hash of the next hop.
    pub identity: TargetIdentity,
    /// Share within its group.
    pub weight: u32,
    /// Group; the lowest comes first.
    pub priority: u32,
}

/// A target set, never empty.
#[derive(Clone, Debug)]
pub struct TargetSet {
    name: Box<str>,
    policy: Policy,
    probe: Option<ProbeSettings>,
    targets: Box<[Target]>,
    /// Groups by ascending priority.
    groups: Box<[Group]>,
    /// Targets of all groups; see [`Group`].
    members: Box<[Member]>,
}

/// Targets of one priority: those with a weight in file order, then those without.
#[derive(Clone, Debug)]
struct Group {
    sharing: Range<usize>,
    reserve: Range<usize>,
}

/// A target as the choice needs it.
#[derive(Clone, Copy, Debug)]
struct Member {
    id: TargetId,
    identity: TargetIdentity,
    /// See [`score::inverse`]; 0 for a weight of 0.
    inverse: u64,
}

/// Most targets that one request tries.
pub const MAX_CHOICES: usize = 8;

/// The targets for one request, first choice first, at most [`MAX_CHOICES`].
pub type Choices = SmallVec<[TargetId; MAX_CHOICES]>;

/// What a choice was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supply {
    /// Every target is down; the choice was made as if all were up.
    AllDown,
    /// At least one target is up; the choice holds no other.
    Up,
}

impl TargetSet {
    /// Name in the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How requests are shared; [`Policy::Hash`] says what the key is.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// How its targets are probed, if they are.
    #[must_use]
    pub fn probe(&self) -> Option<&ProbeSettings> {
        self.probe.as_ref()
    }

    /// All targets in file order; [`TargetId`] is the index.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// One target; `None` for an id of another set.
    #[must_use]
    pub fn target(&self, id: TargetId) -> Option<&Target> {
        self.targets.get(usize::from(id.0))
    }
}

/// Whether the state word of a target says that it takes requests. The lowest bit is the prober's; the others are kept for
/// reasons that do not exist yet.
#[must_use]
pub fn is_up(state: u64) -> bool {
    state & DOWN == 0
}

/// Bit of the state word: the prober found the target down.
pub const DOWN: u64 = 1;

/// Hash that is the same in all processes and versions.
fn stable_hash(text: &[u8]) -> u64 {
    let mut hasher = siphasher::sip::SipHasher13::new();
    hasher.write(text);
    hasher.finish()
}

fn is_target_up(health: &impl TargetHealth, identity: TargetIdentity) -> bool {
    is_up(health.read(identity.0))
}

#[cfg(test)]
mod tests;
