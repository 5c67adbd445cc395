//! Digest authentication: who sends this request. RFC 3261 §22, RFC 7616, RFC 8760.
//!
//! [`Authenticator::check`] looks at the credentials of a request, [`Authenticator::challenge`] writes what is asked of
//! a client that has none. Nothing is stored for a challenge; the counts of a nonce live in the shared store.
//!
//! Decisions that are not in the RFCs:
//!
//! - **What is offered.** Every configured algorithm, each in a field of its own and in the order configured (RFC 8760
//!   §2.3), with `qop="auth"`. An answer without `qop`, as in RFC 2069, is refused with 400: it has no count, so a
//!   replay could not be told. Phones that were offered `qop` send it.
//! - **Users with MD5 only**, as they come from Kamailio, when the phone answered with SHA-256: it cannot be checked. A
//!   wrong answer in another algorithm than MD5 is therefore followed by a challenge with MD5 alone and `stale=true`,
//!   so that the phone tries once more without asking its user. That holds for every user, known or not and whatever
//!   digests there are, so it tells nothing about any; a wrong answer in MD5 is followed by the ordinary challenge, so
//!   it also ends.
//! - **Unknown users** cost the same hashes over digests made up from a key, and get the same answers.
//! - **`uri`** must name the user of the Request-URI at the same host or at one of our hosts (RFC 8760 §2.6 item 6
//!   allows a difference, since proxies change the Request-URI); its port and parameters are not compared, as phones
//!   leave them out. Else 400 (RFC 7616 §3.4.6).
//! - **A retransmission** has the nonce count of the first request. It is told from a replay by a fingerprint of the
//!   octets and the source, which the store keeps beside the count ([`crate::store::Nonces::mark_request`]).
//! - `username` may be `alice` or `alice@example.com`; see [`credential::Form`].

pub mod algorithm;
mod answer;
mod challenge;
#[cfg(test)]
pub(crate) mod client;
pub mod credential;
pub mod nonce;
#[cfg(test)]
mod tests;

use crate::config::{self, ConfigError};
use crate::counter::{Counter, Counters};
use crate::keys::Keys;
use crate::path::Path;
use crate::store::{NonceId, NonceUse, Nonces as _, Store, Table as _};
use crate::time::Now;
use algorithm::{Algorithm, Hashed};
use answer::Answer;
use credential::{Credential, Form};
use dialplane_syntax::{HeaderId, Message, SipUri, StartLine};
use nonce::Freshness;
use std::hash::Hasher as _;
use std::net::IpAddr;

/// Who asks for credentials, and so in which field and with which status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenger {
    /// A proxy: 407, `Proxy-Authenticate`, `Proxy-Authorization`. RFC 3261 §22.3.
    Proxy,
    /// A user agent server, registrars included: 401, `WWW-Authenticate`, `Authorization`. RFC 3261 §22.2.
    Uas,
}

impl Challenger {
    /// Status of the response that carries the challenge.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Challenger::Proxy => 407,
            Challenger::Uas => 401,
        }
    }

    fn credentials(self) -> HeaderId {
        match self {
            Challenger::Proxy => HeaderId::PROXY_AUTHORIZATION,
            Challenger::Uas => HeaderId::AUTHORIZATION,
        }
    }
}

/// A request whose sender is to be found out.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Who asks.
    pub challenger: Challenger,
    /// The request.
    pub request: Message<'a>,
    /// Where it came from.
    pub source: &'a Path,
    /// Realm that credentials must be for; see [`Authenticator::realm`].
    pub realm: &'a [u8],
    /// The time.
    pub now: Now,
}

/// What came of [`Authenticator::check`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'s> {
    /// The credentials are right.
    Authenticated(User<'s>),
    /// There are none, or they are wrong: answer with [`Challenger::status`] and these [`Authenticator::challenge`]
    /// lines.
    Challenge(Challenge),
    /// They cannot be read as RFC 7616 wants them, so a new challenge would not help.
    Refuse {
        /// Status of the answer.
        status: u16,
        /// Reason phrase.
        reason: &'static str,
    },
}

/// What is to be asked of the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// The nonce was the only fault: the client need not ask its user. RFC 7616 §3.3.
    pub stale: bool,
    /// Offer MD5 and nothing else, see the module.
    pub md5_only: bool,
}

/// A user whose credentials were right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User<'s> {
    /// Name, without a domain.
    pub name: &'s [u8],
    /// Domain behind the `@`, when the phone wrote it.
    pub domain: Option<&'s [u8]>,
    /// Whether this is a retransmission of a request that was let in before.
    pub repeated: bool,
}

impl User<'_> {
    /// Whether an address-of-record (`user@host`, canonical) is this user's own. RFC 3261 §10.3 step 4.
    ///
    /// The realm was that of the address-of-record's domain, or one for all domains: then a user has the same name in
    /// each.
    #[must_use]
    pub fn identity(&self, aor: &[u8]) -> Identity {
        let at = aor.iter().rposition(|&octet| octet == b'@');
        let own = at.is_some_and(|at| {
            aor[..at] == *self.name && self.domain.is_none_or(|domain| domain.eq_ignore_ascii_case(&aor[at + 1..]))
        });
        if own { Identity::Owner } else { Identity::Other }
    }
}

