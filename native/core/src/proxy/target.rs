//! The target of a request. RFC 3261 §16.5.
//!
//! In this order: a Route that is left decides; a request inside a dialog goes where its URI says; OPTIONS for ourselves is
//! answered, whatever the rules say, so that whoever asks whether we live learns it; the rules of the configuration; then what is left is ours to look up, or to relay for somebody we know.

use super::hop::{Leaving, Next};
use super::request::Request;
use super::route::address;
use crate::counter::Counter;
use crate::registrar::lookup::by_preference;
use crate::registrar::record::Bindings;
use crate::respond::Answer;
use crate::routing::target::{HashBy, NextHop, Policy, TargetSetId, is_up};
use crate::routing::{Action, ForwardTo, RedirectTo, RouteKey, Rule};
use crate::store::{Store, Table, TargetHealth as _};
use crate::turn::{Step, Turn};
use dialplane_syntax::uri::write_aor;
use dialplane_syntax::{Method, SipUri, Uri};

impl<'t, 'b, S: Store> Turn<'t, 'b, S> {
    /// Finds the target and sends the request there.
    pub(crate) fn route(&mut self, request: &Request<'b>) -> Step {
        if request.routed.next.is_some() {
            return self.by_route(request);
        }
        if let Some(flow) = request.routed.flow.filter(|_| request.routed.authentic) {
            self.work.note(|| "inside a dialog: by the flow in its Route".into());
            let (next, record_route) = (Next::Path(flow), self.snapshot.record_route);
            return self.forward(request, &Leaving { uri: None, path: b"", last_route: b"", next, record_route });
        }
        let own = request.sip_uri().is_some_and(|uri| self.snapshot.is_own(&uri));
        if request.routed.authentic && !own {
            self.work.note(|| "inside a dialog: to its URI".into());
            return self.by_uri(request, self.snapshot.record_route);
        }
        if own && request.method == Method::Options && !has_user(request) {
            return self.capabilities();
        }
        let snapshot = self.snapshot;
        let key = self.key(request);
        if let Some(trace) = &mut self.work.trace {
            trace.rules(&snapshot.routes, &key);
        }
        match snapshot.routes.decide(&key) {
            Some(rule) => self.by_rule(request, rule),
            None => self.by_default(request, own),
        }
    }

