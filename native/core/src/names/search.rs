//! From a name to its places: which queries, in which order, and what follows from their answers. RFC 3263 §4.1, §4.2,
//! RFC 2782, RFC 7118 §5.4 (no SRV for WebSocket).
//!
//! The search asks nobody: [`Search::queries`] says what to ask now, [`Search::answer`] takes the answers to all of it,
//! until [`Search::outcome`] has something.
//!
//! - Of NAPTR, services that we do not speak are left out; what is left is tried in its order, one transport after the
//!   other, so that a dead TLS port of a SIP URI does not hide the UDP port behind it. A SIPS URI leads to TLS only.
//! - A server that does not answer the question for NAPTR or SRV is taken for one that has none: many cannot answer
//!   it. If nothing is found then, the search has failed; it has not found out that there is nothing.

use super::place::Place;
use crate::listener::default_port;
use crate::path::Transport;
use crate::routing::target::{HopHost, NextHop};
use std::net::{IpAddr, SocketAddr};

/// Records of one name that are followed.
const MOST_RECORDS: usize = 16;
/// Addresses kept of one name.
const MOST_PLACES: usize = 16;
/// Life of what was found while a server failed: it may not be all.
const HALF_TTL: u32 = 30;

/// What our sockets can reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    transports: u8,
    /// Whether IPv4 is spoken.
    pub ipv4: bool,
    /// Whether IPv6 is spoken.
    pub ipv6: bool,
}

impl Reach {
    /// Adds a transport.
    pub fn add(&mut self, transport: Transport) {
        self.transports |= 1 << transport as u8;
    }

    /// Whether the transport is spoken.
    #[must_use]
    pub fn has(&self, transport: Transport) -> bool {
        self.transports & 1 << transport as u8 != 0
    }
}

/// A question for a name server. Names have no final dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// NAPTR of this name.
    Naptr(Box<[u8]>),
    /// SRV of this name.
    Srv(Box<[u8]>),
    /// A and AAAA, or the one of them that [`Reach`] asks for.
    Addresses(Box<[u8]>),
}

/// Its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// NAPTR records, and their life in seconds.
    Naptr(Vec<Naptr>, u32),
    /// SRV records.
    Srv(Vec<Srv>, u32),
    /// Addresses.
    Addresses(Vec<IpAddr>, u32),
    /// There are none, and for how many seconds that may be believed.
    Nothing(u32),
    /// No server answered, or none knew.
    Failed,
}

/// RFC 3403 §4.1.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields of the record")]
pub struct Naptr {
    pub order: u16,
    pub preference: u16,
    pub flags: Box<[u8]>,
    pub services: Box<[u8]>,
    pub replacement: Box<[u8]>,
}

/// RFC 2782.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the fields of the record")]
pub struct Srv {
    pub priority: u16,
    pub weight: u16,
    pub target: Box<[u8]>,
    pub port: u16,
}

/// What a search came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// These places, for so many seconds.
    Places(Vec<Place>, u32),
    /// There is no such name, or it leads nowhere; for so many seconds.
    Nothing(u32),
    /// Nobody knows.
    Failed,
}

/// One service: a transport and the name under which its SRV records are.
#[derive(Clone, Debug)]
struct Service {
    transport: Transport,
    name: Box<[u8]>,
}

/// A name whose addresses are wanted.
#[derive(Clone, Debug)]
struct Wanted {
    transport: Transport,
    target: Box<[u8]>,
    port: u16,
    rank: u16,
    record: u16,
    weight: u16,
}

