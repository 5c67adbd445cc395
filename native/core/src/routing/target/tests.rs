//! Target sets: groups, policies, health.

use super::*;
use crate::calls::TargetHalf;
use crate::routing::RouteTable;
use crate::routing::tests::config;
use crate::store::TargetHealth;
use crate::testing::MemoryHealth;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::{HashMap, HashSet};

/// Targets that are down; counts how often it is asked.
#[derive(Default)]
struct Down {
    targets: HashSet<u64>,
    asked: Cell<usize>,
}

impl TargetHealth for Down {
    fn read(&self, target: u64) -> u64 {
        self.asked.set(self.asked.get() + 1);
        if self.targets.contains(&target) { DOWN } else { 0 }
    }

    fn write(&self, _target: u64, _state: u64) {}

    fn update(&self, _target: u64, _change: impl FnMut(u64) -> u64) {}
}

fn set(set: Value) -> TargetSet {
    let config = config(json!([]), json!([set]), &[]);
    let table = RouteTable::build(&config, &HashMap::new()).expect("the set of a test is right");
    table.target_sets()[0].clone()
}

/// Targets `t0`, `t1`, … with these weights and priorities.
fn targets(policy: &str, shares: &[(u32, u32)]) -> TargetSet {
    let target = |(place, (weight, priority)): (usize, &(u32, u32))| json!({"uri": format!("sip:t{place}.example.com"), "weight": weight, "priority": priority});
    set(json!({"name": "set", "policy": policy, "targets": shares.iter().enumerate().map(target).collect::<Value>()}))
}

fn down(set: &TargetSet, ids: &[u16]) -> Down {
    let targets = ids.iter().map(|&id| set.targets()[usize::from(id)].identity.0).collect();
    Down { targets, asked: Cell::new(0) }
}

fn chosen(set: &TargetSet, key: &[u8], chance: u64, health: &Down) -> (Vec<u16>, Supply) {
    let mut out = Choices::new();
    let supply = set.choose(key, chance, NOW, health, &mut out);
    (out.iter().map(|id| id.0).collect(), supply)
}

const POLICIES: [&str; 6] = ["calls", "hash", "latency", "priority", "round-robin", "weight"];
const NOW: u64 = 1_767_225_600_000;

#[test]
fn priority_is_file_order_within_groups() {
    let set = targets("priority", &[(1, 2), (1, 1), (0, 1), (1, 1), (1, 3)]);
    let all_up = down(&set, &[]);
    assert_eq!(chosen(&set, b"", 7, &all_up), (vec![1, 3, 2, 0, 4], Supply::Up));
    assert_eq!(chosen(&set, b"", 7, &down(&set, &[1, 3])), (vec![2, 0, 4], Supply::Up));
    assert_eq!(chosen(&set, b"", 7, &down(&set, &[1, 2, 3])), (vec![0, 4], Supply::Up));
}

#[test]
fn all_down_is_as_if_all_were_up() {
    for policy in POLICIES {
        let set = targets(policy, &[(1, 0), (2, 0), (1, 1), (0, 1)]);
        let all_down = down(&set, &[0, 1, 2, 3]);
        for chance in 0..20 {
            let (expected, _) = chosen(&set, b"key", chance, &down(&set, &[]));
            assert_eq!(chosen(&set, b"key", chance, &all_down), (expected.clone(), Supply::AllDown), "{policy}");
            assert_eq!(
                set.first(b"key", chance, NOW, &all_down),
                (Some(TargetId(expected[0])), Supply::AllDown),
                "{policy}"
            );
        }
    }
}

#[test]
fn turns_go_round() {
    let set = targets("round-robin", &[(1, 0), (1, 0), (5, 0), (0, 0)]);
    let order = |turn, down_ids: &[u16]| chosen(&set, b"", turn, &down(&set, down_ids)).0;
    assert_eq!(
        (0..4).map(|turn| order(turn, &[])).collect::<Vec<_>>(),
        [[0, 1, 2, 3], [1, 2, 0, 3], [2, 0, 1, 3], [0, 1, 2, 3]]
    );
    // The turns of target 1 alternate between the others, whose own turns stay.
    let first: Vec<_> = (0..9).map(|turn| order(turn, &[1])[0]).collect();
    assert_eq!(first, [0, 0, 2, 0, 2, 2, 0, 0, 2]);
    assert_eq!(order(0, &[0, 1, 2]), [3]);
}

