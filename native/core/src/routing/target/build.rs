//! Target sets from the configuration.

use super::eject::EjectSettings;
use super::score::{MAX_WEIGHT, inverse};
use super::{Group, HashBy, Member, NextHop, Policy, Target, TargetId, TargetIdentity, TargetSet, stable_hash};
use crate::config::{self, Config, ConfigError};
use crate::routing::probe::ProbeSettings;
use crate::routing::problems::{Problems, did_you_mean};

/// Most targets in a set.
const MAX_TARGETS: usize = 4096;

impl TargetSet {
    /// Compiles `target_set[index]`; `None` when there are problems.
    pub(in crate::routing) fn build(index: usize, entry: &config::TargetSet, problems: &mut Problems) -> Option<Self> {
        let path = format!("target_set[{index}]");
        let policy = problems.keep(|| format!("{path}.policy"), policy(&entry.policy));
        let hash_by = problems.keep(|| format!("{path}.hash_by"), hash_by(&entry.hash_by));
        let targets: Vec<Option<Target>> = (entry.targets.iter().enumerate())
            .map(|(place, target)| read_target(&format!("{path}.targets[{place}]"), target, problems))
            .collect();
        if entry.targets.is_empty() {
            problems.add(format!("{path}.targets"), "a target set needs at least one target");
        } else if entry.targets.iter().all(|target| target.weight == 0) {
            problems.add(format!("{path}.targets"), "every weight is 0: at least one target must take a share");
        }
        if entry.targets.len() > MAX_TARGETS {
            problems.add(format!("{path}.targets"), format!("more than {MAX_TARGETS} targets"));
        }
        let probe = entry.probe.as_ref();
        let probe = probe.map(|probe| ProbeSettings::build(&format!("{path}.probe"), probe, problems));
        let eject = entry.eject.as_ref();
        let eject = eject.map(|eject| EjectSettings::build(&format!("{path}.eject"), eject, problems));
        let mut known: Vec<(TargetIdentity, usize)> = Vec::new();
        for (place, target) in targets.iter().enumerate() {
            let Some(target) = target else { continue };
            match known.iter().find(|(identity, _)| *identity == target.identity) {
                Some((_, first)) => {
                    problems
                        .add(format!("{path}.targets[{place}].uri"), format!("the same target as targets[{first}]"));
                }
                None => known.push((target.identity, place)),
            }
        }
        let targets: Box<[Target]> = targets.into_iter().collect::<Option<_>>()?;
        let policy = match (policy?, hash_by?) {
            (Policy::Hash(_), by) => Policy::Hash(by),
            (policy, _) => policy,
        };
        let (groups, members) = groups(&targets);
        let longest_call_s = entry.longest_call as u64;
        Some(Self { name: entry.name.as_str().into(), policy, probe, eject, longest_call_s, targets, groups, members })
    }
}

/// All target sets of a configuration, in file order.
///
/// # Errors
/// All mistakes in them.
pub fn sets(config: &Config) -> Result<Vec<TargetSet>, Vec<ConfigError>> {
    let mut problems = Problems::default();
    let sets = config.target_set.iter().enumerate();
    let sets: Vec<_> = sets.filter_map(|(index, entry)| TargetSet::build(index, entry, &mut problems)).collect();
    if problems.is_empty() { Ok(sets) } else { Err(problems.all()) }
}

/// What the target with this URI is known by.
///
/// # Errors
/// What is wrong with the URI, in words for the operator.
pub fn identity_of(uri: &str) -> Result<TargetIdentity, String> {
    NextHop::read(uri).map(|hop| identity(&hop))
}

fn policy(name: &str) -> Result<Policy, String> {
    match name {
        "calls" => Ok(Policy::Calls),
        // The key is read from `hash_by`.
        "hash" => Ok(Policy::Hash(HashBy::CallId)),
        "latency" => Ok(Policy::Latency),
        "priority" => Ok(Policy::Priority),
        "round-robin" => Ok(Policy::RoundRobin),
        "weight" => Ok(Policy::Weight),
        _ => {
            let near = did_you_mean(name, POLICIES);
            Err(format!("{name:?} is not one of {}{near}", POLICIES.join(", ")))
        }
    }
}

const POLICIES: [&str; 6] = ["calls", "hash", "latency", "priority", "round-robin", "weight"];

fn hash_by(name: &str) -> Result<HashBy, String> {
    match name {
        "call-id" => Ok(HashBy::CallId),
        "from" => Ok(HashBy::From),
        "source" => Ok(HashBy::Source),
        "to" => Ok(HashBy::To),
        "uri" => Ok(HashBy::Uri),
        _ => {
            let near = did_you_mean(name, ["call-id", "from", "source", "to", "uri"]);
            Err(format!("{name:?} is not one of call-id, from, source, to, uri{near}"))
        }
    }
}

fn read_target(path: &str, entry: &config::Target, problems: &mut Problems) -> Option<Target> {
    if entry.weight > MAX_WEIGHT {
        problems.add(format!("{path}.weight"), format!("{} is above {MAX_WEIGHT}", entry.weight));
    }
    let hop = problems.keep(|| format!("{path}.uri"), NextHop::read(&entry.uri))?;
    Some(Target {
        uri: entry.uri.as_bytes().into(),
        identity: identity(&hop),
        hop,
        weight: entry.weight,
        priority: entry.priority,
        drain: entry.drain,
    })
}

/// Targets are the same if requests to them go the same way.
fn identity(hop: &NextHop) -> TargetIdentity {
    TargetIdentity(stable_hash(hop.to_string().as_bytes()))
}

fn groups(targets: &[Target]) -> (Box<[Group]>, Box<[Member]>) {
    let mut order: Vec<usize> = (0..targets.len()).collect();
    order.sort_by_key(|&place| (targets[place].priority, targets[place].weight == 0, place));
    let members = order.iter().map(|&place| Member {
        id: TargetId(place as u16),
        identity: targets[place].identity,
        inverse: inverse(targets[place].weight).unwrap_or(0),
        drain: targets[place].drain,
    });
    let mut start = 0;
    let groups = order.chunk_by(|&a, &b| targets[a].priority == targets[b].priority).map(|group| {
        let sharing = group.iter().filter(|&&place| targets[place].weight > 0).count();
        let (middle, end) = (start + sharing, start + group.len());
        let group = Group { sharing: start..middle, reserve: middle..end };
        start = end;
        group
    });
    (groups.collect(), members.collect())
}
