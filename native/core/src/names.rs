//! Names of next hops: a question goes out, an answer comes in, nothing waits. RFC 3263.
//!
//! A datagram whose next hop is not yet known is parked, and handled again when the answer is there. An answer that has
//! outlived its time is used once more while a new one is on its way (RFC 8767), so that a slow name server is not heard.

use crate::path::{Path, Transport};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

/// Names known at one time; beyond it the answers that ended first are forgotten.
const MOST_NAMES: usize = 10_000;
/// Datagrams that wait for an answer.
const MOST_PARKED: usize = 1024;
/// How long an answer may be used after its time while no newer one is to be had.
const STALE_MS: u64 = 3_600_000;
/// How long a name that could not be resolved is not asked for again.
const RETRY_MS: u64 = 5_000;
/// How long a question may stay open.
const PATIENCE_MS: u64 = 5_000;

/// A question for the resolver.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// Host name, lower case.
    pub host: Box<[u8]>,
    /// Port, if the URI has one: then only addresses are asked for (RFC 3263 §4.2), else SRV too.
    pub port: Option<u16>,
    /// Transport, if it is known.
    pub transport: Transport,
}

/// What is known of a name now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known<'n> {
    /// Send to one of these, in this order.
    Addresses(&'n [SocketAddr]),
    /// The name server says there is none, or does not answer.
    Nowhere,
    /// Asked; the answer will come.
    Asked,
}

#[derive(Debug, Default)]
struct Entry {
    addresses: Vec<SocketAddr>,
    until_ms: u64,
    asked_ms: Option<u64>,
}

/// A datagram that waits.
#[derive(Debug)]
pub struct Parked {
    /// Where it came from.
    pub path: Path,
    /// Its octets.
    pub bytes: Vec<u8>,
    question: Question,
}

/// The names that this worker knows.
#[derive(Debug, Default)]
pub struct Names {
    known: HashMap<Question, Entry>,
    questions: VecDeque<Question>,
    parked: VecDeque<Parked>,
    ready: VecDeque<Parked>,
}

