//! A request's way through the proxy. RFC 3261 §16.3 to §16.6, §16.11.

use super::branch::Origin;
use super::branch::{self, Ours};
use super::hop::Found;
use super::response::reply_address_of_request;
use super::route::{self, Routed};
use super::{flow, hop, keep, size};
use crate::auth::Identity;
use crate::counter::Counter;
use crate::path::{Path, Transport};
use crate::respond::{Answer, TAG, push_tag};
use crate::store::Store;
use crate::turn::{Step, Turn};
use dialplane_syntax::{Essentials, HeaderId, Method, SipUri, Uri, Via, check};
use std::collections::VecDeque;

/// What is known of a request once §16.3 and §16.4 are done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'b> {
    pub method: Method,
    pub essentials: Essentials<'b>,
    pub routed: Routed<'b>,
    /// The request URI after §16.4, read.
    pub uri: Uri<'b>,
    /// Whether the source is one that the operator trusts.
    pub trusted: bool,
    pub loop_hash: u64,
}

impl<'b> Request<'b> {
    /// Whether the request may pass without credentials: from a trusted source, inside a dialog that passed when it
    /// began, or of a method that cannot be challenged (RFC 3261 §22.1: ACK and CANCEL).
    pub(crate) fn is_exempt(&self) -> bool {
        self.trusted || self.routed.authentic || matches!(self.method, Method::Ack | Method::Cancel)
    }

    /// The request URI, if it is SIP or SIPS.
    pub(crate) fn sip_uri(&self) -> Option<SipUri<'b>> {
        match self.uri {
            Uri::Sip(sip) => Some(sip),
            _ => None,
        }
    }
}

/// The whole way.
pub(crate) fn handle<S: Store>(turn: &mut Turn<'_, '_, S>) -> Step {
    let essentials = match check(&turn.message, &turn.snapshot.limits) {
        Ok(essentials) => essentials,
        Err(rejection) => {
            turn.work.counters.count(Counter::Rejected);
            turn.work.note(|| format!("refused: {}", rejection.reason));
            return turn.respond(Answer { status: rejection.status, reason: rejection.reason.as_bytes(), lines: b"" });
        }
    };
    if turn.ignores_scanner() {
        return Step::Done;
    }
    if !turn.contexts.table.is_empty()
        && let Some(step) = turn.belongs(&essentials)
    {
        return step;
    }
    let request = match turn.preprocess(essentials) {
        Ok(request) => request,
        Err(step) => return step,
    };
    if request.routed.authentic {
        turn.prove();
    } else if let Some(step) = turn.limit(&request) {
        return step;
    }
    turn.route(&request)
}

