//! Where messages meet the guard: who pays for what, who is banned, and which new requests are refused.

use super::oc;
use super::shed::{Fate, Sender};
use super::{Ban, Bucket, PROVED, Reason, Source};
use crate::counter::Counter;
use crate::engine::Work;
use crate::proxy::request::Request;
use crate::respond::Answer;
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::time::Now;
use crate::turn::{Step, Turn};
use dialplane_syntax::Method;
use std::net::IpAddr;

/// How long a source counts as one that receives what is sent to it. A phone registers more often.
const PROVED_MS: u64 = 2 * 3600 * 1000;

/// Whether messages of `address` are dropped unread.
pub(crate) fn is_banned<S: Store>(snapshot: &Snapshot, store: &S, address: IpAddr, now: Now) -> bool {
    store.sources().has_bans()
        && store.sources().is_banned(Source::of(address), now.unix_ms)
        && !is_vouched_for(snapshot, address)
}

/// Whether the operator trusts `address`, or it has shown that it receives what is sent to it.
pub(crate) fn is_known<S: Store>(snapshot: &Snapshot, store: &S, address: IpAddr, now: Now) -> bool {
    is_vouched_for(snapshot, address) || is_proved(store, address, now)
}

/// Takes a token for a message of `address` that came to nothing; without one left, the address is banned.
pub(crate) fn charge<S: Store>(
    snapshot: &Snapshot,
    store: &S,
    work: &mut Work,
    address: IpAddr,
    now: Now,
    bucket: Bucket,
) {
    if is_vouched_for(snapshot, address) {
        return;
    }
    let mut allowance = snapshot.guard.allowance(bucket);
    if is_proved(store, address, now) {
        allowance.most *= PROVED;
        allowance.each_us /= u64::from(PROVED);
    }
    if !store.sources().take(Source::of(address), bucket, allowance, now.unix_ms) {
        let reason = if bucket == Bucket::Failures { Reason::Failures } else { Reason::Refused };
        ban(snapshot, store, work, address, now, reason);
    }
}

/// Whether a STUN request of `address` is answered. Nobody is banned for more of them: they are what a NAT is kept open with.
pub(crate) fn may_be_told<S: Store>(
    snapshot: &Snapshot,
    store: &S,
    work: &mut Work,
    address: IpAddr,
    now: Now,
) -> bool {
    if is_known(snapshot, store, address, now) {
        return true;
    }
    if work.shed.is_on() {
        work.counters.count(Counter::Shed);
        return false;
    }
    let allowance = snapshot.guard.allowance(Bucket::Stun);
    let has_token = store.sources().take(Source::of(address), Bucket::Stun, allowance, now.unix_ms);
    if !has_token {
        work.counters.count(Counter::RateLimited);
    }
    has_token
}

fn ban<S: Store>(snapshot: &Snapshot, store: &S, work: &mut Work, address: IpAddr, now: Now, reason: Reason) {
    if snapshot.guard.ban_ms == 0 {
        return;
    }
    let ban = Ban { source: Source::of(address), until_ms: now.unix_ms + snapshot.guard.ban_ms, reason };
    if store.sources().ban(ban, now.unix_ms) {
        work.counters.count(Counter::Banned);
        work.bans.push(ban);
    }
}

fn is_vouched_for(snapshot: &Snapshot, address: IpAddr) -> bool {
    snapshot.guard.allows(address) || snapshot.trusted.contains(address)
}

fn is_proved<S: Store>(store: &S, address: IpAddr, now: Now) -> bool {
    store.sources().proved_until(Source::of(address), now.unix_ms) > now.unix_ms
}

