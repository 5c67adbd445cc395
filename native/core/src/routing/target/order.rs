//! The order in which a request tries the targets of a set. See the [module](super).

use super::score::{draw, mix};
use super::standing::{Standing, latency, open_calls};
use super::{Choices, Group, MAX_CHOICES, Member, Policy, Supply, TargetId, TargetSet, stable_hash};
use crate::store::TargetHealth;
use smallvec::SmallVec;

impl TargetSet {
    /// Replaces `out` by the targets for one request, first choice first; at most [`MAX_CHOICES`], and at least one unless
    /// all are drained.
    ///
    /// `key` is what [`Policy::Hash`] names (not looked at by other policies), `chance` as the [module](super) says, `now_ms` the
    /// time since 1970.
    pub fn choose(
        &self,
        key: &[u8],
        chance: u64,
        now_ms: u64,
        health: &impl TargetHealth,
        out: &mut Choices,
    ) -> Supply {
        out.clear();
        let seed = self.seed(key, chance);
        let standing = |member: &Member| self.standing(member, now_ms, health);
        self.order(seed, now_ms, health, |member| standing(member) == Standing::Up, out);
        if !out.is_empty() {
            return Supply::Up;
        }
        self.order(seed, now_ms, health, |member| standing(member) != Standing::Drained, out);
        if out.is_empty() { Supply::AllDrained } else { Supply::AllDown }
    }

    /// The first choice alone; the same as the first of [`Self::choose`], and cheaper.
    #[must_use]
    pub fn first(
        &self,
        key: &[u8],
        chance: u64,
        now_ms: u64,
        health: &impl TargetHealth,
    ) -> (Option<TargetId>, Supply) {
        let seed = self.seed(key, chance);
        if let Some(best) = self.groups.first().and_then(|group| self.best(group, seed))
            && self.standing(best, now_ms, health) == Standing::Up
        {
            return (Some(best.id), Supply::Up);
        }
        let mut choices = Choices::new();
        let supply = self.choose(key, chance, now_ms, health, &mut choices);
        (choices.first().copied(), supply)
    }

    fn seed(&self, key: &[u8], chance: u64) -> u64 {
        match self.policy {
            Policy::Hash(_) => stable_hash(key),
            Policy::Calls | Policy::Latency | Policy::Weight => mix(chance),
            Policy::Priority | Policy::RoundRobin => chance,
        }
    }

    /// First choice of a group if all its targets are up; `None` if only its reserve, or what they have to do, could tell.
    fn best(&self, group: &Group, seed: u64) -> Option<&Member> {
        let sharing = self.members.get(group.sharing.clone())?;
        match self.policy {
            Policy::Calls | Policy::Latency => None,
            Policy::Hash(_) | Policy::Weight => {
                sharing.iter().min_by_key(|member| draw(seed, member.identity.0, member.inverse))
            }
            Policy::Priority => sharing.first(),
            Policy::RoundRobin => sharing.get((seed % (sharing.len() as u64).max(1)) as usize),
        }
    }

    fn order(
        &self,
        seed: u64,
        now_ms: u64,
        health: &impl TargetHealth,
        up: impl Fn(&Member) -> bool,
        out: &mut Choices,
    ) {
        for group in &self.groups {
            let members = |range: &std::ops::Range<usize>| self.members.get(range.clone()).unwrap_or_default();
            let sharing = members(&group.sharing);
            match self.policy {
                Policy::Calls => by_calls(sharing, seed, health, &up, out),
                Policy::Hash(_) | Policy::Weight => {
                    extend(out, drawn(sharing, seed, &up).into_iter().map(|(_, member)| member));
                }
                Policy::Latency => by_latency(sharing, seed, now_ms, health, &up, out),
                Policy::Priority => extend(out, sharing.iter().filter(|member| up(member))),
                Policy::RoundRobin => in_turn(sharing, seed, &up, out),
            }
            extend(out, members(&group.reserve).iter().filter(|member| up(member)));
            if out.len() == MAX_CHOICES {
                return;
            }
        }
    }
}

/// Members that are up with their draws, the smallest first.
type Drawn<'m> = SmallVec<[(u64, &'m Member); 16]>;

fn drawn(members: &[Member], seed: u64, up: impl Fn(&Member) -> bool) -> Drawn<'_> {
    let mut draws: Drawn<'_> = members
        .iter()
        .filter(|member| up(member))
        .map(|member| (draw(seed, member.identity.0, member.inverse), member))
        .collect();
    draws.sort_unstable_by_key(|(draw, member)| (*draw, member.id));
    draws
}

/// Fewest calls for its weight, with the one that is to be chosen for; among equals by draw.
fn by_calls(
    members: &[Member],
    seed: u64,
    health: &impl TargetHealth,
    up: impl Fn(&Member) -> bool,
    out: &mut Choices,
) {
    let mut draws = drawn(members, seed, up);
    let load = |member: &Member| u128::from(open_calls(member, health) + 1) * u128::from(member.inverse);
    draws.sort_by_cached_key(|(_, member)| load(member));
    extend(out, draws.into_iter().map(|(_, member)| member));
}

fn by_latency(
    members: &[Member],
    seed: u64,
    now_ms: u64,
    health: &impl TargetHealth,
    up: impl Fn(&Member) -> bool,
    out: &mut Choices,
) {
    let mut draws = drawn(members, seed, up);
    if let [(_, first), (_, second), ..] = &mut draws[..]
        && latency(second, now_ms, health) < latency(first, now_ms, health)
    {
        std::mem::swap(first, second);
    }
    extend(out, draws.into_iter().map(|(_, member)| member));
}

/// The turn goes round over all targets, so that nobody else's turn changes when one goes down; the turns of those that
/// are down go round over the others.
fn in_turn(members: &[Member], turn: u64, up: impl Fn(&Member) -> bool, out: &mut Choices) {
    let all = members.len() as u64;
    let alive: SmallVec<[usize; 16]> = (0..members.len()).filter(|&place| up(&members[place])).collect();
    if alive.is_empty() {
        return;
    }
    let first = match alive.binary_search(&((turn % all) as usize)) {
        Ok(place) => place,
        Err(_) => (turn / all % alive.len() as u64) as usize,
    };
    let (before, from) = alive.split_at(first);
    extend(out, from.iter().chain(before).map(|&place| &members[place]));
}

fn extend<'m>(out: &mut Choices, members: impl Iterator<Item = &'m Member>) {
    let room = MAX_CHOICES - out.len();
    out.extend(members.take(room).map(|member| member.id));
}