/// Whether the authenticated user is the one that a request speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Somebody else.
    Other,
    /// The same.
    Owner,
}

/// Working space, kept so that nothing is allocated for a request.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    username: Vec<u8>,
    key: Vec<u8>,
    record: Vec<u8>,
    text: Vec<u8>,
}

/// Checks credentials and writes challenges.
#[derive(Clone, Debug)]
pub struct Authenticator {
    realm: Option<Vec<u8>>,
    algorithms: Vec<Algorithm>,
    lifetime: u32,
    keys: Keys,
}

impl Authenticator {
    /// From the configuration.
    ///
    /// # Errors
    /// An algorithm that is not known, or none at all.
    pub fn new(config: &config::Auth, keys: &Keys) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut algorithms = Vec::new();
        for (index, name) in config.algorithms.iter().enumerate() {
            match Algorithm::from_name(name.as_bytes()) {
                Some(algorithm) if !algorithms.contains(&algorithm) => algorithms.push(algorithm),
                // RFC 8760 §2.3: each field of a challenge has another algorithm.
                Some(_) => {}
                None => {
                    let problem = format!("'{name}' is none of SHA-256, SHA-512-256, MD5");
                    errors.push(ConfigError::new(format!("auth.algorithms[{index}]"), problem));
                }
            }
        }
        if algorithms.is_empty() && errors.is_empty() {
            errors.push(ConfigError::new("auth.algorithms".to_owned(), "at least one algorithm is needed".to_owned()));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let realm = config.realm.as_ref().map(|realm| realm.clone().into_bytes());
        Ok(Self { realm, algorithms, lifetime: config.nonce_lifetime, keys: keys.clone() })
    }

    /// The realm for users of `domain` (canonical).
    #[must_use]
    pub fn realm<'a>(&'a self, domain: &'a [u8]) -> &'a [u8] {
        self.realm.as_deref().unwrap_or(domain)
    }

    /// Whether the table of credentials has a user of this name in this realm.
    #[must_use]
    pub fn knows<S: Store>(&self, store: &S, user: &[u8], realm: &[u8], scratch: &mut Scratch) -> bool {
        scratch.key.clear();
        scratch.record.clear();
        credential::key(user, realm, &mut scratch.key);
        store.credentials().read(&scratch.key, &mut scratch.record).unwrap_or(false)
    }

