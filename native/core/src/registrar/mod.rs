//! Registrar: the bindings of an address-of-record. RFC 3261 §10.3, RFC 3327 §5.3, RFC 5626 §6 (how bindings compare), RFC 5627 §5 ([`gruu`]).
//!
//! [`Registrar::handle`] takes a REGISTER through the steps of §10.3 and says what to answer; [`lookup`] finds where to
//! send a request for a user. Records live in the shared store, which any worker may change; one REGISTER is one
//! [`Table::update`](crate::store::Table::update) and so is done wholly or not at all.
//!
//! Decisions that are not in the RFCs:
//!
//! - **A retransmission** of a REGISTER that was accepted has the CSeq that its bindings have. §10.3 step 7 would fail
//!   it, though only the 200 was lost; when it asks for nothing that is not there, it is answered with the bindings as
//!   they are.
//! - **Too many bindings** are refused with 403, as in Asterisk. 503, as in Kamailio, would send clients to another
//!   server, which is no better.
//! - **A request out of order** is answered 500, as §10.3 has it for whatever fails in step 7.
//! - **Path without `Supported: path`** is refused with 421 and `Require: path`, unless the configuration takes it.
//!   DEVIATION: RFC 3327 §5.3 recommends 420. That says that we do not understand Path; 421 (RFC 3261 §21.4.16) says
//!   that the client has to, which is the case.
//! - **NAT.** See the module `nat`.
//! - **A record that cannot be read** ends where it cannot: clients register again, and nothing else would mend it.

mod answer;
mod contact;
mod date;
pub(crate) mod gruu;
pub mod lookup;
mod nat;
mod process;
pub mod record;
pub mod row;
#[cfg(test)]
pub(crate) mod tests;
mod update;

pub use update::prune;
pub(crate) use update::{Gone, without_flow};

use crate::auth::{self, Authenticator};
use crate::config::{Config, ConfigError};
use crate::keys::{Keys, SECRET_LEN};
use crate::path::Path;
use crate::store::Store;
use crate::time::Now;
use dialplane_syntax::uri::{Uri, write_aor};
use dialplane_syntax::{Essentials, Message, SipUri};

/// A REGISTER request and what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Register<'a> {
    /// The request.
    pub message: Message<'a>,
    /// What [`dialplane_syntax::check`] found in it.
    pub essentials: &'a Essentials<'a>,
    /// Where it came from.
    pub source: &'a Path,
    /// The time.
    pub now: Now,
    /// Whether the source needs no credentials.
    pub trusted: bool,
}

/// What to answer, beside the header lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Reason phrase; empty for the usual one.
    pub reason: &'static str,
}

impl Answer {
    /// A status with its usual reason phrase.
    const fn status(status: u16) -> Self {
        Self { status, reason: "" }
    }

    /// 400 that says what is wrong.
    const fn bad_request(reason: &'static str) -> Self {
        Self { status: 400, reason }
    }
}

/// What is done with a Path. `registrar.path`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PathPolicy {
    Always,
    Ignore,
    Supported,
}

/// The registrar of one snapshot.
#[derive(Clone, Debug)]
pub struct Registrar {
    authenticator: Authenticator,
    challenge: bool,
    /// Never below `min_expires`: a client that asked for nothing asked for nothing too brief.
    default_expires: u32,
    min_expires: u32,
    max_expires: u32,
    path: PathPolicy,
    nat: bool,
    bindings: usize,
    /// `Service-Route: …\r\n`, or nothing (RFC 3608).
    service_route: Vec<u8>,
    /// Its seconds and `Flow-Timer: …\r\n`, or nothing (RFC 5626 §6).
    flow_timer: (u32, Vec<u8>),
    /// Whether GRUUs are given to those who ask for them (RFC 5627).
    gives_gruus: bool,
    /// For temporary ones.
    pub(crate) gruu: gruu::GruuKey,
}

/// Working space, kept so that nothing is allocated for a request.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    auth: auth::Scratch,
    aor: Vec<u8>,
    contacts: Vec<contact::Requested>,
    /// Parameters of the contacts.
    text: Vec<u8>,
    path: Vec<u8>,
    record: Vec<u8>,
    date: date::Date,
}

