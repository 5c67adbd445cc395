//! Target sets: next hops that can stand for each other, and the order in which a request tries them. RFC 3261 §16.5–16.6.
//!
//! A set is immutable. What makes two requests go different ways comes in: a key for `hash`, chance for the other
//! policies; the health, open calls and latency of each target, which all workers share.
//!
//! **Groups.** Whatever the policy, targets with the lowest `priority` number come first; those of a higher number are
//! used when none of a lower one is up. The policy orders the targets within a group:
//!
//! | policy | first choice within the group | the rest, for failover |
//! |---|---|---|
//! | `calls` | the one with the fewest open calls for its weight | those with the next fewest |
//! | `latency` | of two drawn as by `weight`, the one that answers sooner | the other, then as by `weight` |
//! | `weight` | by chance, in proportion to the weights | drawn the same way from those that remain |
//! | `hash` | by the key, in proportion to the weights: the same key goes to the same target | the same |
//! | `round-robin` | the next of the group in turn | those that follow it |
//! | `priority` | the first in the file | the next in the file |
//!
//! A target of weight 0 takes no share: it comes behind all others of its group.
//!
//! `calls` counts what [`crate::calls`] says. `latency` looks at two only ("power of two choices"): if all took the best, it would be
//! the best no more.
//!
//! **Health.** Targets that are down, ejected or drained are left out. When no target of the set is up, those that are down
//! or ejected are tried as if they were up ([`Supply::AllDown`]): a probe that cannot get through, or a target that dislikes OPTIONS, must not be able to stop
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
pub mod eject;
mod hop;
pub(crate) mod latency;
mod order;
pub(crate) mod score;
mod standing;

pub use build::{identity_of, sets};
pub use hop::{HopHost, NextHop};
pub use standing::{DOWN, DRAINED, Report, Standing};

use crate::routing::probe::ProbeSettings;
use eject::EjectSettings;
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
    /// Fewest open calls.
    Calls,
    /// The same key goes to the same target.
    Hash(HashBy),
    /// The one of two that answers sooner.
    Latency,
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
    /// Whether the file says that it gets no new calls.
    pub drain: bool,
}

/// A target set, never empty.
#[derive(Clone, Debug)]
pub struct TargetSet {
    name: Box<str>,
    policy: Policy,
    probe: Option<ProbeSettings>,
    eject: Option<EjectSettings>,
    longest_call_s: u64,
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
    drain: bool,
}

/// Most targets that one request tries.
pub const MAX_CHOICES: usize = 8;

/// The targets for one request, first choice first, at most [`MAX_CHOICES`].
pub type Choices = SmallVec<[TargetId; MAX_CHOICES]>;

/// What a choice was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supply {
    /// No target is up; the choice was made as if those that are not drained were.
    AllDown,
    /// Every target is drained; there is no choice.
    AllDrained,
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

    /// How its targets are ejected, if they are.
    #[must_use]
    pub fn eject(&self) -> Option<&EjectSettings> {
        self.eject.as_ref()
    }

    /// Seconds for which a call counts whose end is not seen.
    #[must_use]
    pub fn longest_call_s(&self) -> u64 {
        self.longest_call_s
    }

    /// Whether it wants to know what becomes of requests: a transaction must then be kept of each.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.eject.is_some() || matches!(self.policy, Policy::Calls | Policy::Latency)
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

/// Hash that is the same in all processes and versions.
fn stable_hash(text: &[u8]) -> u64 {
    let mut hasher = siphasher::sip::SipHasher13::new();
    hasher.write(text);
    hasher.finish()
}

#[cfg(test)]
mod tests;