    /// Finds out who sends a request. `ours` tells whether a URI's host is one that we serve.
    pub fn check<'s, S: Store>(
        &self,
        store: &S,
        attempt: &Attempt<'_>,
        ours: impl Fn(&SipUri<'_>) -> bool,
        scratch: &'s mut Scratch,
        counters: &mut Counters,
    ) -> Verdict<'s> {
        match self.examine(store, attempt, ours, scratch, counters) {
            Verdict::Challenge(challenge) if self.algorithms.contains(&Algorithm::Md5) => {
                let md5_only = challenge.md5_only || is_lost_without_md5(attempt.request);
                Verdict::Challenge(Challenge { md5_only, ..challenge })
            }
            verdict => verdict,
        }
    }

    fn examine<'s, S: Store>(
        &self,
        store: &S,
        attempt: &Attempt<'_>,
        ours: impl Fn(&SipUri<'_>) -> bool,
        scratch: &'s mut Scratch,
        counters: &mut Counters,
    ) -> Verdict<'s> {
        let (answer, freshness) = match self.find_answer(attempt) {
            Ok(found) => found,
            Err(verdict) => return verdict,
        };
        if !answer.is_for(attempt.request.uri().unwrap_or_default(), ours) {
            return Verdict::Refuse { status: 400, reason: "Digest For Another Request-URI" };
        }
        answer.write_username(&mut scratch.username);
        if !self.is_right(store, attempt, &answer, scratch, counters) {
            counters.count(Counter::AuthenticationFailures);
            let md5_only = answer.algorithm != Algorithm::Md5 && self.algorithms.contains(&Algorithm::Md5);
            return Verdict::Challenge(Challenge { stale: md5_only, md5_only });
        }
        let stale = Verdict::Challenge(Challenge { stale: true, md5_only: false });
        let Freshness::Fresh(nonce) = freshness else { return stale };
        let repeated = match self.mark(store, attempt, nonce, &answer) {
            NonceUse::Fresh => false,
            NonceUse::Repeated => true,
            NonceUse::Replayed => {
                counters.count(Counter::Replays);
                return stale;
            }
            NonceUse::Stale => return stale,
        };
        counters.count(Counter::Authenticated);
        let (name, domain) = split_username(&scratch.username);
        Verdict::Authenticated(User { name, domain, repeated })
    }

    /// Appends the header lines of a challenge, one for each algorithm, with their line ends. `serial` is
    /// [`Nonces::next_serial`](crate::store::Nonces::next_serial).
    pub fn challenge(
        &self,
        challenger: Challenger,
        realm: &[u8],
        challenge: Challenge,
        now: Now,
        serial: u32,
        lines: &mut Vec<u8>,
    ) {
        let nonce = self.keys.nonce.issue(realm, now, serial);
        let offered = |algorithm: &&Algorithm| !challenge.md5_only || **algorithm == Algorithm::Md5;
        for algorithm in self.algorithms.iter().filter(offered) {
            challenge::write(challenger, *algorithm, realm, &nonce, challenge.stale, lines);
        }
    }

    /// The first credentials for our realm that answer a challenge of ours, whatever else the request carries.
    ///
    /// Only so many fields are looked at: a request with 200 costs no more than one with 8.
    fn find_answer<'a, 's>(&self, attempt: &Attempt<'a>) -> Result<(Answer<'a>, Freshness), Verdict<'s>> {
        let mut verdict = Verdict::Challenge(Challenge::default());
        for field in attempt.request.all(attempt.challenger.credentials()).take(MOST_FIELDS) {
            let Some(read) = Answer::read(field.value, attempt.realm, &self.algorithms) else { continue };
            let freshness = self.keys.nonce.verify(read.nonce, attempt.realm, attempt.now, self.lifetime);
            match read.answer {
                // A nonce that we never issued: nothing that is said with it counts, and nothing more is done for it.
                _ if freshness == Freshness::Forged => {}
                Ok(answer) => return Ok((answer, freshness)),
                Err(reason) => verdict = Verdict::Refuse { status: 400, reason },
            }
        }
        Err(verdict)
    }

    /// Whether the response is the one that the user's password makes.
    fn is_right<S: Store>(
        &self,
        store: &S,
        attempt: &Attempt<'_>,
        answer: &Answer<'_>,
        scratch: &mut Scratch,
        counters: &mut Counters,
    ) -> bool {
        let Scratch { username, key, record, text } = scratch;
        let (name, domain) = split_username(username);
        let form = if domain.is_some() { Form::UserAtDomain } else { Form::User };
        key.clear();
        credential::key(name, attempt.realm, key);
        record.clear();
        let found = name.len() <= MOST_USERNAME
            && store.credentials().read(key, record).unwrap_or_else(|_| {
                counters.count(Counter::StoreErrors);
                false
            });
        let known = if found { Credential::read(record).ok() } else { None };
        let known = known.and_then(|credential| credential.ha1(answer.algorithm, form));
        // Made only when it is needed: it takes about as long as reading the record that is not there.
        let decoy;
        let ha1 = match known {
            Some(ha1) => ha1,
            None => {
                decoy = self.decoy(username);
                &decoy[..answer.algorithm.digest_len()]
            }
        };
        let StartLine::Request { method_name: method, .. } = attempt.request.start_line() else { return false };
        let hashed = Hashed { method, uri: answer.uri, nonce: answer.nonce, nc: answer.nc, cnonce: answer.cnonce };
        let right = answer.algorithm.response(ha1, &hashed, text).is_hex(answer.response);
        // Hashed and compared in either case, so that whether the user exists does not show in the time.
        right & known.is_some()
    }

    /// What stands in for H(A1) of a user that does not exist.
    fn decoy(&self, user: &[u8]) -> [u8; 32] {
        let mut decoy = [0; 32];
        for (place, half) in (0..).zip(decoy.chunks_exact_mut(16)) {
            use siphasher::sip128::Hasher128 as _;
            let mut hasher = self.keys.decoy;
            hasher.write_u8(place);
            hasher.write(user);
            half.copy_from_slice(&hasher.finish128().as_bytes());
        }
        decoy
    }

    fn mark<S: Store>(&self, store: &S, attempt: &Attempt<'_>, nonce: NonceId, answer: &Answer<'_>) -> NonceUse {
        let mut hasher = self.keys.fingerprint;
        match attempt.source.peer.ip() {
            IpAddr::V4(v4) => hasher.write(&v4.octets()),
            IpAddr::V6(v6) => hasher.write(&v6.octets()),
        }
        hasher.write_u16(attempt.source.peer.port());
        hasher.write(attempt.request.bytes());
        store.nonces().mark_request(nonce, answer.count, hasher.finish() as u32)
    }
}

/// Whether the client gives up at a challenge with an algorithm that it does not know, instead of taking the next one
/// (RFC 8760 §2.4). baresip before 2.0 does, and is what Debian 11 and 12 ship.
fn is_lost_without_md5(request: Message<'_>) -> bool {
    const AGENTS: [&[u8]; 2] = [b"baresip v0.", b"baresip v1."];
    let agent = request.first(HeaderId::USER_AGENT).map_or(&[][..], |field| field.value);
    AGENTS.iter().any(|lost| agent.starts_with(lost))
}

/// The name before and the domain behind the last `@`, if there is one.
fn split_username(username: &[u8]) -> (&[u8], Option<&[u8]>) {
    match username.iter().rposition(|&octet| octet == b'@') {
        Some(at) => (&username[..at], Some(&username[at + 1..])),
        None => (username, None),
    }
}

/// Fields of credentials that are looked at.
const MOST_FIELDS: usize = 8;
/// Octets of a user name that is looked for.
const MOST_USERNAME: usize = 255;