impl<'b, S: Store> Turn<'_, 'b, S> {
    /// §16.3 steps 2 to 5, §16.4.
    fn preprocess(&mut self, essentials: Essentials<'b>) -> Result<Request<'b>, Step> {
        let snapshot = self.snapshot;
        let method = essentials.cseq.method;
        let loop_hash = self.loop_hash(self.message.uri().unwrap_or_default());
        // Step 2: the scheme is asked for once a target is looked for; here only whether the URI can be read.
        let Some(request) = self.read(essentials, loop_hash) else {
            return Err(self.refuse(400));
        };
        if method == Method::Ack && self.is_own_ack(&request) {
            self.work.note(|| "ACK of our own final response: absorbed".into());
            self.prove();
            return Err(Step::Done);
        }
        // Step 3.
        if essentials.max_forwards == Some(0) {
            let own = request.sip_uri().is_some_and(|uri| snapshot.is_own(&uri));
            let status = if method == Method::Options && own { 200 } else { 483 };
            return Err(self.refuse(status));
        }
        // Step 4.
        if self.is_loop(&request) {
            self.work.counters.count(Counter::Loops);
            return Err(self.refuse(482));
        }
        // Step 5. No extension needs this proxy's support.
        if !matches!(method, Method::Ack | Method::Cancel) && self.message.first(HeaderId::PROXY_REQUIRE).is_some() {
            return Err(self.refuse_extensions(HeaderId::PROXY_REQUIRE));
        }
        Ok(request)
    }

    /// §16.4, without a decision; `None` when the request URI cannot be read.
    pub(crate) fn read(&self, essentials: Essentials<'b>, loop_hash: u64) -> Option<Request<'b>> {
        let snapshot = self.snapshot;
        let received = self.message.uri().unwrap_or_default();
        let routed =
            route::preprocess(&self.message, received, essentials.call_id, &snapshot.keys, |uri| snapshot.is_own(uri));
        let uri = match essentials.uri {
            Some(uri) if !routed.repaired => uri,
            _ => Uri::parse(routed.uri).ok()?,
        };
        let trusted = snapshot.trusted.contains(self.path.peer.ip());
        Some(Request { method: essentials.cseq.method, essentials, routed, uri, trusted, loop_hash })
    }

    /// 420 with what we do not support. RFC 3261 §8.2.2.3, §16.3 step 5.
    pub(crate) fn refuse_extensions(&mut self, header: HeaderId) -> Step {
        /// Options that one response names; a request with 9,000 gets no answer of its own size.
        const MOST: usize = 16;
        let mut lines = std::mem::take(&mut self.work.lines);
        lines.clear();
        for (place, option) in dialplane_syntax::header::option_tags(&self.message, header).take(MOST).enumerate() {
            lines.extend_from_slice(if place == 0 { b"Unsupported: " } else { b", " });
            lines.extend_from_slice(option);
        }
        if !lines.is_empty() {
            lines.extend_from_slice(b"\r\n");
        }
        let step = self.respond(Answer { status: 420, reason: b"", lines: &lines });
        self.work.lines = lines;
        step
    }

    fn loop_hash(&mut self, uri: &[u8]) -> u64 {
        let routes = self.message.all(HeaderId::ROUTE).map(|field| field.value);
        branch::loop_hash(&self.snapshot.keys, uri, routes, &mut self.work.scratch)
    }

    /// RFC 5393 §4.2.1: a Via of ours whose branch was made for the same request URI and Route.
    fn is_loop(&self, request: &Request<'b>) -> bool {
        let listeners = &self.snapshot.listeners;
        let looped = |via: &Via<'_>| {
            via.branch.and_then(Ours::read).is_some_and(|ours| ours.looped(request.loop_hash))
                && listeners.iter().any(|listener| listener.is(&via.host, via.port))
        };
        let below = self.message.elements(HeaderId::VIA).skip(1);
        looped(&request.essentials.via)
            || below.flat_map(|element| Via::parse(element.value, 0)).any(|via| looped(&via))
    }

    /// Whether an ACK answers a final response that we made ourselves: its To tag is then the one we gave.
    fn is_own_ack(&mut self, request: &Request<'b>) -> bool {
        let Some(to_tag) = request.essentials.to.tag().filter(|tag| tag.len() == TAG) else { return false };
        let mut tag = std::mem::take(&mut self.work.value);
        tag.clear();
        let branch = request.essentials.via.branch.unwrap_or_default();
        push_tag(self.snapshot, &self.message, branch, &mut self.work.scratch, &mut tag);
        let own = tag == to_tag;
        self.work.value = tag;
        own
    }

    /// RFC 3261 §22: whom the request comes from. `Err` when that must be answered first.
    ///
    /// Unless a rule says otherwise, who says that he is one of our users has to prove it; a call that comes to our users
    /// from another domain is what a proxy is for.
    pub(crate) fn authenticate(&mut self, request: &Request<'b>, rule: Option<bool>) -> Result<(), Step> {
        let wanted = rule.unwrap_or_else(|| self.snapshot.challenge && self.is_from_own_domain(request));
        if !wanted || request.is_exempt() {
            return Ok(());
        }
        match self.identify(request)? {
            Identity::Owner => Ok(()),
            Identity::Other => {
                self.work.note(|| "the credentials are another user's than From says".into());
                Err(self.refuse(403))
            }
        }
    }

    fn is_from_own_domain(&self, request: &Request<'b>) -> bool {
        matches!(request.essentials.from.parsed_uri(), Ok(Uri::Sip(from)) if self.snapshot.is_own_host(&from.host))
    }

    /// A request that would leave for a place that no rule names needs somebody who answers for it.
    pub(crate) fn may_relay(&mut self, request: &Request<'b>) -> Result<(), Step> {
        if request.trusted || request.routed.authentic {
            return Ok(());
        }
        let known = self.snapshot.relay
            && !matches!(request.method, Method::Ack | Method::Cancel | Method::Register)
            && matches!(self.identify(request)?, Identity::Owner);
        if known {
            return Ok(());
        }
        self.work.counters.count(Counter::RelayDenied);
        self.work.note(|| "not for our domains, and nobody we know asks".into());
        Err(self.refuse(403))
    }

    /// §16.6: sends the request to `hop`.
    pub(crate) fn forward(&mut self, request: &Request<'b>, leaving: &hop::Leaving<'_>) -> Step {
        if leaving.stateful && makes_transaction(request.method) {
            return self.begin(request, leaving, VecDeque::new(), VecDeque::new(), self.snapshot.ring_ms);
        }
        self.pass_by(request, leaving)
    }

    /// The same without a transaction. §16.11.
    pub(crate) fn pass_by(&mut self, request: &Request<'b>, leaving: &hop::Leaving<'_>) -> Step {
        let (to, more) = match self.look_for(leaving, &[]) {
            Found::Path { to, more } => (to, more),
            Found::Nowhere(why) => {
                let status = self.no_way(request, leaving, why);
                return self.refuse(status);
            }
            Found::Asked(hop) => {
                self.work.note(|| "waits for its name to be resolved".into());
                let parked = self.work.names.park(hop, *self.path, self.message.bytes(), false);
                return if parked { Step::Done } else { self.refuse(503) };
            }
        };
        let to = self.sized(leaving, to);
        // Where the next hop would lose what the one before cannot send again, somebody has to keep it; and where another
        // address can be tried, somebody has to notice that the first one failed.
        let is_lossy = self.path.transport != Transport::Udp && to.transport == Transport::Udp;
        if (is_lossy || more && leaving.failover) && makes_transaction(request.method) && !self.contexts.table.is_full()
        {
            return self.begin(request, leaving, VecDeque::new(), VecDeque::new(), self.snapshot.ring_ms);
        }
        // Without a context, CANCEL and ACK go where its first branch went, under the same name.
        let fork = leaving.stateful.then_some(0);
        if self.compose(request, leaving, &to, fork, None).is_none() {
            return self.refuse(500);
        }
        self.work.counters.count(Counter::ForwardedRequests);
        self.work.note(|| format!("forwarded to {}", to.peer));
        Step::Forward(to)
    }

    /// The way for a request of this size. RFC 3261 §18.1.1.
    pub(crate) fn sized(&self, leaving: &hop::Leaving<'_>, to: Path) -> Path {
        match leaving.next {
            hop::Next::Hop(next) if to.transport == Transport::Udp && next.transport.is_none() => {
                let listeners = &self.snapshot.listeners;
                size::path(&self.message, to, listeners, &self.work.refusals, self.now.monotonic_ms)
            }
            hop::Next::Hop(_) | hop::Next::Path(_) => to,
        }
    }

    /// Whether the request came from who made it, as its Via says (RFC 5626 §5.1).
    fn is_first_hop(&self) -> bool {
        self.message.elements(HeaderId::VIA).nth(1).is_none()
    }

    /// The edits with which the request leaves for `to`. Returns the word that names branch number `fork` if its transaction is
    /// kept; `None` when a listener is gone.
    pub(crate) fn compose(
        &mut self,
        request: &Request<'b>,
        leaving: &hop::Leaving<'_>,
        to: &Path,
        fork: Option<u8>,
        breadth: Option<u8>,
    ) -> Option<u64> {
        let snapshot = self.snapshot;
        let transport = self.path.transport;
        let reply_to = reply_address_of_request(&request.essentials.via, self.path.peer, transport);
        let essentials = &request.essentials;
        let origin = Origin {
            branch: essentials.via.branch.unwrap_or_default(),
            sent_by: essentials.via.sent_by(),
            from_tag: essentials.from.tag().unwrap_or_default(),
            call_id: essentials.call_id,
            cseq: essentials.cseq.number,
            reply_to,
            listener: self.path.listener,
            connection: self.path.connection,
        };
        // The dialog is not bound to the way that the size of one request asks for.
        let recorded = size::without(to, &snapshot.listeners, self.path.listener);
        let sender = snapshot.listeners.get(usize::from(recorded.listener.0))?;
        let via = snapshot.listeners.get(usize::from(to.listener.0))?;
        let receiver = snapshot.listeners.get(usize::from(self.path.listener.0))?;
        let mut routed = request.routed;
        // The value of a strict router stands in the start line (§16.6 step 6).
        routed.popped += usize::from(!leaving.last_route.is_empty());
        let came_by = flow::is_needed(self.path, &essentials.via).then_some(*self.path);
        let leaves_by = matches!(leaving.next, hop::Next::Path(_)).then_some(*to);
        // One value is enough when both sides are reached alike.
        let differs = recorded.listener != self.path.listener || recorded.transport != transport || came_by.is_some();
        let record_route = makes_dialog(request) && (leaving.record_route || self.is_contact_ours());
        let is_kept =
            request.method == Method::Register || record_route || makes_dialog(request) && request.routed.authentic;
        let keep = is_kept && receiver.keep > 0 && keep::is_asked(&essentials.via);
        let receiver = super::forward::Side { listener: receiver, transport, flow: came_by };
        let forward = super::forward::Forward {
            uri: leaving.uri,
            routed,
            path: leaving.path,
            last_route: leaving.last_route,
            via: &via.texts(to.transport).via,
            transport: to.transport,
            sender: super::forward::Side { listener: sender, transport: recorded.transport, flow: leaves_by },
            receiver: (differs || leaves_by.is_some()).then_some(receiver),
            record_route,
            fork,
            stateful: leaving.stateful,
            breadth,
            insert_path: leaving.insert_path.then(|| (*self.path, self.is_first_hop())),
            keep,
            strip_identity: snapshot.challenge && !request.trusted,
            origin,
            loop_hash: request.loop_hash,
            source: self.path.peer,
        };
        let work = &mut *self.work;
        Some(super::forward::edits(
            &self.message,
            &request.essentials.via,
            request.essentials.max_forwards,
            &forward,
            &snapshot.keys,
            &mut work.scratch,
            &mut work.edits,
        ))
    }
}

/// Whether a request has a transaction: ACK for a 2xx has none, and CANCEL without that of its INVITE gets none (§16.10).
pub(crate) fn makes_transaction(method: Method) -> bool {
    !matches!(method, Method::Ack | Method::Cancel)
}

/// Whether Record-Route means anything in this request: one that begins a dialog, or refreshes its target
/// (RFC 3261 §16.6 step 4 asks for it there too, for elements that lost their state).
fn makes_dialog(request: &Request<'_>) -> bool {
    matches!(
        request.method,
        Method::Invite | Method::Subscribe | Method::Refer | Method::Notify | Method::Update | Method::Other
    )
}
