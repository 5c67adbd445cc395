//! Who sends a request. RFC 3261 §22.3 (proxy to user), §10.3 step 3.

use super::keep;
use super::request::Request;
use crate::auth::{Attempt, Challenger, Identity, Verdict};
use crate::counter::Counter;
use crate::registrar::Register;
use crate::respond::Answer;
use crate::store::{Nonces as _, Store};
use crate::turn::{Step, Turn};
use dialplane_syntax::Uri;
use dialplane_syntax::uri::write_aor;

impl<'b, S: Store> Turn<'_, 'b, S> {
    /// Asks for credentials until they are right, then tells whether they are those of the user in From. `Err` when the
    /// request must be answered first.
    pub(crate) fn identify(&mut self, request: &Request<'b>) -> Result<Identity, Step> {
        let (snapshot, before) = (self.snapshot, self.judgements());
        let authenticator = snapshot.registrar.authenticator();
        let mut aor = std::mem::take(&mut self.work.value);
        let mut lines = self.lines();
        let verdict = self.address_of_sender(request, &mut aor).map(|domain| {
            let attempt = Attempt {
                challenger: Challenger::Proxy,
                request: self.message,
                source: self.path,
                realm: authenticator.realm(aor.get(domain..).unwrap_or_default()),
                now: self.now,
            };
            let (scratch, counters) = (&mut self.work.auth, &mut self.work.counters);
            match authenticator.check(self.store, &attempt, |uri| snapshot.is_own(uri), scratch, counters) {
                Verdict::Authenticated(user) => Ok(user.identity(&aor)),
                Verdict::Challenge(challenge) => {
                    let realm = attempt.realm;
                    let serial = self.store.nonces().next_serial();
                    authenticator.challenge(Challenger::Proxy, realm, challenge, self.now, serial, &mut lines);
                    counters.count(Counter::Challenges);
                    Err(Answer { status: Challenger::Proxy.status(), reason: b"", lines: &lines })
                }
                Verdict::Refuse { status, reason } => Err(Answer { status, reason: reason.as_bytes(), lines: b"" }),
            }
        });
        self.work.value = aor;
        self.judged(before);
        let identity = match verdict {
            Some(Ok(identity)) => Ok(identity),
            Some(Err(answer)) => Err(self.respond(answer)),
            None => Err(self.refuse(403)),
        };
        self.work.lines = lines;
        identity
    }

    /// Writes the address-of-record in From and returns where its domain begins. For a sender of a foreign domain, the
    /// domain that it calls stands there, as the realm in which it could be known to us; then it owns nothing.
    fn address_of_sender(&self, request: &Request<'b>, aor: &mut Vec<u8>) -> Option<usize> {
        let own = |uri: &Uri<'_>| matches!(uri, Uri::Sip(sip) if self.snapshot.is_own_host(&sip.host));
        aor.clear();
        let from = request.essentials.from.parsed_uri().ok().filter(own);
        let called = Some(request.uri).filter(own);
        if !write_aor(&from.or(called)?, aor) {
            return None;
        }
        if from.is_none() {
            let at = aor.iter().rposition(|&octet| octet == b'@')?;
            aor.splice(..at, *b"\0");
        }
        aor.iter().rposition(|&octet| octet == b'@').map(|at| at + 1)
    }

    /// A REGISTER for us: §10.3.
    pub(crate) fn register(&mut self, request: &Request<'b>) -> Step {
        let (snapshot, before) = (self.snapshot, self.judgements());
        let register = Register {
            message: self.message,
            essentials: &request.essentials,
            source: self.path,
            now: self.now,
            trusted: request.trusted,
        };
        let mut lines = self.lines();
        let (scratch, counters) = (&mut self.work.registrar, &mut self.work.counters);
        let ours = |uri: &dialplane_syntax::SipUri<'_>| snapshot.is_own(uri);
        let answer = snapshot.registrar.handle(self.store, &register, ours, scratch, &mut lines, counters);
        self.judged(before);
        let answer = Answer { status: answer.status, reason: answer.reason.as_bytes(), lines: &lines };
        let begin = self.out.len();
        let step = self.respond(answer);
        if answer.status == 200 && keep::is_asked(&request.essentials.via) {
            let listener = snapshot.listeners.get(usize::from(self.path.listener.0));
            // RFC 6223 §5: where both are said, they are the same.
            let seconds = snapshot.registrar.flow_timer(&lines).or(listener.map(|listener| listener.keep));
            keep::promise(seconds.unwrap_or_default(), begin, self.out);
        }
        self.work.lines = lines;
        step
    }
}
