use super::*;
use proptest::prelude::*;
use std::collections::HashSet;
use std::sync::{Arc, Barrier};

/// Later than any file made by these tests.
const LATER: u64 = 1 << 41;

fn open(folder: &tempfile::TempDir) -> SharedNonces {
    SharedNonces::open_or_create(&folder.path().join("nonces")).expect("there is room")
}

fn nonce(issued_ms: u64, serial: u32) -> NonceId {
    NonceId { issued_ms, serial }
}

#[test]
fn each_count_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let nonces = open(&folder);
    let mine = nonce(LATER, 5);
    let cases = [
        ("first", 1, NonceUse::Fresh),
        ("again", 1, NonceUse::Replayed),
        ("next", 2, NonceUse::Fresh),
        ("ahead", 40, NonceUse::Fresh),
        ("skipped before", 39, NonceUse::Fresh),
        ("skipped before, again", 39, NonceUse::Replayed),
        ("used, still in the window", 2, NonceUse::Replayed),
        ("last of the window", 3, NonceUse::Fresh),
        ("far ahead", 1000, NonceUse::Fresh),
        ("behind the window", 961, NonceUse::Replayed),
        ("last of the window, again", 962, NonceUse::Fresh),
        ("none", 0, NonceUse::Replayed),
        ("beyond what the window counts", 65_536, NonceUse::Stale),
        ("most that it counts", 65_535, NonceUse::Fresh),
    ];
    for (name, nc, answer) in cases {
        assert_eq!(nonces.mark(mine, nc), answer, "{name}");
    }
}

#[test]
fn zero_is_no_count_even_at_first() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    assert_eq!(open(&folder).mark(nonce(LATER, 5), 0), NonceUse::Replayed);
}

#[test]
fn a_younger_nonce_takes_the_place() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let nonces = open(&folder);
    let (old, same_time, young) = (nonce(LATER, 5), nonce(LATER, 5 + PLACES as u32), nonce(LATER + 1, 5));
    assert_eq!(nonces.mark(old, 1), NonceUse::Fresh);
    assert_eq!(nonces.mark(same_time, 1), NonceUse::Fresh);
    assert_eq!(nonces.mark(old, 2), NonceUse::Stale);
    assert_eq!(nonces.mark(young, 1), NonceUse::Fresh);
    assert_eq!(nonces.mark(young, 1), NonceUse::Replayed);
    assert_eq!(nonces.mark(same_time, 2), NonceUse::Stale);
    assert_eq!(nonces.mark(old, 1), NonceUse::Stale);
}

#[test]
fn a_retransmission_is_told_from_a_replay() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let nonces = open(&folder);
    let mine = nonce(LATER, 5);
    assert_eq!(nonces.mark_request(mine, 1, 0xaaaa), NonceUse::Fresh);
    assert_eq!(nonces.mark_request(mine, 1, 0xaaaa), NonceUse::Repeated);
    assert_eq!(nonces.mark_request(mine, 1, 0xbbbb), NonceUse::Replayed);
    assert_eq!(nonces.mark(mine, 1), NonceUse::Replayed);
    assert_eq!(nonces.mark_request(mine, 2, 0xbbbb), NonceUse::Fresh);
    assert_eq!(nonces.mark_request(mine, 1, 0xaaaa), NonceUse::Repeated, "the one before the last is remembered too");
    assert_eq!(nonces.mark_request(mine, 3, 0xcccc), NonceUse::Fresh);
    assert_eq!(nonces.mark_request(mine, 1, 0xaaaa), NonceUse::Replayed);
    // What the owner before left behind says nothing about the next one.
    assert_eq!(nonces.mark(nonce(LATER + 1, 5), 3), NonceUse::Fresh);
    assert_eq!(nonces.mark_request(nonce(LATER + 1, 5), 3, 0xcccc), NonceUse::Replayed);
}