#[test]
fn the_first_choice_asks_for_one_target_when_it_is_up() {
    for policy in ["hash", "priority", "round-robin", "weight"] {
        let set = targets(policy, &[(1, 0); 50]);
        let health = down(&set, &[]);
        let (first, supply) = set.first(b"key", 12, NOW, &health);
        assert_eq!((supply, health.asked.get()), (Supply::Up, 1), "{policy}");
        assert_eq!(Some(TargetId(chosen(&set, b"key", 12, &health).0[0])), first, "{policy}");
        assert_eq!(chosen(&set, b"key", 12, &health).0.len(), MAX_CHOICES, "{policy}");
    }
}

#[test]
fn the_key_decides_a_hash_and_chance_does_not() {
    let set = targets("hash", &[(1, 0); 8]);
    let up = down(&set, &[]);
    let by_key: HashSet<_> = (0..100).map(|key: u32| set.first(&key.to_be_bytes(), 0, NOW, &up).0).collect();
    assert_eq!(by_key.len(), 8);
    let by_chance: HashSet<_> = (0..100).map(|chance| set.first(b"call", chance, NOW, &up).0).collect();
    assert_eq!(by_chance.len(), 1);
}

#[test]
fn a_hash_is_the_same_on_every_host_and_in_every_version() {
    let set = targets("hash", &[(1, 0), (2, 0), (3, 0)]);
    let up = down(&set, &[]);
    let first: Vec<_> =
        ["a", "b", "c", "d", "e", "f"].map(|key| set.first(key.as_bytes(), 0, NOW, &up).0.map(|id| id.0)).to_vec();
    // Computed apart from this code, with floating point logarithms.
    assert_eq!(first, [1, 2, 2, 0, 2, 2].map(Some));
    assert_eq!(set.targets()[0].identity, TargetIdentity(0xc3f7_8fc2_e26d_859c));
}

/// Health with these words, by target: state, open calls, latency in ms.
fn words(set: &TargetSet, words: &[(u64, u64, u64)]) -> MemoryHealth {
    let health = MemoryHealth::default();
    for (target, (state, calls, latency)) in set.targets().iter().zip(words) {
        health.write(target.identity.0, *state);
        health.write(TargetHalf::of(target.identity).count_word(), *calls);
        health.update(latency::average_word(target.identity), |word| {
            latency::Average::of(word).with(*latency, NOW).word()
        });
    }
    health
}

fn order(set: &TargetSet, chance: u64, health: &MemoryHealth) -> Vec<u16> {
    let mut out = Choices::new();
    set.choose(b"", chance, NOW, health, &mut out);
    out.iter().map(|id| id.0).collect()
}

#[test]
fn fewest_calls_for_the_weight_come_first() {
    let set = targets("calls", &[(1, 0), (1, 0), (2, 0), (1, 0), (1, 1)]);
    for (calls, expected) in [
        // Each with the call that it would get: 3, 2, 5/2, 6.
        ([2, 1, 4, 5, 0], vec![1, 2, 0, 3, 4]),
        ([0, 9, 19, 9, 0], vec![0, 4]),
        ([7, 0, 0, 9, 0], vec![2, 1, 0, 3, 4]),
    ] {
        let health = words(&set, &calls.map(|calls| (0, calls, 0)));
        for chance in 0..20 {
            let order = order(&set, chance, &health);
            let equal = expected.len() == 2;
            assert!(if equal { order[0] == 0 && order[4] == 4 } else { order == expected }, "{calls:?}: {order:?}");
        }
    }
    let nobody_has_any: HashSet<_> = (0..50).map(|chance| order(&set, chance, &words(&set, &[]))[0]).collect();
    assert_eq!(nobody_has_any, HashSet::from([2]), "the heavier one is less loaded by the first call");
}