    /// What the rules look at.
    pub(crate) fn key(&self, request: &Request<'b>) -> RouteKey<'b> {
        let (user, host) = match request.uri {
            Uri::Sip(sip) => (sip.user, Some(sip.host)),
            Uri::Tel(tel) => (Some(tel.number), None),
            Uri::Other { .. } => (None, None),
        };
        RouteKey {
            method: request.essentials.cseq.method_name,
            uri: request.routed.uri,
            user,
            host,
            source: self.path.peer.ip(),
        }
    }

    /// §16.6 steps 6 and 7: the next Route value, loose or strict.
    fn by_route(&mut self, request: &Request<'b>) -> Step {
        if let Err(step) = self.may_relay(request) {
            return step;
        }
        let Some(address) = request.routed.next.and_then(|element| address(&element)) else {
            return self.refuse(400);
        };
        let Ok(Uri::Sip(uri)) = Uri::parse(address.uri) else {
            return self.refuse(416);
        };
        let Ok(hop) = NextHop::of(&uri) else {
            return self.refuse(400);
        };
        self.work.note(|| format!("by its Route to {hop}"));
        let record_route = self.snapshot.record_route;
        let mut leaving = Leaving { uri: None, path: b"", last_route: b"", next: Next::Hop(&hop), record_route };
        if uri.is_loose_router() {
            return self.forward(request, &leaving);
        }
        // A strict router wants its own URI in the start line, and the request URI at the end of the Route.
        let mut last_route = std::mem::take(&mut self.work.uri);
        last_route.clear();
        last_route.push(b'<');
        last_route.extend_from_slice(request.routed.uri);
        last_route.push(b'>');
        let mut request = *request;
        request.routed.popped += 1;
        leaving.uri = Some(address.uri);
        leaving.last_route = &last_route;
        let step = self.forward(&request, &leaving);
        self.work.uri = last_route;
        step
    }

    /// To where the request URI points.
    fn by_uri(&mut self, request: &Request<'b>, record_route: bool) -> Step {
        let Some(uri) = request.sip_uri() else {
            return self.refuse(416);
        };
        let Ok(hop) = NextHop::of(&uri) else {
            return self.refuse(400);
        };
        self.forward(request, &Leaving { uri: None, path: b"", last_route: b"", next: Next::Hop(&hop), record_route })
    }

    /// What a rule of the configuration says.
    fn by_rule(&mut self, request: &Request<'b>, rule: &Rule) -> Step {
        let record_route = rule.record_route.unwrap_or(self.snapshot.record_route);
        match &rule.action {
            Action::Drop => {
                self.work.counters.count(Counter::DroppedByRule);
                Step::Done
            }
            // An element that answers without a transaction ignores ACK and CANCEL (RFC 3261 §8.2.7).
            Action::Reply { .. } | Action::Redirect { .. } if is_ack_or_cancel(request.method) => Step::Done,
            Action::Reply { status, reason } => {
                let reason = reason.as_deref().unwrap_or_default().as_bytes();
                self.respond(Answer { status: *status, reason, lines: b"" })
            }
            Action::Redirect { to, status } => {
                if let Err(step) = self.authenticate(request, rule.authenticate) {
                    return step;
                }
                match to {
                    RedirectTo::Contacts(contacts) => self.redirect_to_contacts(contacts, *status),
                    RedirectTo::Lookup => self.redirect_to_bindings(request, *status),
                    RedirectTo::Table(table) => self.redirect_by_number(request, &*table.table, *status),
                }
            }
            Action::Lookup if request.method == Method::Register => self.register(request),
            Action::Lookup => match self.authenticate(request, rule.authenticate) {
                Ok(()) => self.by_location(request, record_route),
                Err(step) => step,
            },
            Action::Forward(to) => {
                if request.method != Method::Register
                    && let Err(step) = self.authenticate(request, rule.authenticate)
                {
                    return step;
                }
                self.rewrite_and_forward(request, rule, to, record_route)
            }
        }
    }

    fn rewrite_and_forward(&mut self, request: &Request<'b>, rule: &Rule, to: &ForwardTo, record_route: bool) -> Step {
        let mut uri = std::mem::take(&mut self.work.uri);
        uri.clear();
        let rewritten = !rule.rewrite.is_nothing() && rewrite_user(request, rule, &mut uri);
        let leaving =
            |next| Leaving { uri: rewritten.then_some(uri.as_slice()), path: b"", last_route: b"", next, record_route };
        let step = match to {
            ForwardTo::Hop(hop) => self.forward(request, &leaving(Next::Hop(hop))),
            ForwardTo::Set(set) => match self.choose(request, *set) {
                Some(hop) => self.forward(request, &leaving(Next::Hop(hop))),
                None => self.refuse(503),
            },
            ForwardTo::RequestUri => match request.sip_uri().map(|uri| NextHop::of(&uri)) {
                Some(Ok(hop)) => self.forward(request, &leaving(Next::Hop(&hop))),
                Some(Err(_)) => self.refuse(400),
                None => self.refuse(416),
            },
        };
        self.work.uri = uri;
        step
    }

    /// The target of a set for this request: the same for each retransmission, CANCEL and ACK (§16.11).
    fn choose(&mut self, request: &Request<'b>, set: TargetSetId) -> Option<&'t NextHop> {
        let snapshot = self.snapshot;
        let set = snapshot.routes.target_set(set)?;
        let essentials = &request.essentials;
        let source;
        let key: &[u8] = match set.policy() {
            Policy::Hash(HashBy::CallId) => essentials.call_id,
            Policy::Hash(HashBy::From) => essentials.from.uri,
            Policy::Hash(HashBy::To) => essentials.to.uri,
            Policy::Hash(HashBy::Uri) => request.routed.uri,
            Policy::Hash(HashBy::Source) => {
                source = self.path.peer.ip().to_string();
                source.as_bytes()
            }
            Policy::Priority | Policy::RoundRobin | Policy::Weight => b"",
        };
        let scratch = &mut self.work.scratch;
        scratch.clear();
        scratch.extend_from_slice(essentials.via.branch.unwrap_or_default());
        scratch.extend_from_slice(essentials.call_id);
        let chance = snapshot.keys.looping.hash(scratch);
        let (id, _) = set.first(key, chance, self.store.health());
        let target = set.target(id)?;
        if let Some(trace) = &mut self.work.trace {
            for other in set.targets() {
                let state = if is_up(self.store.health().read(other.identity.0)) { "up" } else { "down" };
                let why = format!("target set {}, {state}", set.name());
                trace.candidate(&other.uri, why, std::ptr::eq(other, target));
            }
        }
        self.work.note(|| format!("target set {}: {}", set.name(), String::from_utf8_lossy(&target.uri)));
        Some(&target.hop)
    }

    /// No rule matched.
    fn by_default(&mut self, request: &Request<'b>, own: bool) -> Step {
        // §16.3 step 2: nobody need prove who he is to learn that we do not know the scheme.
        if request.sip_uri().is_none() {
            return self.refuse(416);
        }
        if !own {
            return match self.may_relay(request) {
                Ok(()) => self.by_uri(request, self.snapshot.record_route),
                Err(step) => step,
            };
        }
        if request.method == Method::Register {
            return self.register(request);
        }
        match request.method {
            method if !has_user(request) && is_ack_or_cancel(method) => Step::Done,
            _ if !has_user(request) => self.refuse(404),
            _ => match self.authenticate(request, None) {
                Ok(()) => self.by_location(request, self.snapshot.record_route),
                Err(step) => step,
            },
        }
    }

    /// OPTIONS for ourselves. RFC 3261 §11.2.
    fn capabilities(&mut self) -> Step {
        self.work.note(|| "for ourselves".into());
        let lines = b"Accept: application/sdp\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, PRACK, UPDATE, SUBSCRIBE, \
                      NOTIFY, PUBLISH, INFO, REFER, MESSAGE\r\nSupported: path\r\n";
        self.respond(Answer { status: 200, reason: b"", lines })
    }

    /// To the best binding of the request URI. A stateless proxy cannot fork (§16.11): the highest q, then the youngest.
    fn by_location(&mut self, request: &Request<'b>, record_route: bool) -> Step {
        let Some(uri) = request.sip_uri() else {
            return self.refuse(416);
        };
        let mut value = std::mem::take(&mut self.work.value);
        let step = self.read_bindings(&uri, &mut value).and_then(|()| {
            let now = self.now.unix();
            let best = Bindings::read(&value)
                .map_err(|_| self.refuse(500))?
                .map(|stored| stored.binding)
                .filter(|binding| binding.expires > now)
                .max_by_key(|binding| (binding.q.map_or(1000, |q| q.thousandths()), binding.modified));
            let Some(best) = best else {
                self.work.counters.count(Counter::LookupMisses);
                return Err(match request.method {
                    Method::Ack => Step::Done,
                    Method::Cancel => self.refuse(481),
                    _ => self.not_found(&uri),
                });
            };
            self.work.counters.count(Counter::LookupHits);
            self.work.note(|| format!("bound to {}", String::from_utf8_lossy(best.contact)));
            if let (Some(trace), Ok(bindings)) = (&mut self.work.trace, Bindings::read(&value)) {
                for binding in by_preference(bindings, now) {
                    trace.candidate(binding.contact, "bound to the address-of-record".into(), binding == best);
                }
            }
            let hop = match best.path {
                b"" => best.contact,
                path => first_uri(path),
            };
            let hop = match Uri::parse(hop) {
                Ok(Uri::Sip(uri)) => NextHop::of(&uri).ok(),
                _ => None,
            };
            let next = match (best.received, &hop) {
                (Some(path), _) if best.path.is_empty() => Next::Path(path),
                (_, Some(hop)) => Next::Hop(hop),
                (_, None) => return Err(self.refuse(416)),
            };
            let leaving = Leaving { uri: Some(best.contact), path: best.path, last_route: b"", next, record_route };
            Ok(self.forward(request, &leaving))
        });
        self.work.value = value;
        step.unwrap_or_else(|step| step)
    }

    /// Reads the record of an address-of-record; leaves `value` empty when there is none.
    pub(crate) fn read_bindings(&mut self, uri: &SipUri<'_>, value: &mut Vec<u8>) -> Result<(), Step> {
        let scratch = &mut self.work.scratch;
        scratch.clear();
        value.clear();
        write_aor(&Uri::Sip(*uri), scratch);
        match self.store.bindings().read(scratch, value) {
            Ok(_) => Ok(()),
            Err(_) => {
                self.work.counters.count(Counter::StoreErrors);
                Err(self.refuse(500))
            }
        }
    }

    /// §21.4.18: 480 for a user who is only not there, 404 for one who is not known.
    pub(crate) fn not_found(&mut self, uri: &SipUri<'_>) -> Step {
        let known = self.snapshot.registrar.knows(self.store, uri, &mut self.work.registrar);
        self.refuse(if known { 480 } else { 404 })
    }
}

/// Puts the changed user part into the request URI.
fn rewrite_user(request: &Request<'_>, rule: &Rule, out: &mut Vec<u8>) -> bool {
    let uri = request.routed.uri;
    let Some(user) = request.sip_uri().and_then(|sip| sip.user) else { return false };
    let Some(at) = uri.windows(user.len().max(1)).position(|window| window == user) else { return false };
    let (head, rest) = uri.split_at(at);
    out.extend_from_slice(head);
    let changed = rule.rewrite.apply(user, out);
    out.extend_from_slice(&rest[user.len()..]);
    changed
}

/// Whether the request URI names a user, not only a host.
fn has_user(request: &Request<'_>) -> bool {
    request.sip_uri().is_some_and(|uri| uri.user.is_some_and(|user| !user.is_empty()))
}

fn is_ack_or_cancel(method: Method) -> bool {
    matches!(method, Method::Ack | Method::Cancel)
}

/// The URI of the first value of a Path, which stands in angle brackets (RFC 3327 §4).
fn first_uri(path: &[u8]) -> &[u8] {
    let Some(open) = path.iter().position(|&octet| octet == b'<') else { return path };
    let rest = &path[open + 1..];
    rest.iter().position(|&octet| octet == b'>').map_or(rest, |close| &rest[..close])
}