#[test]
fn nonces_from_before_the_file_are_stale_for_an_hour() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let nonces = open(&folder);
    let made = nonces.words.made_ms();
    assert_eq!(nonces.mark(nonce(made - 1, 5), 1), NonceUse::Stale);
    assert_eq!(nonces.mark(nonce(made, 6), 1), NonceUse::Fresh);
    assert_eq!(nonces.mark(nonce(made - LOST_MS, 7), 1), NonceUse::Fresh, "the clock was put back");
    assert_eq!(nonces.mark(nonce(0, 8), 1), NonceUse::Stale);
    assert_eq!(nonces.mark(nonce(u64::MAX, 9), 1), NonceUse::Stale);
}

#[test]
fn the_windows_outlive_their_process() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    assert_eq!(open(&folder).mark(nonce(LATER, 5), 1), NonceUse::Fresh);
    assert_eq!(open(&folder).mark(nonce(LATER, 5), 1), NonceUse::Replayed);
}

#[test]
fn one_worker_wins_each_count_while_places_are_taken_over() {
    const WORKERS: u64 = 4;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let nonces = Arc::new(open(&folder));
    let barrier = Arc::new(Barrier::new(WORKERS as usize));
    let threads: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (nonces, barrier) = (Arc::clone(&nonces), Arc::clone(&barrier));
            std::thread::spawn(move || {
                let mut won = Vec::new();
                // All workers try the same counts of the same nonces, and each nonce pushes out the one before.
                for turn in 0..400 {
                    barrier.wait();
                    for nc in 1..50 {
                        let issued = LATER + turn + u64::from(nc) / 40;
                        if nonces.mark(nonce(issued, 5), nc) == NonceUse::Fresh {
                            won.push((issued, nc));
                        }
                    }
                }
                won
            })
        })
        .collect();
    let mut seen = HashSet::new();
    for thread in threads {
        for count in thread.join().expect("no worker fails") {
            assert!(seen.insert(count), "{count:?} was used twice");
        }
    }
    assert!(seen.len() >= 400 * 10, "counts are used at all: {}", seen.len());
}

#[test]
fn a_worker_overtaken_at_any_load_uses_no_count_twice() {
    use crate::access::hook;
    for loads in 0..8 {
        for other in [nonce(LATER, 5), nonce(LATER + 1, 5)] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let (mine, theirs) = (open(&folder), open(&folder));
            let first = nonce(LATER, 5);
            assert_eq!(mine.mark(first, 1), NonceUse::Fresh);
            let answer = std::rc::Rc::new(std::cell::Cell::new(None));
            let slot = std::rc::Rc::clone(&answer);
            hook::before_load_after(loads, move || slot.set(Some(theirs.mark(other, 2))));
            let own = mine.mark(first, 2);
            let overtaken = hook::clear() == 0;
            let Some(overtaker) = answer.get() else {
                assert!(!overtaken && own == NonceUse::Fresh, "{loads}");
                continue;
            };
            assert_eq!(overtaker, NonceUse::Fresh, "{loads}");
            let expected = if other == first { NonceUse::Replayed } else { NonceUse::Stale };
            assert_eq!(own, expected, "{loads}");
            assert_eq!(mine.mark(other, 2), NonceUse::Replayed, "{loads}: the window of the overtaker was lost");
        }
    }
}

proptest! {
    #[test]
    fn agrees_with_a_set(counts in proptest::collection::vec(1u32..200, 1..300)) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let nonces = open(&folder);
        let (mut used, mut highest) = (HashSet::new(), 0);
        for nc in counts {
            let is_fresh = !used.contains(&nc) && nc + Window::BITS > highest;
            let answer = nonces.mark(nonce(LATER, 5), nc);
            prop_assert_eq!(answer == NonceUse::Fresh, is_fresh, "{} after {}", nc, highest);
            if is_fresh {
                used.insert(nc);
                highest = highest.max(nc);
            }
        }
    }
}

#[test]
fn nonces_in_use_at_the_same_time_do_not_take_each_others_place() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let workers = [open(&folder), open(&folder)];
    let issued: Vec<_> = (0..100_000).map(|n| nonce(LATER + n as u64 / 100, workers[n % 2].next_serial())).collect();
    // They come back in another order than they were issued in: the younger ones first.
    for nonce in issued.iter().rev() {
        assert_eq!(workers[0].mark(*nonce, 1), NonceUse::Fresh);
    }
    for nonce in issued {
        assert_eq!(workers[1].mark(nonce, 1), NonceUse::Replayed);
    }
}
