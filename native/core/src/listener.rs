//! Our own addresses: what stands in Via and Record-Route, and which hosts of a URI mean us. RFC 3261 §18.1.1, §16.4.

use crate::config::{self, ConfigError};
use crate::path::{ListenerId, Transport};
use crate::text::push_host_port;
use dialplane_syntax::Host;
use std::net::{IpAddr, SocketAddr};

/// One `[[listen]]` entry, with the texts that forwards need ready made.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Transport.
    pub transport: Transport,
    /// Address bound.
    pub bind: SocketAddr,
    /// Host that peers see: a name or an address, IPv6 in brackets.
    pub host: Vec<u8>,
    /// The same, if it is an address.
    address: Option<IpAddr>,
    /// Port that peers see.
    pub port: u16,
    /// Seconds between keep-alives that clients are told when they ask (RFC 6223 §5); 0 tells nothing.
    pub keep: u32,
    /// The texts of its own transport, and of what connections to it become.
    texts: [Texts; 2],
}

/// What stands for a listener in a message that leaves by it.
#[derive(Clone, Debug)]
pub(crate) struct Texts {
    transport: Transport,
    /// `Via: SIP/2.0/UDP host:port;branch=`
    pub via: Vec<u8>,
    /// `host:port;transport=tcp;lr;dp=`: a Record-Route from behind its user part.
    pub route: Vec<u8>,
}

impl Listener {
    /// Takes one entry of the configuration. With `alias`, requests that leave by TLS say that others may come back by the same
    /// connection (RFC 5923 §8.1).
    ///
    /// # Errors
    /// The field of `listen[index]` that cannot be used, and why.
    pub fn new(index: usize, entry: &config::Listen, alias: bool) -> Result<Self, ConfigError> {
        let address = config::listen_address(&entry.address)
            .map_err(|problem| ConfigError::new(format!("listen[{index}].address"), problem.to_owned()))?;
        let mut own = Vec::new();
        let (host, port) = match entry.advertise.as_deref() {
            None => {
                push_host_port(address.bind, &mut own);
                split_port(&own).unwrap_or((own.clone(), address.bind.port()))
            }
            Some(advertise) => {
                let (host, port) = split_port(advertise.as_bytes())
                    .unwrap_or_else(|| (advertise.as_bytes().to_vec(), address.bind.port()));
                if Host::parse(&host).is_none() {
                    let problem = format!("'{advertise}' is not HOST or HOST:PORT");
                    return Err(ConfigError::new(format!("listen[{index}].advertise"), problem));
                }
                (host, port)
            }
        };
        let name = String::from_utf8_lossy(&host).into_owned();
        let texts = [address.transport, address.transport.upgraded()].map(|transport| {
            // RFC 7118 §5.2 knows one URI parameter for both kinds of WebSocket.
            let (token, parameter) = match transport {
                Transport::Udp => ("UDP", ""),
                Transport::Tcp => ("TCP", ";transport=tcp"),
                Transport::Tls => ("TLS", ";transport=tls"),
                Transport::Ws => ("WS", ";transport=ws"),
                Transport::Wss => ("WSS", ";transport=ws"),
            };
            let offer = if alias && transport == Transport::Tls { ";alias" } else { "" };
            Texts {
                transport,
                via: format!("Via: SIP/2.0/{token} {name}:{port}{offer};branch=").into_bytes(),
                route: format!("{name}:{port}{parameter};lr;dp=").into_bytes(),
            }
        });
        Ok(Self {
            transport: address.transport,
            bind: address.bind,
            texts,
            address: Host::parse(&host).and_then(|host| host.address()),
            host,
            port,
            keep: entry.keep.unwrap_or(if address.transport.is_stream() { STREAM_KEEP } else { DATAGRAM_KEEP }),
        })
    }

    /// What stands for it in a message that leaves by `transport`.
    pub(crate) fn texts(&self, transport: Transport) -> &Texts {
        let [own, upgraded] = &self.texts;
        if upgraded.transport == transport { upgraded } else { own }
    }

    /// Whether messages go by this transport from here: its own, or WebSocket by what began as TCP or TLS.
    pub(crate) fn serves(&self, transport: Transport) -> bool {
        self.texts.iter().any(|texts| texts.transport == transport)
    }

    /// Whether a sent-by or URI with this host and port names this listener.
    pub(crate) fn is(&self, host: &Host<'_>, port: Option<u16>) -> bool {
        port.unwrap_or(default_port(self.transport)) == self.port && self.has_host(host)
    }

    /// Whether this host, at any port, is the one that peers see.
    pub(crate) fn has_host(&self, host: &Host<'_>) -> bool {
        match (host, self.address) {
            (Host::Name(name), None) => self.host.eq_ignore_ascii_case(name),
            (Host::V4(v4), Some(address)) => address == *v4,
            (Host::V6(v6), Some(address)) => address == *v6,
            _ => false,
        }
    }
}

/// Default port. RFC 3261 §19.1.2.
pub(crate) fn default_port(transport: Transport) -> u16 {
    match transport {
        Transport::Udp | Transport::Tcp => 5060,
        Transport::Tls => 5061,
        Transport::Ws => 80,
        Transport::Wss => 443,
    }
}