#[derive(Clone, Debug)]
enum State {
    Naptr,
    Srv(Vec<Service>),
    Addresses(Vec<Wanted>),
    Done(Outcome),
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Search {
    host: Box<[u8]>,
    /// Transport of the URI, or the one that §4.1 says for what it has.
    transport: Option<Transport>,
    secure: bool,
    reach: Reach,
    state: State,
    ttl: u32,
    failed: bool,
}

impl Search {
    /// A search for `hop`, whose host is a name.
    #[must_use]
    pub fn new(hop: &NextHop, reach: Reach) -> Self {
        let host = match &hop.host {
            HopHost::Name(name) => name.clone(),
            HopHost::Address(_) => Box::default(),
        };
        let mut search = Self {
            host,
            transport: hop.transport,
            secure: hop.secure,
            reach,
            state: State::Naptr,
            ttl: u32::MAX,
            failed: false,
        };
        match (hop.transport, hop.port) {
            (_, Some(port)) => search.only_addresses(port),
            (Some(Transport::Ws | Transport::Wss), None) => search.only_addresses(default_port(search.usual())),
            (Some(transport), None) => search.services([transport]),
            (None, None) => {}
        }
        search
    }

    /// What is to be asked now; nothing once there is an outcome.
    #[must_use]
    pub fn queries(&self) -> Vec<Query> {
        match &self.state {
            State::Naptr => vec![Query::Naptr(self.host.clone())],
            State::Srv(services) => services.iter().map(|service| Query::Srv(service.name.clone())).collect(),
            State::Addresses(wanted) => names(wanted).into_iter().map(|name| Query::Addresses(name.into())).collect(),
            State::Done(_) => Vec::new(),
        }
    }

    /// Takes the answers to all that [`Self::queries`] asked, in its order.
    pub fn answer(&mut self, replies: Vec<Reply>) {
        let mut silent = u32::MAX;
        for reply in &replies {
            match reply {
                Reply::Naptr(_, ttl) | Reply::Srv(_, ttl) | Reply::Addresses(_, ttl) => self.ttl = self.ttl.min(*ttl),
                // That there is no NAPTR or SRV is believed for a while too, but not for as long as what is there.
                Reply::Nothing(ttl) => silent = silent.min(*ttl),
                Reply::Failed => self.failed = true,
            }
        }
        match std::mem::replace(&mut self.state, State::Naptr) {
            State::Naptr => self.naptr(replies),
            State::Srv(services) => self.srv(&services, replies),
            State::Addresses(wanted) => self.addresses(&wanted, replies, silent),
            State::Done(outcome) => self.state = State::Done(outcome),
        }
    }

