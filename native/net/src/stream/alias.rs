//! Requests to a server by the connection that it opened to us: `alias` in Via. RFC 5923 §8.2, §9.2, RFC 5922 §7.
//!
//! Only TLS with a certificate of the client counts: what is sent so goes to somebody to whom it would have gone by a
//! connection of our own. That is, its name or address must be in the certificate, and lead to where the connection comes from.

use dialplane_core::path::ConnectionId;
use dialplane_core::routing::target::HopHost;
use dialplane_syntax::Uri;
use rustls::pki_types::{CertificateDer, ServerName};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use webpki::EndEntityCert;

/// Identities of one certificate that count.
const MOST_IDENTITIES: usize = 64;
/// Identities that have a connection.
const MOST_ALIASES: usize = 65_536;

/// An address, and the number of the host that must be there.
type Place = (SocketAddr, ConnectionId);

/// By which connection, of whichever worker, requests to a place may go.
#[derive(Debug, Default)]
pub(crate) struct Aliases {
    places: HashMap<Place, ConnectionId>,
}

impl Aliases {
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(crate) fn find(&self, place: &Place) -> Option<ConnectionId> {
        self.places.get(place).copied()
    }

    /// The latest connection of a peer takes the place of others.
    pub(crate) fn insert(&mut self, place: Place, id: ConnectionId) {
        if self.places.len() < MOST_ALIASES || self.places.contains_key(&place) {
            self.places.insert(place, id);
        }
    }

    pub(crate) fn remove(&mut self, place: &Place) {
        self.places.remove(place);
    }

    /// Nothing more goes by this connection.
    pub(crate) fn forget(&mut self, id: ConnectionId) {
        self.places.retain(|_, other| *other != id);
    }
}

/// Whom a certificate stands for, of those that requests can be for: its names, and `address` if that is in it. None when it does
/// not stand for `sent_by`.
pub(crate) fn identities(certificate: &CertificateDer<'_>, address: IpAddr, sent_by: &HopHost) -> Vec<HopHost> {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else { return Vec::new() };
    let domain = |uri: &str| match Uri::parse(uri.as_bytes()) {
        Ok(Uri::Sip(uri)) if !uri.secure && uri.user.is_none() => {
            Some(HopHost::of(&uri.host)).filter(|host| matches!(host, HopHost::Name(_)))
        }
        _ => None,
    };
    // RFC 5922 §7.1: names of the DNS count if there is no SIP URI; §7.2: no wildcard does.
    let mut found: Vec<HopHost> = certificate.valid_uri_names().filter_map(domain).take(MOST_IDENTITIES).collect();
    if found.is_empty() {
        let is_its = |name: &&str| {
            ServerName::try_from(*name).is_ok_and(|name| certificate.verify_is_valid_for_subject_name(&name).is_ok())
        };
        let names = certificate.valid_dns_names().filter(is_its).take(MOST_IDENTITIES);
        found.extend(names.map(|name| HopHost::Name(name.to_ascii_lowercase().into_bytes().into())));
    }
    let name = ServerName::IpAddress(address.into());
    let has_address = certificate.verify_is_valid_for_subject_name(&name).is_ok();
    found.extend(has_address.then_some(HopHost::Address(address)));
    let is_itself = match sent_by {
        // The way back is to where the connection comes from, whatever stands there (RFC 5923 §5).
        HopHost::Address(named) => *named == address,
        HopHost::Name(_) => found.contains(sent_by),
    };
    if is_itself { found } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dialplane_core::path::WorkerId;
    use rcgen::{CertificateParams, KeyPair, SanType};

    const ADDRESS: &str = "192.0.2.1";

    fn found(names: &[&str], sent_by: &str) -> Vec<String> {
        let names = names.iter().map(|name| match name.split_once(' ') {
            Some(("URI", uri)) => SanType::URI(uri.try_into().expect("ASCII")),
            Some(("IP", address)) => SanType::IpAddress(address.parse().expect("an address")),
            _ => SanType::DnsName((*name).try_into().expect("ASCII")),
        });
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.collect();
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let sent_by = match sent_by.parse() {
            Ok(address) => HopHost::Address(address),
            Err(_) => HopHost::Name(sent_by.as_bytes().into()),
        };
        let found = identities(certificate.der(), ADDRESS.parse().expect("an address"), &sent_by);
        found
            .into_iter()
            .map(|identity| match identity {
                HopHost::Address(address) => address.to_string(),
                HopHost::Name(name) => String::from_utf8_lossy(&name).into_owned(),
            })
            .collect()
    }

    #[test]
    fn a_certificate_stands_for_what_is_in_it() {
        for (names, sent_by, expected) in [
            (&["p1.example.com", "Example.COM"][..], "p1.example.com", &["p1.example.com", "example.com"][..]),
            (&["p1.example.com"], ADDRESS, &["p1.example.com"]),
            (&["p1.example.com", "IP 192.0.2.1"], ADDRESS, &["p1.example.com", ADDRESS]),
            (&["IP 192.0.2.1"], ADDRESS, &[ADDRESS]),
            (&["IP 192.0.2.2"], ADDRESS, &[]),
            (&["p1.example.com"], "192.0.2.2", &[]),
            (&["p1.example.com"], "p2.example.com", &[]),
            (&["example.com"], "p1.example.com", &[]),
            (&["*.example.com"], "p1.example.com", &[]),
            (&["*.example.com", "example.com"], "example.com", &["example.com"]),
            (&["URI sip:example.com", "other.example"], "example.com", &["example.com"]),
            (&["URI sip:example.com", "other.example"], "other.example", &[]),
            (&["URI sips:a.example", "URI sip:alice@b.example", "c.example"], "c.example", &["c.example"]),
        ] {
            assert_eq!(found(names, sent_by), expected, "{names:?} {sent_by}");
        }
    }

    #[test]
    fn the_latest_connection_counts() {
        let place = |port| (SocketAddr::new(ADDRESS.parse().expect("an address"), port), ConnectionId(7));
        let [one, two] = [1, 2].map(|number| ConnectionId::new(WorkerId(0), number, 0));
        let mut aliases = Aliases::default();
        aliases.insert(place(5061), one);
        aliases.insert(place(5062), one);
        aliases.insert(place(5061), two);
        assert_eq!((aliases.find(&place(5061)), aliases.find(&place(5063))), (Some(two), None));
        aliases.forget(one);
        assert_eq!((aliases.find(&place(5061)), aliases.find(&place(5062))), (Some(two), None));
        aliases.remove(&place(5061));
        assert!(aliases.is_empty());
    }
}
