//! What a name leads to, and in which order a request tries it. RFC 3263 §4.2, §4.4, RFC 2782 "Usage rules".
//!
//! Ranks come one after the other: services of NAPTR in their order, within them the priorities of SRV. Within a rank the
//! weights decide, by a draw that hangs on the request alone: retransmissions go where the first went, whichever worker
//! has them, and the requests of all together keep the proportions. The addresses of one record share alike.

use crate::path::Transport;
use crate::routing::target::score::{draw, inverse, mix};
use smallvec::SmallVec;
use std::net::{IpAddr, SocketAddr};

/// One address, and how it is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Transport.
    pub transport: Transport,
    /// Address and port.
    pub address: SocketAddr,
    /// A higher number is tried after all of a lower one.
    pub rank: u16,
    /// Which record of SRV it came from; addresses of one record stay together.
    pub record: u16,
    /// Share of that record in its rank; 0 comes behind all others.
    pub weight: u16,
}

/// The places that one request may try.
pub(crate) struct Order<'p> {
    pub places: &'p [Place],
    /// What chance decides for this request.
    pub chance: u64,
}

impl Order<'_> {
    /// The first place of which `way` makes something, those last that `last` names.
    #[inline]
    pub(crate) fn first<T>(&self, last: impl Fn(&Place) -> bool, way: impl Fn(&Place) -> Option<T>) -> Option<T> {
        if let [only] = self.places {
            return way(only);
        }
        let best = self.places.iter().filter_map(|place| Some((self.key(place, &last), way(place)?)));
        best.min_by_key(|(key, _)| *key).map(|(_, way)| way)
    }

    /// All places, first choice first.
    pub(crate) fn all(&self) -> SmallVec<[Place; 16]> {
        let mut places: SmallVec<[Place; 16]> = self.places.into();
        places.sort_by_key(|place| self.key(place, &|_| false));
        places
    }

    fn key(&self, place: &Place, last: &impl Fn(&Place) -> bool) -> (bool, u16, u64, bool, u64) {
        let share = inverse(place.weight.into());
        let record = share.map_or(u64::MAX, |share| draw(self.chance, mix(place.record.into()), share));
        // IPv4 first: who has both speaks the older one to more peers.
        (last(place), place.rank, record, place.address.is_ipv6(), mix(self.chance ^ number(place.address)))
    }
}

fn number(address: SocketAddr) -> u64 {
    let ip = match address.ip() {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits() as u64 ^ (v6.to_bits() >> 64) as u64,
    };
    ip << 16 ^ u64::from(address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(rank: u16, record: u16, weight: u16, address: &str) -> Place {
        Place { transport: Transport::Udp, address: address.parse().expect(address), rank, record, weight }
    }

    fn orders(places: &[Place], requests: u64) -> Vec<Vec<String>> {
        let order = |chance| Order { places, chance }.all().iter().map(|place| place.address.to_string()).collect();
        (0..requests).map(|request| order(mix(request))).collect()
    }

    #[test]
    fn weights_share_within_a_rank() {
        let places = [
            place(1, 3, 1, "192.0.2.4:1"),
            place(0, 0, 10, "192.0.2.1:1"),
            place(0, 1, 30, "192.0.2.2:1"),
            place(0, 2, 0, "192.0.2.3:1"),
        ];
        let orders = orders(&places, 10_000);
        let first = |address: &str| orders.iter().filter(|order| order[0] == address).count();
        let (one, two) = (first("192.0.2.1:1"), first("192.0.2.2:1"));
        // 2500 expected, 43 the standard deviation.
        assert!((2280..2720).contains(&one) && one + two == 10_000, "{one} and {two}");
        assert!(
            orders.iter().all(|order| order[2..] == ["192.0.2.3:1", "192.0.2.4:1"]),
            "no weight, then the next rank"
        );
    }

    #[test]
    fn addresses_of_one_record_stay_together_and_share_alike() {
        let places = [
            place(0, 0, 5, "192.0.2.1:1"),
            place(0, 0, 5, "192.0.2.2:1"),
            place(0, 0, 5, "[2001:db8::1]:1"),
            place(0, 1, 5, "192.0.2.9:1"),
        ];
        let orders = orders(&places, 4000);
        for order in &orders {
            let at = order.iter().position(|address| address == "192.0.2.9:1").expect("there");
            assert!(at == 0 || at == 3, "{order:?}");
            assert_eq!(order[if at == 0 { 3 } else { 2 }], "[2001:db8::1]:1", "IPv4 first");
        }
        let first = |address: &str| orders.iter().filter(|order| order[0] == address).count();
        for address in ["192.0.2.1:1", "192.0.2.2:1"] {
            assert!((850..1150).contains(&first(address)), "{address}: {}", first(address));
        }
    }

    #[test]
    fn what_comes_last_and_what_cannot_be_used() {
        let places = [place(0, 0, 1, "192.0.2.1:1"), place(1, 1, 1, "192.0.2.2:1"), place(2, 2, 1, "192.0.2.3:1")];
        let order = Order { places: &places, chance: 7 };
        let port = |place: &Place| Some(place.address.to_string());
        assert_eq!(order.first(|_| false, port).as_deref(), Some("192.0.2.1:1"));
        assert_eq!(order.first(|place| place.rank == 0, port).as_deref(), Some("192.0.2.2:1"));
        assert_eq!(order.first(|_| true, port).as_deref(), Some("192.0.2.1:1"), "all alike");
        let last = |place: &Place| (place.rank == 2).then_some(2);
        assert_eq!(order.first(|_| false, last), Some(2));
        assert_eq!(Order { places: &places[..1], chance: 7 }.first(|_| true, |_| None::<()>), None);
    }
}