    /// What came of it.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.state {
            State::Done(outcome) => Some(outcome),
            State::Naptr | State::Srv(_) | State::Addresses(_) => None,
        }
    }

    /// §4.1: the services that we speak, in their order.
    fn naptr(&mut self, replies: Vec<Reply>) {
        let mut records = match replies.into_iter().next() {
            Some(Reply::Naptr(records, _)) => records,
            _ => Vec::new(),
        };
        records.sort_by(|a, b| (a.order, a.preference, &a.replacement).cmp(&(b.order, b.preference, &b.replacement)));
        let spoken = records.into_iter().filter_map(|record| {
            let transport = self.spoken(&record)?;
            Some(Service { transport, name: record.replacement })
        });
        let services: Vec<Service> = spoken.take(MOST_RECORDS).collect();
        if services.is_empty() {
            // "If no NAPTR records are found, the client constructs SRV queries for those transport protocols it supports".
            let usual = if self.secure { &[Transport::Tls][..] } else { &[Transport::Udp, Transport::Tcp] };
            let mut spoken: Vec<_> = usual.iter().copied().filter(|transport| self.reach.has(*transport)).collect();
            if spoken.is_empty() {
                spoken.push(self.usual());
            }
            self.services(spoken);
        } else {
            self.state = State::Srv(services);
        }
    }

    /// Transport of a service that is for us.
    fn spoken(&self, record: &Naptr) -> Option<Transport> {
        let transport = match record.services.to_ascii_uppercase().as_slice() {
            b"SIPS+D2T" => Transport::Tls,
            b"SIP+D2T" if !self.secure => Transport::Tcp,
            b"SIP+D2U" if !self.secure => Transport::Udp,
            _ => return None,
        };
        // §8: "s" is the only flag of the application.
        (record.flags.eq_ignore_ascii_case(b"s") && self.reach.has(transport)).then_some(transport)
    }

    fn services(&mut self, transports: impl IntoIterator<Item = Transport>) {
        let service = |transport| {
            let label: &[u8] = match transport {
                Transport::Udp => b"_sip._udp.",
                Transport::Tcp | Transport::Ws => b"_sip._tcp.",
                Transport::Tls | Transport::Wss => b"_sips._tcp.",
            };
            Service { transport, name: [label, &self.host].concat().into() }
        };
        self.state = State::Srv(transports.into_iter().map(service).collect());
    }

    /// §4.2: RFC 2782. The order of equals is that of their names and ports, whatever order the server gave them in.
    fn srv(&mut self, services: &[Service], replies: Vec<Reply>) {
        let (mut wanted, mut rank, mut any) = (Vec::new(), 0, false);
        for (service, reply) in services.iter().zip(replies) {
            let Reply::Srv(mut records, _) = reply else { continue };
            any = true;
            records.sort();
            let mut before = None;
            // "A Target of "." means that the service is decidedly not available".
            for record in records.into_iter().filter(|record| !matches!(&*record.target, b"" | b".")) {
                if before.is_some_and(|before| before != record.priority) {
                    rank += 1;
                }
                before = Some(record.priority);
                let Srv { weight, target, port, .. } = record;
                wanted.push(Wanted {
                    transport: service.transport,
                    target,
                    port,
                    rank,
                    record: wanted.len() as u16,
                    weight,
                });
            }
            rank += u16::from(before.is_some());
        }
        if !any {
            return self.only_addresses(default_port(self.usual()));
        }
        wanted.truncate(MOST_RECORDS);
        self.state = if wanted.is_empty() { State::Done(Outcome::Nothing(self.ttl)) } else { State::Addresses(wanted) };
    }

    /// The transport where nothing says which: §4.1.
    fn usual(&self) -> Transport {
        let order: &[Transport] = if self.secure { &[] } else { &[Transport::Udp, Transport::Tcp] };
        let spoken = || order.iter().copied().find(|transport| self.reach.has(*transport));
        self.transport.or_else(spoken).unwrap_or(Transport::Tls)
    }

    fn only_addresses(&mut self, port: u16) {
        let (transport, target) = (self.usual(), self.host.clone());
        self.state = State::Addresses(vec![Wanted { transport, target, port, rank: 0, record: 0, weight: 1 }]);
    }

    fn addresses(&mut self, wanted: &[Wanted], replies: Vec<Reply>, silent: u32) {
        let asked = names(wanted);
        let mut places = Vec::new();
        for wanted in wanted {
            let reply = asked.iter().position(|name| *name == &*wanted.target).and_then(|place| replies.get(place));
            let Some(Reply::Addresses(addresses, _)) = reply else { continue };
            let spoken = addresses.iter().filter(|ip| if ip.is_ipv4() { self.reach.ipv4 } else { self.reach.ipv6 });
            for ip in spoken {
                let Wanted { transport, port, rank, record, weight, .. } = *wanted;
                places.push(Place { transport, address: SocketAddr::new(*ip, port), rank, record, weight });
            }
        }
        places.truncate(MOST_PLACES);
        let ttl = if self.failed { self.ttl.min(HALF_TTL) } else { self.ttl };
        self.state = State::Done(match (places.is_empty(), self.failed) {
            (false, _) => Outcome::Places(places, ttl),
            (true, true) => Outcome::Failed,
            (true, false) => Outcome::Nothing(silent.min(ttl)),
        });
    }
}

/// Each target once.
fn names(wanted: &[Wanted]) -> Vec<&[u8]> {
    let mut names: Vec<&[u8]> = Vec::new();
    for wanted in wanted {
        if !names.contains(&&*wanted.target) {
            names.push(&wanted.target);
        }
    }
    names
}

#[cfg(test)]
mod tests;