#[test]
fn of_two_the_one_that_answers_sooner() {
    let set = targets("latency", &[(1, 0), (1, 0), (1, 0)]);
    let health = words(&set, &[(0, 0, 80), (0, 0, 20), (0, 0, 40)]);
    let mut first = [0; 3];
    for chance in 0..3000 {
        first[usize::from(order(&set, chance, &health)[0])] += 1;
    }
    // Of the three pairs the fastest is in two, the slowest never wins.
    assert_eq!(first[0], 0);
    assert!((1850..2150).contains(&first[1]), "{first:?}");
    let down = words(&set, &[(0, 0, 80), (DOWN, 0, 20), (0, 0, 40)]);
    assert!((0..50).all(|chance| order(&set, chance, &down)[0] == 2));
}

#[test]
fn a_drained_target_gets_nothing_even_when_all_others_are_down() {
    for policy in POLICIES {
        let set = targets(policy, &[(1, 0), (1, 0), (1, 1)]);
        let health = words(&set, &[(DRAINED, 0, 0), (0, 0, 0), (0, 0, 0)]);
        assert_eq!(order(&set, 1, &health), [1, 2], "{policy}");
        let health = words(&set, &[(DRAINED, 0, 0), (DOWN, 0, 0), (DOWN | DRAINED, 0, 0)]);
        assert_eq!(order(&set, 1, &health), [1], "{policy}");
        let health = words(&set, &[(DRAINED, 0, 0); 3]);
        assert_eq!(set.first(b"", 1, NOW, &health), (None, Supply::AllDrained), "{policy}");
    }
    let file = json!([{"uri": "sip:a.example.com", "drain": true}, "sip:b.example.com"]);
    let set = set(json!({"name": "set", "policy": "priority", "targets": file}));
    assert_eq!(order(&set, 1, &MemoryHealth::default()), [1]);
}

#[test]
fn an_ejected_target_comes_when_no_other_is_up() {
    let settings = json!({"failures": 1, "time": 10.0, "longest": 10.0, "share": 0.5});
    let uris = ["sip:a.example.com", "sip:b.example.com", "sip:c.example.com"];
    let set = set(json!({"name": "set", "policy": "priority", "targets": uris, "eject": settings}));
    let health = MemoryHealth::default();
    let record = eject::Record { failures: 0, times: 1, until_ms: NOW + 1 };
    assert!(set.may_eject_another(NOW, &health));
    health.write(eject::record_word(set.targets()[0].identity), record.word());
    assert!(!set.may_eject_another(NOW, &health), "one of three is not above one half, two would be");
    assert!(set.may_eject_another(NOW + 1, &health));
    assert_eq!(order(&set, 0, &health), [1, 2]);
    assert_eq!(set.report(TargetId(0), NOW, &health).map(|it| it.standing), Some(Standing::Ejected(NOW + 1)));
    for id in [1, 2] {
        health.write(set.targets()[id].identity.0, DOWN);
    }
    assert_eq!(order(&set, 0, &health), [0, 1, 2]);
}

/// How often each target comes first among `draws` requests.
fn counts(set: &TargetSet, draws: u64, health: &Down) -> Vec<u64> {
    let mut counts = vec![0; set.targets().len()];
    for draw in 0..draws {
        let (id, _) = match set.policy() {
            Policy::Hash(_) => set.first(format!("{draw}@example.com").as_bytes(), 0, NOW, health),
            _ => set.first(b"", draw, NOW, health),
        };
        counts[usize::from(id.expect("none is drained").0)] += 1;
    }
    counts
}