impl<'b, S: Store> Turn<'_, 'b, S> {
    /// The request, or what it asked for, came to nothing.
    pub(crate) fn charge(&mut self, bucket: Bucket) {
        charge(self.snapshot, self.store, self.work, self.path.peer.ip(), self.now, bucket);
    }

    /// The sender has shown that he receives what we send to his address.
    pub(crate) fn prove(&mut self) {
        let (source, sources, now) = (Source::of(self.path.peer.ip()), self.store.sources(), self.now.unix_ms);
        if sources.proved_until(source, now) < now + PROVED_MS / 2 {
            sources.prove(source, now + PROVED_MS, now);
        }
    }

    /// What came of credentials: how many were right and wrong before they were looked at, and are now.
    pub(crate) fn judged(&mut self, before: [u64; 2]) {
        let [right, wrong] = self.judgements();
        if right > before[0] {
            self.prove();
            let (source, sources, guard) =
                (Source::of(self.path.peer.ip()), self.store.sources(), &self.snapshot.guard);
            for bucket in [Bucket::Failures, Bucket::Refused] {
                sources.give_back(source, bucket, guard.allowance(bucket), self.now.unix_ms);
            }
        } else if wrong > before[1] {
            self.charge(Bucket::Failures);
        }
    }

    /// How many credentials were right and wrong so far.
    pub(crate) fn judgements(&self) -> [u64; 2] {
        [Counter::Authenticated, Counter::AuthenticationFailures].map(|counter| self.work.counters.value(counter))
    }

    /// A request whose User-Agent is that of a scanner gets no answer, which would tell it that somebody is here.
    pub(crate) fn ignores_scanner(&mut self) -> bool {
        if !self.snapshot.guard.is_scanner(&self.message) || is_vouched_for(self.snapshot, self.path.peer.ip()) {
            return false;
        }
        self.work.counters.count(Counter::Scanners);
        self.work.note(|| "its User-Agent is that of a scanner: dropped".into());
        let address = self.path.peer.ip();
        if !is_proved(self.store, address, self.now) {
            ban(self.snapshot, self.store, self.work, address, self.now, Reason::Scanner);
        }
        true
    }

    /// Whether the rate of its source, or the load of this worker, leave no room for this request: then how it ends.
    #[inline]
    pub(crate) fn limit(&mut self, request: &Request<'b>) -> Option<Step> {
        if !self.work.shed.is_on() && self.snapshot.guard.requests.is_none() {
            return None;
        }
        self.limit_new(request)
    }

    #[cold]
    fn limit_new(&mut self, request: &Request<'b>) -> Option<Step> {
        let (snapshot, address) = (self.snapshot, self.path.peer.ip());
        if matches!(request.method, Method::Ack | Method::Cancel)
            || request.routed.authentic
            || snapshot.guard.is_emergency(&request.uri, request.routed.uri)
        {
            return None;
        }
        let vouched = is_vouched_for(snapshot, address);
        let known = vouched || is_proved(self.store, address, self.now);
        if !vouched
            && let Some(allowance) = snapshot.guard.requests
            && !self.store.sources().take(Source::of(address), Bucket::Requests, allowance, self.now.unix_ms)
        {
            self.work.counters.count(Counter::RateLimited);
            self.charge(Bucket::Refused);
            return Some(self.busy());
        }
        // Whoever is known is believed that his dialog is one, though we do not stand in its route.
        if !self.work.shed.is_on() || known && request.essentials.to.tag().is_some() {
            return None;
        }
        match self.work.shed.judge(if known { Sender::Known } else { Sender::Stranger }) {
            Fate::Serve => None,
            fate => {
                self.work.counters.count(Counter::Shed);
                Some(if fate == Fate::Drop { Step::Done } else { self.busy() })
            }
        }
    }

    /// 503, and when to come again: not all at the same time. RFC 3261 §21.5.4.
    fn busy(&mut self) -> Step {
        let lines = format!("Retry-After: {}\r\n", 5 + self.work.draw() % 11);
        self.respond(Answer { status: 503, reason: b"", lines: lines.as_bytes() })
    }

    /// Tells the peer that our own response, behind `begin` of the output, goes to how much less it should send.
    pub(crate) fn tell_load(&mut self, begin: usize) {
        let share = self.share_of(self.path.peer.ip());
        oc::mark_own(share, self.now, begin, self.out);
    }

    /// The same in a response that is forwarded to `peer`, whose Via is the second one.
    pub(crate) fn tell_load_upstream(&mut self, peer: IpAddr) {
        if self.work.shed.is_on() {
            let share = self.share_of(peer);
            oc::mark_forwarded(&self.message, share, self.now, &mut self.work.edits);
        }
    }

    fn share_of(&self, peer: IpAddr) -> u32 {
        let known = is_known(self.snapshot, self.store, peer, self.now);
        self.work.shed.share(if known { Sender::Known } else { Sender::Stranger })
    }
}
