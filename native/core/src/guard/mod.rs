//! Protection of the server: sources that flood, scan or guess passwords, and more load than it can carry.
//!
//! | module | what |
//! |---|---|
//! | [`source`] | who is meant: an address, or an IPv6 /64 |
//! | [`table`] | what all workers keep of sources: bans and buckets |
//! | [`shed`] | which new requests are refused while messages wait too long |
//! | [`oc`] | the same told to peers that ask for it (RFC 7339) |
//! | [`act`] | where messages meet all that |
//!
//! A message that comes to nothing (it is no SIP, has no credentials, asks for a user that nobody knows) costs its source a
//! token; credentials that turn out right give it back. Who has none left is banned: nothing of his is read, and where the
//! kernel's program can, it drops what he sends before it is queued. So an honest message pays one load for all of this.
//!
//! The source of a datagram can be forged. Who has shown that he receives what we send (right credentials, an ACK or a Route that
//! only we could have written) has ten times as many tokens, and is not banned for what a stranger may send in his name.

pub(crate) mod act;
pub(crate) mod oc;
pub(crate) mod shed;
pub mod source;
pub mod table;

use crate::access::Networks;
use crate::config::{Config, ConfigError};
use dialplane_syntax::{HeaderId, Message, Uri};
pub use source::Source;
use std::net::IpAddr;
pub use table::{Allowance, Ban, Bucket, Reason, SourceTable, WORDS};

/// `[guard]` of the configuration, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    allow: Networks,
    /// How long a ban lasts; 0 when nobody is banned.
    ban_ms: u64,
    failures: Allowance,
    refused: Allowance,
    /// `None`: as many as it likes.
    pub(crate) requests: Option<Allowance>,
    scanners: Scanners,
    emergency: Vec<Box<[u8]>>,
    /// Messages that waited longer show that there is too much to do.
    pub(crate) delay_ms: u64,
}

/// As many tokens more than others has who has proved himself.
const PROVED: u32 = 10;
const MINUTE_US: u64 = 60_000_000;
const SECOND_US: u64 = 1_000_000;

impl Guard {
    /// Takes the configuration.
    ///
    /// # Errors
    /// What in it cannot be used.
    pub(crate) fn build(config: &Config) -> Result<Self, Vec<ConfigError>> {
        let guard = &config.guard;
        let every = |time_us: u64, most: u32| Allowance { most, each_us: time_us / u64::from(most.max(1)) };
        Ok(Self {
            allow: Networks::read("guard.allow", &guard.allow)?,
            ban_ms: (guard.ban * 1000.0) as u64,
            failures: every(MINUTE_US, guard.failures),
            refused: every(MINUTE_US, guard.refused),
            requests: (guard.requests > 0).then(|| every(SECOND_US, guard.requests)),
            scanners: Scanners::new(&guard.scanners),
            emergency: guard.emergency.iter().map(|user| user.as_bytes().into()).collect(),
            delay_ms: (guard.delay * 1000.0) as u64,
        })
    }

    /// Whether the operator vouches for this address.
    fn allows(&self, address: IpAddr) -> bool {
        self.allow.contains(address)
    }

    fn allowance(&self, bucket: Bucket) -> Allowance {
        match bucket {
            Bucket::Failures => self.failures,
            Bucket::Refused | Bucket::Stun => self.refused,
            Bucket::Requests => self.requests.unwrap_or(self.refused),
        }
    }

    /// Whether a request says of itself that it comes from a scanner.
    pub(crate) fn is_scanner(&self, message: &Message<'_>) -> bool {
        message.first(HeaderId::USER_AGENT).is_some_and(|agent| self.scanners.names(agent.value))
    }

    /// RFC 5031: `urn:service:sos` and what is below it; the numbers of the configuration.
    fn is_emergency(&self, uri: &Uri<'_>, text: &[u8]) -> bool {
        const SOS: &[u8] = b"urn:service:sos";
        match uri {
            Uri::Sip(sip) => self.is_emergency_number(sip.user.unwrap_or_default()),
            Uri::Tel(tel) => self.is_emergency_number(tel.number),
            Uri::Other { .. } => text.split_at_checked(SOS.len()).is_some_and(|(head, rest)| {
                head.eq_ignore_ascii_case(SOS) && matches!(rest.first(), None | Some(b'.'))
            }),
        }
    }

    fn is_emergency_number(&self, user: &[u8]) -> bool {
        self.emergency.iter().any(|number| **number == *user)
    }
}

/// Beginnings of User-Agent, in lower case.
#[derive(Clone, Debug)]
struct Scanners {
    /// Bit n: one begins with the octet n.
    first: [u64; 4],
    names: Vec<Box<[u8]>>,
}

impl Scanners {
    fn new(names: &[String]) -> Self {
        let names: Vec<Box<[u8]>> = names.iter().map(|name| name.to_ascii_lowercase().into_bytes().into()).collect();
        let mut first = [0; 4];
        for octet in names.iter().filter_map(|name| name.first()) {
            first[usize::from(octet >> 6)] |= 1 << (octet & 63);
        }
        Self { first, names }
    }

    fn names(&self, agent: &[u8]) -> bool {
        let Some(first) = agent.first().map(u8::to_ascii_lowercase) else { return false };
        self.first[usize::from(first >> 6)] & 1 << (first & 63) != 0
            && self
                .names
                .iter()
                .any(|name| agent.split_at_checked(name.len()).is_some_and(|(head, _)| head.eq_ignore_ascii_case(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scanners_are_known_by_their_beginning() {
        let scanners = Scanners::new(&["friendly-scanner".into(), "SIPVicious".into(), "pplsip".into()]);
        for (agent, expected) in [
            ("friendly-scanner", true),
            ("Friendly-Scanner 1.0", true),
            ("sipvicious", true),
            ("pplsi", false),
            ("a friendly-scanner", false),
            ("Yealink SIP-T46S", false),
            ("snom", false),
            ("", false),
        ] {
            assert_eq!(scanners.names(agent.as_bytes()), expected, "{agent}");
        }
        assert!(!Scanners::new(&[]).names(b"friendly-scanner"));
    }
}
