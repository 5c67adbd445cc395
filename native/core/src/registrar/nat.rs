//! Whether requests go to the Contact or back to where the REGISTER came from. `registrar.nat = "auto"`.
//!
//! A client behind a NAT writes an address into Contact that only its own network knows. Requests then go to the source
//! of the REGISTER, with the Contact as Request-URI. A Contact that differs because it names *another* device, which a
//! user may well register (RFC 3261 §10.2), must be left alone. So the source is taken when the REGISTER came straight
//! from the client (one Via, no Path) and the host of the Contact is not the source's address and
//!
//! - is the host that the client also wrote into its Via, so it means itself; or
//! - is an address of another kind of network than the source's (private, loopback, ...), so nobody here can reach it;
//!   or
//! - is under `.invalid`, as WebSocket clients write (RFC 7118 §5).
//!
//! A stream is always taken: nobody can connect to a client's ephemeral port.

use crate::path::{Path, Transport};
use dialplane_syntax::{Host, Uri, Via};
use std::net::{IpAddr, Ipv4Addr};

/// Whether the binding of `contact`, which came from `source` with this top Via, keeps the source.
pub(super) fn keeps_source(contact: &Uri<'_>, via: &Via<'_>, source: &Path) -> bool {
    let Uri::Sip(contact) = contact else { return false };
    if source.transport != Transport::Udp {
        return true;
    }
    let peer = source.peer.ip().to_canonical();
    match contact.host {
        Host::Name(name) => contact.host.matches(&via.host) || is_invalid(name),
        Host::V4(_) | Host::V6(_) => {
            let address = contact.host.address().map(|address| address.to_canonical());
            address != Some(peer) && (contact.host.matches(&via.host) || address.map(network) != Some(network(peer)))
        }
    }
}

/// Kind of network in which an address can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    Documentation,
    Global,
    LinkLocal,
    Loopback,
    Private,
    /// RFC 6598, between a provider and its customers.
    Shared,
    Unspecified,
}

/// The registries of RFC 6890.
fn network(address: IpAddr) -> Network {
    match address {
        IpAddr::V4(v4) if v4.is_loopback() => Network::Loopback,
        IpAddr::V4(v4) if v4.is_private() => Network::Private,
        IpAddr::V4(v4) if v4.is_link_local() => Network::LinkLocal,
        IpAddr::V4(v4) if v4.is_documentation() => Network::Documentation,
        IpAddr::V4(v4) if v4.is_unspecified() => Network::Unspecified,
        IpAddr::V4(v4) if is_shared(v4) => Network::Shared,
        IpAddr::V4(_) => Network::Global,
        IpAddr::V6(v6) if v6.is_loopback() => Network::Loopback,
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Network::LinkLocal,
        IpAddr::V6(v6) if v6.is_unique_local() => Network::Private,
        IpAddr::V6(v6) if v6.is_unspecified() => Network::Unspecified,
        IpAddr::V6(v6) if v6.segments()[..2] == [0x2001, 0xdb8] => Network::Documentation,
        IpAddr::V6(_) => Network::Global,
    }
}

fn is_shared(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && second & 0xc0 == 64
}

fn is_invalid(name: &[u8]) -> bool {
    let name = name.strip_suffix(b".").unwrap_or(name);
    let tail = name.len().saturating_sub(b".invalid".len());
    name[tail..].eq_ignore_ascii_case(b".invalid") || name.eq_ignore_ascii_case(b"invalid")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::{ConnectionId, ListenerId};

    fn keeps(contact: &str, via: &str, source: &str, transport: Transport) -> bool {
        let via = format!("SIP/2.0/UDP {via};branch=z9hG4bK1");
        let source = Path {
            transport,
            listener: ListenerId(0),
            connection: ConnectionId(0),
            peer: source.parse().expect("an address"),
        };
        let contact = Uri::parse(contact.as_bytes()).expect("a URI");
        keeps_source(&contact, &Via::parse(via.as_bytes(), 0).expect("a Via"), &source)
    }

    #[test]
    fn cases() {
        for (case, contact, via, source, expected) in [
            ("no NAT", "sip:a@192.0.2.1:5060", "192.0.2.1:5060", "192.0.2.1:5060", false),
            ("another port of its own", "sip:a@192.0.2.1:5070", "192.0.2.1:5060", "192.0.2.1:41000", false),
            ("private behind NAT", "sip:a@10.0.0.5:5060", "10.0.0.5:5060", "198.51.100.7:1024", true),
            ("NAT inside a NAT", "sip:a@192.168.1.5", "192.168.1.5", "10.0.0.1:1024", true),
            ("private without own Via", "sip:a@10.0.0.5:5060", "198.51.100.7", "198.51.100.7:1024", true),
            ("another device in our network", "sip:a@10.0.0.6", "10.0.0.5", "10.0.0.5:5060", false),
            ("another device on this host", "sip:a@127.0.0.2", "127.0.0.1", "127.0.0.1:5062", false),
            ("a gateway elsewhere", "sip:+1555@8.8.8.8", "10.0.0.5", "9.9.9.9:1024", false),
            ("a gateway by name", "sip:+1555@gw1.example.com", "10.0.0.5", "9.9.9.9:1024", false),
            (
                "itself by name",
                "sips:bob@Client.biloxi.example.com",
                "client.biloxi.example.com",
                "192.0.2.201:5061",
                true,
            ),
            ("WebSocket client", "sip:a@df7jal23ls0d.INVALID", "df7jal23ls0d.invalid", "192.0.2.1:1024", true),
            ("invalid without own Via", "sip:a@df7jal23ls0d.invalid.", "192.0.2.1", "192.0.2.1:1024", true),
            ("carrier-grade NAT", "sip:a@100.64.0.1", "192.0.2.9", "8.8.8.8:1024", true),
            ("IPv4 in IPv6", "sip:a@192.0.2.1", "192.0.2.1", "[::ffff:192.0.2.1]:5060", false),
            ("IPv6", "sip:a@[2001:db8::1]", "[2001:db8::1]", "[2001:db8:0::1]:5060", false),
            ("unique local", "sip:a@[fd00::1]", "[fd00::2]", "[2001:4860::1]:5060", true),
            ("not SIP", "mailto:a@biloxi.example.com", "10.0.0.5", "9.9.9.9:1024", false),
        ] {
            assert_eq!(keeps(contact, via, source, Transport::Udp), expected, "{case}");
        }
    }

    #[test]
    fn a_stream_is_kept() {
        assert!(keeps("sip:a@192.0.2.1:5060", "192.0.2.1:5060", "192.0.2.1:41000", Transport::Tcp));
    }
}