/// `host:port` in parts; `None` without a port. An IPv6 address keeps its brackets.
fn split_port(text: &[u8]) -> Option<(Vec<u8>, u16)> {
    let colon = text.iter().rposition(|&octet| octet == b':')?;
    let (host, port) = (&text[..colon], text.get(colon + 1..)?);
    if host.starts_with(b"[") && !host.ends_with(b"]") || host.contains(&b':') && !host.starts_with(b"[") {
        return None;
    }
    Some((host.to_vec(), std::str::from_utf8(port).ok()?.parse().ok()?))
}

/// RFC 5626 §4.4.1 and §4.4.2: the longest intervals that it recommends. Many NATs forget a datagram after 30 s.
const STREAM_KEEP: u32 = 120;
const DATAGRAM_KEEP: u32 = 29;

/// Which listener sends to a peer: the one that the message came by if it can, else the first of the same kind.
pub(crate) fn sender(
    listeners: &[Listener],
    preferred: ListenerId,
    transport: Transport,
    peer: SocketAddr,
) -> Option<ListenerId> {
    let fits = |listener: &Listener| {
        listener.serves(transport)
            && listener.bind.is_ipv4() == peer.is_ipv4()
            // A socket bound to the loopback interface cannot reach another host, nor the reverse.
            && (listener.bind.ip().is_unspecified() || loopback(listener.bind.ip()) == loopback(peer.ip()))
    };
    let same = |listener: &Listener| listener.serves(transport) && listener.bind.is_ipv4() == peer.is_ipv4();
    if listeners.get(usize::from(preferred.0)).is_some_and(fits) {
        return Some(preferred);
    }
    let found = listeners.iter().position(fits).or_else(|| listeners.iter().position(same))?;
    u8::try_from(found).ok().map(ListenerId)
}

fn loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(address: &str, advertise: Option<&str>) -> Result<Listener, ConfigError> {
        Listener::new(
            0,
            &config::Listen {
                address: address.into(),
                advertise: advertise.map(str::to_owned),
                client_authorities: None,
                keep: None,
            },
            false,
        )
    }

    #[test]
    fn the_texts_name_what_peers_see() {
        let cases = [
            ("udp:192.0.2.1:5060", None, "192.0.2.1", 5060),
            ("udp:[2001:db8::1]:5062", None, "[2001:db8::1]", 5062),
            ("udp:0.0.0.0:5060", Some("edge.example.com"), "edge.example.com", 5060),
            ("udp:0.0.0.0:5060", Some("edge.example.com:5080"), "edge.example.com", 5080),
            ("udp:[::]:5060", Some("[2001:db8::9]:5080"), "[2001:db8::9]", 5080),
            ("udp:[::]:5060", Some("[2001:db8::9]"), "[2001:db8::9]", 5060),
        ];
        for (address, advertise, host, port) in cases {
            let made = listener(address, advertise).expect(address);
            assert_eq!((made.host.as_slice(), made.port), (host.as_bytes(), port), "{address} {advertise:?}");
            assert_eq!(made.texts(Transport::Udp).via, format!("Via: SIP/2.0/UDP {host}:{port};branch=").into_bytes());
            assert_eq!(made.texts(Transport::Udp).route, format!("{host}:{port};lr;dp=").into_bytes());
        }
    }

    #[test]
    fn what_begins_as_tls_may_become_websocket() {
        let made = listener("tls:192.0.2.1:443", None).expect("a listener");
        for (transport, token, parameter) in [(Transport::Tls, "TLS", "tls"), (Transport::Wss, "WSS", "ws")] {
            assert!(made.serves(transport));
            let texts = made.texts(transport);
            assert_eq!(texts.via, format!("Via: SIP/2.0/{token} 192.0.2.1:443;branch=").into_bytes());
            assert_eq!(texts.route, format!("192.0.2.1:443;transport={parameter};lr;dp=").into_bytes());
        }
        assert!(!made.serves(Transport::Tcp) && !made.serves(Transport::Ws));
        assert!(!listener("ws:192.0.2.1:80", None).expect("a listener").serves(Transport::Tcp));
    }

    #[test]
    fn mistakes_name_their_field() {
        for (address, advertise, field) in [
            ("udp:5060", None, "listen[0].address"),
            ("sip:1.2.3.4:5060", None, "listen[0].address"),
            ("udp:1.2.3.4:5060", Some("no host"), "listen[0].advertise"),
            ("udp:1.2.3.4:5060", Some("2001:db8::9"), "listen[0].advertise"),
        ] {
            assert_eq!(listener(address, advertise).expect_err(address).path, field);
        }
    }

    #[test]
    fn a_peer_is_reached_from_a_socket_of_its_kind() {
        let listeners: Vec<_> = ["udp:127.0.0.1:5060", "udp:192.0.2.1:5060", "udp:[2001:db8::1]:5060"]
            .iter()
            .map(|address| listener(address, None).expect(address))
            .collect();
        let from = |preferred: u8, peer: &str| {
            sender(&listeners, ListenerId(preferred), Transport::Udp, peer.parse().expect(peer)).map(|id| id.0)
        };
        assert_eq!(from(0, "127.0.0.9:5060"), Some(0));
        assert_eq!(from(1, "127.0.0.9:5060"), Some(0), "the loopback listener reaches the loopback peer");
        assert_eq!(from(0, "198.51.100.7:5060"), Some(1));
        assert_eq!(from(0, "[2001:db8::2]:5060"), Some(2));
        assert_eq!(sender(&listeners, ListenerId(0), Transport::Tcp, "127.0.0.1:1".parse().expect("")), None);
    }
}
