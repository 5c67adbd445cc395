//! Where requests to a URI go: host, port and transport, before any name is resolved. RFC 3263 §4.

use crate::path::Transport;
use dialplane_syntax::{Host, SipUri, Uri};
use std::fmt;
use std::net::IpAddr;

/// Host of a next hop.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HopHost {
    /// An address: nothing to resolve.
    Address(IpAddr),
    /// A name in lower case, without a final dot. It stays a name: whoever sends asks the resolver each time.
    Name(Box<[u8]>),
}

impl HopHost {
    /// The same host, of a URI or a Via.
    #[must_use]
    pub fn of(host: &Host<'_>) -> Self {
        match host {
            Host::V4(address) => Self::Address((*address).into()),
            Host::V6(address) => Self::Address((*address).into()),
            Host::Name(name) => Self::Name(name.strip_suffix(b".").unwrap_or(name).to_ascii_lowercase().into()),
        }
    }
}

/// Next hop of a URI.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NextHop {
    /// `maddr` if the URI has one, else its host (RFC 3263 §4, "TARGET").
    pub host: HopHost,
    /// Port, if the URI has one.
    pub port: Option<u16>,
    /// Transport, if the URI says so, and for SIPS the one over TLS.
    pub transport: Option<Transport>,
    /// Whether the scheme is SIPS: each transport is over TLS then.
    pub secure: bool,
}

impl NextHop {
    /// Takes a SIP or SIPS URI of the configuration.
    ///
    /// # Errors
    /// What is wrong with it, in words for the operator.
    pub(in crate::routing) fn read(text: &str) -> Result<Self, String> {
        match Uri::parse(text.as_bytes()) {
            Ok(Uri::Sip(uri)) if !uri.headers.is_empty() => {
                Err(format!("{text:?} has header fields behind '?', which a next hop cannot have"))
            }
            Ok(Uri::Sip(uri)) => Self::of(&uri).map_err(|problem| format!("{text:?}: {problem}")),
            Ok(_) => Err(format!("{text:?} is neither a SIP nor a SIPS URI")),
            Err(error) => Err(format!("{text:?} is not a URI: {error}")),
        }
    }

    /// Next hop of a parsed URI.
    ///
    /// # Errors
    /// A parameter that cannot be followed.
    pub fn of(uri: &SipUri<'_>) -> Result<Self, &'static str> {
        let transport = match uri.params.find(b"transport") {
            None | Some(None) => None,
            Some(Some(name)) => Some(transport(name, uri.secure)?),
        };
        let host = match uri.params.find(b"maddr") {
            Some(Some(maddr)) => Host::parse(maddr).ok_or("maddr is not a host")?,
            None | Some(None) => uri.host,
        };
        Ok(Self { host: HopHost::of(&host), port: uri.port, transport, secure: uri.secure })
    }
}

/// `host`, `host:port;transport=udp`: as in a URI.
impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            HopHost::Address(IpAddr::V4(address)) => write!(f, "{address}")?,
            HopHost::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
            HopHost::Name(name) => write!(f, "{}", name.escape_ascii())?,
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        match self.transport {
            None if self.secure => f.write_str(";transport=tls"),
            None => Ok(()),
            Some(Transport::Udp) => f.write_str(";transport=udp"),
            Some(Transport::Tcp) => f.write_str(";transport=tcp"),
            Some(Transport::Tls) => f.write_str(";transport=tls"),
            Some(Transport::Ws) => f.write_str(";transport=ws"),
            Some(Transport::Wss) => f.write_str(";transport=wss"),
        }
    }
}

/// Value of a `transport` parameter (RFC 3261 §19.1.1; `tls` is deprecated there and still written everywhere).
fn transport(name: &[u8], secure: bool) -> Result<Transport, &'static str> {
    let known = [
        ("udp", Transport::Udp),
        ("tcp", Transport::Tcp),
        ("tls", Transport::Tls),
        ("ws", Transport::Ws),
        ("wss", Transport::Wss),
    ];
    let transport = known.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
    let &(_, transport) = transport.ok_or("the transport is one of udp, tcp, tls, ws, wss")?;
    match (transport, secure) {
        // RFC 3261 §26.2.2: SIPS asks for TLS on every hop.
        (Transport::Udp, true) => Err("a SIPS URI cannot be reached over UDP"),
        (Transport::Tcp, true) => Ok(Transport::Tls),
        (Transport::Ws, true) => Ok(Transport::Wss),
        (transport, _) => Ok(transport),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(host: HopHost, port: Option<u16>, transport: Option<Transport>) -> Result<NextHop, String> {
        Ok(NextHop { host, port, transport, secure: false })
    }

    #[test]
    fn next_hops() {
        let name = |name: &str| HopHost::Name(name.as_bytes().into());
        let secure = |host, transport| Ok(NextHop { host, port: None, transport, secure: true });
        let address = |address: &str| HopHost::Address(address.parse().expect("an address"));
        for (uri, expected) in [
            ("sip:gw1.example.com", hop(name("gw1.example.com"), None, None)),
            ("sip:GW1.Example.COM.:5080", hop(name("gw1.example.com"), Some(5080), None)),
            ("sip:192.0.2.1", hop(address("192.0.2.1"), None, None)),
            ("sip:[2001:db8::1]:5060;transport=UDP", hop(address("2001:db8::1"), Some(5060), Some(Transport::Udp))),
            ("sips:trunk@gw1.example.com", secure(name("gw1.example.com"), None)),
            ("sips:gw1.example.com;transport=tcp", secure(name("gw1.example.com"), Some(Transport::Tls))),
            ("sips:gw1.example.com;transport=ws", secure(name("gw1.example.com"), Some(Transport::Wss))),
            ("sip:gw1.example.com;maddr=192.0.2.7", hop(address("192.0.2.7"), None, None)),
        ] {
            assert_eq!(NextHop::read(uri), expected, "{uri}");
        }
    }

    #[test]
    fn what_is_no_next_hop() {
        for (uri, words) in [
            ("gw1.example.com", "URI"),
            ("sip:", "not a URI"),
            ("sip:gw1.example.com:99999", "not a URI"),
            ("tel:+49301234", "neither a SIP nor a SIPS URI"),
            ("sip:gw1.example.com;transport=pigeon", "one of udp"),
            ("sips:gw1.example.com;transport=udp", "UDP"),
            ("sip:gw1.example.com?Subject=x", "header fields"),
        ] {
            let problem = NextHop::read(uri).expect_err(uri);
            assert!(problem.contains(words) && problem.contains(uri), "{uri}: {problem}");
        }
    }
}