impl Registrar {
    /// From the configuration and the secret that all processes of the host share.
    ///
    /// # Errors
    /// Everything in `auth` and `registrar` that cannot be used.
    pub fn new(config: &Config, secret: &[u8; SECRET_LEN]) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let registrar = &config.registrar;
        let path = match registrar.path.as_str() {
            "always" => Some(PathPolicy::Always),
            "ignore" => Some(PathPolicy::Ignore),
            "supported" => Some(PathPolicy::Supported),
            _ => None,
        };
        if path.is_none() {
            errors.push(ConfigError::new("registrar.path", "it is one of supported, always, ignore"));
        }
        let nat = match registrar.nat.as_str() {
            "auto" => Some(true),
            "never" => Some(false),
            _ => None,
        };
        if nat.is_none() {
            errors.push(ConfigError::new("registrar.nat", "it is one of auto, never"));
        }
        if registrar.min_expires > registrar.max_expires {
            errors.push(ConfigError::new("registrar.min_expires", "it is greater than max_expires"));
        }
        let service_route =
            service_route(&registrar.service_route).map_err(|error| errors.push(error)).unwrap_or_default();
        let flow_timer = match registrar.flow_timer {
            0 => Vec::new(),
            seconds => format!("Flow-Timer: {seconds}\r\n").into_bytes(),
        };
        let flow_timer = (registrar.flow_timer, flow_timer);
        let authenticator = Authenticator::new(&config.auth, &Keys::derive(secret)).map_err(|more| errors.extend(more));
        match (path, nat, authenticator) {
            (Some(path), Some(nat), Ok(authenticator)) if errors.is_empty() => Ok(Self {
                authenticator,
                challenge: config.auth.register,
                default_expires: registrar.default_expires.max(registrar.min_expires),
                min_expires: registrar.min_expires,
                max_expires: registrar.max_expires,
                path,
                nat,
                bindings: config.limits.bindings,
                service_route,
                flow_timer,
                gives_gruus: registrar.gruu,
                gruu: Keys::derive(secret).gruu,
            }),
            _ => Err(errors),
        }
    }

    /// What checks credentials here, for whoever else has to.
    #[must_use]
    pub fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// Seconds of the Flow-Timer in the lines of an answer; `None` when there is none.
    pub(crate) fn flow_timer(&self, lines: &[u8]) -> Option<u32> {
        let (seconds, line) = &self.flow_timer;
        (*seconds > 0 && lines.ends_with(line)).then_some(*seconds)
    }

    /// Whether a user of this URI is known, registered or not (RFC 3261 §21.4.18 tells 480 from 404).
    #[must_use]
    pub fn knows<S: Store>(&self, store: &S, uri: &SipUri<'_>, scratch: &mut Scratch) -> bool {
        let Scratch { auth, aor, .. } = scratch;
        aor.clear();
        write_aor(&Uri::Sip(*uri), aor);
        let (user, host) = split_aor(aor);
        self.authenticator.knows(store, user, self.authenticator.realm(host), auth)
    }
}

/// The line for a 200. RFC 3608 §6.1: each value is a Route of its own.
fn service_route(uris: &[String]) -> Result<Vec<u8>, ConfigError> {
    let mut line = Vec::new();
    for (index, text) in uris.iter().enumerate() {
        let is_route = matches!(Uri::parse(text.as_bytes()), Ok(Uri::Sip(uri)) if uri.is_loose_router());
        if !is_route || text.bytes().any(|octet| matches!(octet, b'<' | b'>' | b'?')) {
            let problem = format!("{text:?} is not a SIP URI with the parameter lr");
            return Err(ConfigError::new(format!("registrar.service_route[{index}]"), problem));
        }
        line.extend_from_slice(if index == 0 { b"Service-Route: <" } else { b", <" });
        line.extend_from_slice(text.as_bytes());
        line.push(b'>');
    }
    if !line.is_empty() {
        line.extend_from_slice(b"\r\n");
    }
    Ok(line)
}

/// User and host of an address-of-record; no user when there is none.
fn split_aor(aor: &[u8]) -> (&[u8], &[u8]) {
    match aor.iter().rposition(|&octet| octet == b'@') {
        Some(at) => (&aor[..at], &aor[at + 1..]),
        None => (&[], aor),
    }
}