impl Names {
    /// What is known of `question`; puts it out when it must be asked.
    pub(crate) fn look(&mut self, now_ms: u64, question: &Question) -> Known<'_> {
        if !self.known.contains_key(question) {
            self.make_room();
            self.known.insert(question.clone(), Entry::default());
        }
        let Some(entry) = self.known.get_mut(question) else { return Known::Nowhere };
        let fresh = now_ms < entry.until_ms;
        let open = entry.asked_ms.is_some_and(|asked| now_ms < asked + PATIENCE_MS);
        if !fresh && !open {
            entry.asked_ms = Some(now_ms);
            self.questions.push_back(question.clone());
        }
        let usable = fresh || now_ms < entry.until_ms.saturating_add(STALE_MS);
        match entry.addresses.as_slice() {
            [] if fresh => Known::Nowhere,
            addresses @ [_, ..] if usable => Known::Addresses(addresses),
            _ => Known::Asked,
        }
    }

    /// Keeps a datagram until `question` is answered. `false` when too many wait already.
    pub(crate) fn park(&mut self, question: Question, path: Path, bytes: &[u8]) -> bool {
        if self.parked.len() + self.ready.len() >= MOST_PARKED {
            return false;
        }
        self.parked.push_back(Parked { path, bytes: bytes.to_vec(), question });
        true
    }

    /// Takes the resolver's answer: addresses in the order to be tried, none when there are none, and their life in seconds.
    pub fn answer(&mut self, now_ms: u64, question: &Question, addresses: &[SocketAddr], ttl: u32) {
        self.make_room();
        let entry = self.known.entry(question.clone()).or_default();
        entry.asked_ms = None;
        if addresses.is_empty() {
            entry.until_ms = now_ms + RETRY_MS;
        } else {
            entry.addresses = addresses.to_vec();
            // A life of 0 would ask again for each datagram; one second is what RFC 8767 §5 calls "the short term".
            entry.until_ms = now_ms + u64::from(ttl.max(1)) * 1000;
        }
        let mut still = VecDeque::with_capacity(self.parked.len());
        for parked in self.parked.drain(..) {
            if parked.question == *question { self.ready.push_back(parked) } else { still.push_back(parked) }
        }
        self.parked = still;
    }

    /// Next question to be put to the resolver.
    pub fn poll_question(&mut self) -> Option<Question> {
        self.questions.pop_front()
    }

    /// Next datagram whose name is answered: to be handled again.
    pub fn poll_ready(&mut self) -> Option<Parked> {
        self.ready.pop_front()
    }

    fn make_room(&mut self) {
        if self.known.len() < MOST_NAMES {
            return;
        }
        let mut ends: Vec<u64> = self.known.values().map(|entry| entry.until_ms).collect();
        let middle = ends.len() / 10;
        let (_, limit, _) = ends.select_nth_unstable(middle);
        let limit = *limit;
        self.known.retain(|_, entry| entry.until_ms > limit || entry.asked_ms.is_some());
        if self.known.len() >= MOST_NAMES {
            self.known.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::{ConnectionId, ListenerId};

    fn question(host: &str) -> Question {
        Question { host: host.as_bytes().into(), port: None, transport: Transport::Udp }
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().expect(text)
    }

    fn path() -> Path {
        Path {
            transport: Transport::Udp,
            listener: ListenerId(0),
            connection: ConnectionId(0),
            peer: address("192.0.2.9:5060"),
        }
    }

    #[test]
    fn a_question_goes_out_once_and_its_datagrams_follow_the_answer() {
        let mut names = Names::default();
        let (a, b) = (question("a.example.com"), question("b.example.com"));
        assert_eq!(names.look(0, &a), Known::Asked);
        assert_eq!(names.look(1, &a), Known::Asked);
        assert!(names.park(a.clone(), path(), b"one"));
        assert!(names.park(b.clone(), path(), b"other"));
        assert_eq!(names.poll_question(), Some(a.clone()));
        assert_eq!(names.poll_question(), None, "asked once");
        names.answer(10, &a, &[address("192.0.2.1:5060")], 60);
        assert_eq!(names.poll_ready().expect("parked").bytes, b"one");
        assert!(names.poll_ready().is_none(), "the other name is not answered");
        assert_eq!(names.look(11, &a), Known::Addresses(&[address("192.0.2.1:5060")]));
    }

    #[test]
    fn an_old_answer_serves_while_a_new_one_is_asked() {
        let mut names = Names::default();
        let a = question("a.example.com");
        names.answer(0, &a, &[address("192.0.2.1:5060")], 60);
        assert_eq!(names.look(59_999, &a), Known::Addresses(&[address("192.0.2.1:5060")]));
        assert_eq!(names.poll_question(), None);
        assert_eq!(names.look(60_000, &a), Known::Addresses(&[address("192.0.2.1:5060")]), "stale, but used");
        assert_eq!(names.poll_question(), Some(a.clone()));
        names.answer(60_100, &a, &[address("192.0.2.2:5060")], 60);
        assert_eq!(names.look(60_200, &a), Known::Addresses(&[address("192.0.2.2:5060")]));
    }

    #[test]
    fn a_failure_is_remembered_for_a_while_but_never_unlearns_an_address() {
        let mut names = Names::default();
        let a = question("a.example.com");
        assert_eq!(names.look(0, &a), Known::Asked);
        names.answer(0, &a, &[], 0);
        assert_eq!(names.look(RETRY_MS - 1, &a), Known::Nowhere);
        assert_eq!(names.look(RETRY_MS, &a), Known::Asked);
        names.answer(RETRY_MS, &a, &[address("192.0.2.1:5060")], 1);
        names.answer(RETRY_MS + 2000, &a, &[], 0);
        assert_eq!(names.look(RETRY_MS + 2001, &a), Known::Addresses(&[address("192.0.2.1:5060")]));
    }

    #[test]
    fn a_lost_question_is_asked_again() {
        let mut names = Names::default();
        let a = question("a.example.com");
        assert_eq!(names.look(0, &a), Known::Asked);
        assert!(names.poll_question().is_some());
        assert_eq!(names.look(PATIENCE_MS, &a), Known::Asked);
        assert!(names.poll_question().is_some());
    }

    #[test]
    fn memory_is_bounded() {
        let mut names = Names::default();
        for i in 0..MOST_NAMES * 3 {
            let name = question(&format!("{i}.example.com"));
            names.answer(i as u64, &name, &[address("192.0.2.1:5060")], 60);
            names.look(i as u64, &question(&format!("x{i}.example.com")));
            names.questions.clear();
        }
        assert!(names.known.len() <= MOST_NAMES + 1);
        let a = question("a.example.com");
        let parked = (0..MOST_PARKED * 2).filter(|_| names.park(a.clone(), path(), b"x")).count();
        assert_eq!(parked, MOST_PARKED);
    }
}
