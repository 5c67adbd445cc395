//! The order in which a request tries the targets of a set. See the [module](super).

use super::score::{draw, mix};
use super::{Choices, Group, MAX_CHOICES, Member, Policy, Supply, TargetId, TargetSet, is_target_up, stable_hash};
use crate::store::TargetHealth;
use smallvec::SmallVec;

impl TargetSet {
    /// Replaces `out` by the targets for one request, first choice first; at least one, at most [`MAX_CHOICES`].
    ///
    /// `key` is what [`Policy::Hash`] names (not looked at by other policies), `chance` as the [module](super) says.
    pub fn choose(&self, key: &[u8], chance: u64, health: &impl TargetHealth, out: &mut Choices) -> Supply {
        out.clear();
        let seed = self.seed(key, chance);
        self.order(seed, |member| is_target_up(health, member.identity), out);
        if !out.is_empty() {
            return Supply::Up;
        }
        self.order(seed, |_| true, out);
        Supply::AllDown
    }

    /// The first choice alone; the same as the first of [`Self::choose`], and cheaper.
    #[must_use]
    pub fn first(&self, key: &[u8], chance: u64, health: &impl TargetHealth) -> (TargetId, Supply) {
        let seed = self.seed(key, chance);
        if let Some(best) = self.groups.first().and_then(|group| self.best(group, seed))
            && is_target_up(health, best.identity)
        {
            return (best.id, Supply::Up);
        }
        let mut choices = Choices::new();
        let supply = self.choose(key, chance, health, &mut choices);
        (choices.first().copied().unwrap_or(TargetId(0)), supply)
    }

    fn seed(&self, key: &[u8], chance: u64) -> u64 {
        match self.policy {
            Policy::Hash(_) => stable_hash(key),
            Policy::Weight => mix(chance),
            Policy::Priority | Policy::RoundRobin => chance,
        }
    }

    /// First choice of a group if all its targets are up; `None` if only its reserve could tell.
    fn best(&self, group: &Group, seed: u64) -> Option<&Member> {
        let sharing = self.members.get(group.sharing.clone())?;
        match self.policy {
            Policy::Hash(_) | Policy::Weight => {
                sharing.iter().min_by_key(|member| draw(seed, member.identity.0, member.inverse))
            }
            Policy::Priority => sharing.first(),
            Policy::RoundRobin => sharing.get((seed % (sharing.len() as u64).max(1)) as usize),
        }
    }

    fn order(&self, seed: u64, up: impl Fn(&Member) -> bool, out: &mut Choices) {
        for group in &self.groups {
            let members = |range: &std::ops::Range<usize>| self.members.get(range.clone()).unwrap_or_default();
            let sharing = members(&group.sharing);
            match self.policy {
                Policy::Hash(_) | Policy::Weight => by_draw(sharing, seed, &up, out),
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

fn by_draw(members: &[Member], seed: u64, up: impl Fn(&Member) -> bool, out: &mut Choices) {
    let mut draws: SmallVec<[(u64, &Member); 16]> = members
        .iter()
        .filter(|member| up(member))
        .map(|member| (draw(seed, member.identity.0, member.inverse), member))
        .collect();
    draws.sort_unstable_by_key(|(draw, member)| (*draw, member.id));
    extend(out, draws.iter().map(|(_, member)| *member));
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