#[test]
fn shares_are_in_proportion_to_the_weights() {
    const DRAWS: u64 = 40_000;
    for policy in ["weight", "hash"] {
        for weights in [&[1, 1, 1, 1][..], &[1, 2, 3, 4], &[0, 1, 99], &[65_535, 65_535], &[1, 1000], &[7]] {
            let set = targets(policy, &weights.iter().map(|weight| (*weight, 0)).collect::<Vec<_>>());
            let total: u32 = weights.iter().sum();
            for (count, weight) in counts(&set, DRAWS, &down(&set, &[])).into_iter().zip(weights) {
                let share = f64::from(*weight) / f64::from(total);
                let expected = share * DRAWS as f64;
                // Five standard deviations of the binomial distribution.
                let bound = 5.0 * (expected * (1.0 - share)).sqrt();
                assert!((count as f64 - expected).abs() <= bound, "{policy} {weights:?}: {count}, expected {expected}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// For each request: without the target, only requests that it had go elsewhere.
    #[test]
    fn a_target_that_goes_moves_only_its_share(
        weights in vec(1u32..10, 2..12),
        gone in any::<prop::sample::Index>(),
        policy in prop::sample::select(&["weight", "hash", "round-robin", "priority"][..]),
        key: u64,
    ) {
        let set = targets(policy, &weights.iter().map(|weight| (*weight, 0)).collect::<Vec<_>>());
        let gone = gone.index(weights.len()) as u16;
        for request in 0..50_u64 {
            let (key, chance) = ((key ^ request).to_be_bytes(), key.wrapping_add(request));
            let (before, _) = chosen(&set, &key, chance, &down(&set, &[]));
            let (after, _) = chosen(&set, &key, chance, &down(&set, &[gone]));
            prop_assert!(!after.contains(&gone));
            if before[0] != gone {
                prop_assert_eq!(before[0], after[0]);
            }
            if policy != "round-robin" && weights.len() <= MAX_CHOICES {
                let without: Vec<_> = before.into_iter().filter(|id| *id != gone).collect();
                prop_assert_eq!(without, after);
            }
        }
    }

    /// Taken out of the file instead of down: the same, with `hash` and `weight`.
    #[test]
    fn a_target_taken_out_moves_only_its_share(
        count in 2usize..12,
        gone in any::<prop::sample::Index>(),
        policy in prop::sample::select(&["weight", "hash"][..]),
        key: u64,
    ) {
        let gone = gone.index(count);
        let uris: Vec<_> = (0..count).map(|place| format!("sip:t{place}.example.com")).collect();
        let fewer: Vec<_> = uris.iter().enumerate().filter(|(place, _)| *place != gone).map(|(_, uri)| uri).collect();
        let (all, fewer) = (json!({"name": "set", "policy": policy, "targets": uris}), json!({"name": "set", "policy": policy, "targets": fewer}));
        let (all, fewer) = (set(all), set(fewer));
        for request in 0..50_u64 {
            let (key, chance) = ((key ^ request).to_be_bytes(), key.wrapping_add(request));
            let uri = |set: &TargetSet| set.first(&key, chance, NOW, &Down::default()).0.and_then(|id| set.target(id)).map(|target| target.uri.clone());
            if uri(&all).as_deref() != Some(uris[gone].as_bytes()) {
                prop_assert_eq!(uri(&all), uri(&fewer));
            }
        }
    }

    #[test]
    fn the_list_holds_each_target_that_is_up_once(
        shares in vec((0u32..4, 0u32..3), 1..20),
        down_ids in vec(0u16..20, 0..20),
        policy in prop::sample::select(&POLICIES[..]),
        chance: u64,
    ) {
        prop_assume!(shares.iter().any(|(weight, _)| *weight > 0));
        let set = targets(policy, &shares);
        let down_ids: HashSet<_> = down_ids.into_iter().filter(|id| usize::from(*id) < shares.len()).collect();
        let health = down(&set, &down_ids.iter().copied().collect::<Vec<_>>());
        let (order, supply) = chosen(&set, &chance.to_be_bytes(), chance, &health);
        let up = shares.len() - down_ids.len();
        let (expected, from) = if up > 0 { (Supply::Up, up) } else { (Supply::AllDown, shares.len()) };
        prop_assert_eq!(supply, expected);
        prop_assert_eq!(order.len(), from.min(MAX_CHOICES));
        prop_assert_eq!(order.iter().collect::<HashSet<_>>().len(), order.len());
        prop_assert!(up == 0 || order.iter().all(|id| !down_ids.contains(id)));
        // Groups in order, and within a group those without a weight last.
        let ranks: Vec<_> = order.iter().map(|id| shares[usize::from(*id)]).map(|(weight, group)| (group, weight == 0)).collect();
        prop_assert!(ranks.is_sorted(), "{:?}", ranks);
        prop_assert_eq!(set.first(&chance.to_be_bytes(), chance, NOW, &health), (Some(TargetId(order[0])), supply));
    }
}
