//! What is known when, in virtual time.

use super::*;
use crate::path::{ConnectionId, ListenerId, Transport};
use crate::routing::target::HopHost;

const SETTINGS: Settings = Settings { search_ms: 5500, longest_ms: 3_600_000, stale_ms: 7_200_000, avoid_ms: 30_000 };

fn names() -> Names {
    Names::new(SETTINGS)
}

fn hop(host: &str) -> NextHop {
    NextHop { host: HopHost::Name(host.as_bytes().into()), port: None, transport: None, secure: false }
}

fn place(address: &str) -> Place {
    Place { transport: Transport::Udp, address: address.parse().expect(address), rank: 0, record: 0, weight: 1 }
}

fn found(address: &str, ttl: u32) -> Outcome {
    Outcome::Places(vec![place(address)], ttl)
}

fn path() -> Path {
    Path {
        transport: Transport::Udp,
        listener: ListenerId(0),
        connection: ConnectionId(0),
        peer: "192.0.2.9:5060".parse().expect("an address"),
    }
}

/// What is known of `a.example.com`: its first address, or why there is none.
fn look(names: &mut Names, now_ms: u64) -> String {
    match names.look(now_ms, &hop("a.example.com")).0 {
        Known::Places(places) => places[0].address.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_question_goes_out_once_and_its_datagrams_follow_the_answer() {
    let mut names = names();
    let (a, b) = (hop("a.example.com"), hop("b.example.com"));
    assert_eq!(look(&mut names, 0), "Asked");
    assert_eq!(look(&mut names, 1), "Asked");
    assert!(names.park(a.clone(), path(), b"one", false));
    assert!(names.park(b.clone(), path(), b"other", false));
    assert_eq!(names.poll_question(), Some(a.clone()));
    assert_eq!(names.poll_question(), None, "asked once");
    names.answer(10, &a, found("192.0.2.1:5060", 60));
    assert_eq!(names.poll_ready().expect("parked").bytes, b"one");
    assert!(names.poll_ready().is_none(), "the other name is not answered");
    assert_eq!(look(&mut names, 11), "192.0.2.1:5060");
}

#[test]
fn an_old_answer_serves_while_a_new_one_is_asked() {
    let mut names = names();
    let a = hop("a.example.com");
    names.answer(0, &a, found("192.0.2.1:5060", 60));
    assert_eq!(look(&mut names, 59_999), "192.0.2.1:5060");
    assert_eq!(names.poll_question(), None);
    assert_eq!(look(&mut names, 60_000), "192.0.2.1:5060", "over, but used");
    assert_eq!(names.poll_question(), Some(a.clone()));
    names.answer(60_100, &a, found("192.0.2.2:5060", 60));
    assert_eq!(look(&mut names, 60_200), "192.0.2.2:5060");
    assert_eq!(look(&mut names, 120_100 + GRACE_MS), "Asked", "what nobody used for long is asked for first");
}

#[test]
fn servers_that_are_dead_are_not_heard() {
    let mut names = names();
    let a = hop("a.example.com");
    names.answer(0, &a, found("192.0.2.1:5060", 60));
    let mut now = 60_000;
    let mut asked = 0;
    while now < 60_000 + SETTINGS.stale_ms {
        assert_eq!(look(&mut names, now), "192.0.2.1:5060");
        if names.poll_question().is_some() {
            asked += 1;
            names.answer(now + 4000, &a, Outcome::Failed);
        }
        now += RETRY_MS;
    }
    assert!(asked > 500, "{asked}");
    look(&mut names, now);
    names.answer(now, &a, Outcome::Failed);
    assert_eq!(look(&mut names, now), "Silence", "not for ever");
    assert_eq!(look(&mut names, now + RETRY_MS), "Asked");
    names.answer(now + RETRY_MS, &a, found("192.0.2.2:5060", 60));
    assert_eq!(look(&mut names, now + RETRY_MS), "192.0.2.2:5060");
}

#[test]
fn that_a_name_does_not_exist_is_believed_for_its_time() {
    let mut names = names();
    let a = hop("a.example.com");
    names.answer(0, &a, found("192.0.2.1:5060", 60));
    names.answer(60_000, &a, Outcome::Nothing(20));
    assert_eq!(look(&mut names, 60_000), "Nothing", "who knows has said so");
    assert_eq!(look(&mut names, 79_999), "Nothing");
    assert_eq!(names.poll_question(), None);
    assert_eq!(look(&mut names, 80_000), "Asked");
    names.answer(80_000, &a, Outcome::Nothing(86_400));
    assert_eq!(look(&mut names, 80_000 + MOST_NOTHING_MS), "Asked", "but not for a day");
}

#[test]
fn a_life_is_bounded() {
    let mut names = names();
    let a = hop("a.example.com");
    names.answer(0, &a, found("192.0.2.1:5060", u32::MAX));
    look(&mut names, SETTINGS.longest_ms - 1);
    assert_eq!(names.poll_question(), None);
    look(&mut names, SETTINGS.longest_ms);
    assert_eq!(names.poll_question(), Some(a.clone()));
    names.answer(0, &a, found("192.0.2.1:5060", 0));
    look(&mut names, 999);
    assert_eq!(names.poll_question(), None, "a life of 0 is a second");
}

#[test]
fn a_lost_question_is_asked_again() {
    let mut names = names();
    assert_eq!(look(&mut names, 0), "Asked");
    assert!(names.poll_question().is_some());
    assert_eq!(look(&mut names, SETTINGS.patience_ms()), "Asked");
    assert!(names.poll_question().is_some());
}

#[test]
fn a_reload_asks_again_and_serves_meanwhile() {
    let mut names = names();
    names.answer(5000, &hop("a.example.com"), found("192.0.2.1:5060", 600));
    names.reload(SETTINGS);
    assert_eq!(look(&mut names, 6000), "192.0.2.1:5060");
    assert!(names.poll_question().is_some());
}

#[test]
fn memory_is_bounded() {
    let mut names = names();
    for i in 0..MOST_NAMES * 3 {
        names.answer(i as u64, &hop(&format!("{i}.example.com")), found("192.0.2.1:5060", 60));
        names.look(i as u64, &hop(&format!("x{i}.example.com")));
        names.questions.clear();
    }
    assert!(names.known.len() <= MOST_NAMES + 1);
    let a = hop("a.example.com");
    let parked = (0..MOST_PARKED * 2).filter(|_| names.park(a.clone(), path(), b"x", false)).count();
    assert_eq!(parked, MOST_PARKED);
}
