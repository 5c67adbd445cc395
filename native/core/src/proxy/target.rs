//! The target of a request. RFC 3261 §16.5.
//!
//! In this order: a Route that is left decides; a request inside a dialog goes where its URI says; OPTIONS for ourselves is
//! answered, whatever the rules say, so that whoever asks whether we live learns it; the rules of the configuration; then what is left is ours to look up, or to relay for somebody we know.

use super::context::Target;
use super::gruu::NotOurs;
use super::hop::{Leaving, Next};
use super::request::{Request, makes_transaction};
use super::route::address;
use crate::counter::Counter;
use crate::path::Path;
use crate::registrar::gruu::Named;
use crate::registrar::lookup::{UNSAID, by_preference, instance, instance_id};
use crate::registrar::record::{Binding, Bindings};
use crate::respond::Answer;
use crate::routing::target::NextHop;
use crate::routing::{Action, ForwardTo, Mode, RedirectTo, RouteKey, Rule};
use crate::store::{Store, Table};
use crate::turn::{Step, Turn};
use dialplane_syntax::{Method, SipUri, Uri};
use std::collections::VecDeque;

impl<'t, 'b, S: Store> Turn<'t, 'b, S> {
    /// Finds the target and sends the request there.
    pub(crate) fn route(&mut self, request: &Request<'b>) -> Step {
        if request.method == Method::Bye && request.routed.authentic && self.snapshot.routes.counts_calls() {
            self.end_call(request);
        }
        if request.routed.next.is_some() {
            return self.by_route(request);
        }
        if let Some(flow) = request.routed.flow.filter(|_| request.routed.authentic) {
            self.work.note(|| "inside a dialog: by the flow in its Route".into());
            let (next, record_route) = (Next::Path(flow), self.snapshot.record_route);
            let stateful = request.routed.stateful;
            let contact = match self.contact_of_gruu(request) {
                Ok(contact) => contact,
                Err(step) => return step,
            };
            let leaving = Leaving { uri: contact.as_deref(), ..Leaving::to(next, record_route, stateful) };
            return self.forward(request, &leaving);
        }
        if request.routed.is_tampered {
            return self.refuse(403);
        }
        // RFC 5626 §5.3: by the flow that a client registered with; what that client sends itself by its own way goes on.
        if let Some(flow) = request.routed.client.filter(|flow| !is_same_flow(flow, self.path)) {
            self.work.note(|| "for a client that registered through us: by its flow".into());
            let (next, record_route) = (Next::Path(flow), self.snapshot.record_route);
            return self.forward(request, &Leaving::to(next, record_route, false));
        }
        let own = request.sip_uri().is_some_and(|uri| self.snapshot.is_own(&uri));
        if request.routed.authentic && !own {
            self.work.note(|| "inside a dialog: to its URI".into());
            return self.by_uri(request, self.snapshot.record_route, request.routed.stateful);
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
        let stateful = request.routed.stateful;
        let contact = match self.contact_of_gruu(request) {
            Ok(contact) => contact,
            Err(step) => return step,
        };
        let to = Leaving::to(Next::Hop(&hop), record_route, stateful);
        let mut leaving = Leaving { uri: contact.as_deref(), failover: true, ..to };
        if uri.is_loose_router() {
            return self.forward(request, &leaving);
        }
        // A strict router wants its own URI in the start line, and the request URI at the end of the Route.
        let mut last_route = std::mem::take(&mut self.work.uri);
        last_route.clear();
        last_route.push(b'<');
        last_route.extend_from_slice(contact.as_deref().unwrap_or(request.routed.uri));
        last_route.push(b'>');
        leaving.uri = Some(address.uri);
        leaving.last_route = &last_route;
        let step = self.forward(request, &leaving);
        self.work.uri = last_route;
        step
    }

    /// To where the request URI points.
    fn by_uri(&mut self, request: &Request<'b>, record_route: bool, stateful: bool) -> Step {
        let Some(uri) = request.sip_uri() else {
            return self.refuse(416);
        };
        let Ok(hop) = NextHop::of(&uri) else {
            return self.refuse(400);
        };
        let leaving = Leaving { failover: true, ..Leaving::to(Next::Hop(&hop), record_route, stateful) };
        self.forward(request, &leaving)
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
                Ok(()) => self.by_location(request, record_route, Some(rule)),
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
        let stateful = rule.mode == Some(Mode::Stateful);
        let leaving = |next| Leaving {
            uri: rewritten.then_some(uri.as_slice()),
            failover: rule.mode.is_none(),
            insert_path: rule.path && request.method == Method::Register,
            ..Leaving::to(next, record_route, stateful)
        };
        let step = match to {
            ForwardTo::Hop(hop) => self.forward(request, &leaving(Next::Hop(hop))),
            ForwardTo::Set(set) => self.by_target_set(request, *set, rule.mode, leaving),
            ForwardTo::RequestUri => match request.sip_uri().map(|uri| NextHop::of(&uri)) {
                Some(Ok(hop)) => self.forward(request, &leaving(Next::Hop(&hop))),
                Some(Err(_)) => self.refuse(400),
                None => self.refuse(416),
            },
        };
        self.work.uri = uri;
        step
    }

    /// No rule matched.
    fn by_default(&mut self, request: &Request<'b>, own: bool) -> Step {
        // §16.3 step 2: nobody need prove who he is to learn that we do not know the scheme.
        if request.sip_uri().is_none() {
            return self.refuse(416);
        }
        if !own {
            return match self.may_relay(request) {
                Ok(()) => self.by_uri(request, self.snapshot.record_route, false),
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
                Ok(()) => self.by_location(request, self.snapshot.record_route, None),
                Err(step) => step,
            },
        }
    }

    /// OPTIONS for ourselves. RFC 3261 §11.2.
    fn capabilities(&mut self) -> Step {
        self.work.note(|| "for ourselves".into());
        let lines = b"Accept: application/sdp\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, PRACK, UPDATE, SUBSCRIBE, \
                      NOTIFY, PUBLISH, INFO, REFER, MESSAGE\r\nSupported: path, outbound\r\n";
        self.respond(Answer { status: 200, reason: b"", lines })
    }

    /// To the bindings of the request URI: those of the highest q at one time, then the next (§16.6). Without a transaction
    /// nothing forks (§16.11): to the highest q, then the youngest.
    fn by_location(&mut self, request: &Request<'b>, record_route: bool, rule: Option<&Rule>) -> Step {
        let stateful = rule.is_none_or(|rule| rule.mode != Some(Mode::Stateless));
        let ring_ms = rule.and_then(|rule| rule.ring_ms).unwrap_or(self.snapshot.ring_ms);
        let Some(uri) = request.sip_uri() else {
            return self.refuse(416);
        };
        let mut value = std::mem::take(&mut self.work.value);
        let step = self.read_bindings(request, &uri, &mut value).and_then(|gruu| {
            let now = self.now.unix();
            let mut bindings = by_preference(Bindings::read(&value).map_err(|_| self.refuse(500))?, now);
            if let Some(gruu) = &gruu
                && !gruu.select(&self.snapshot.registrar.gruu, &mut bindings)
            {
                return Err(self.unknown(request));
            }
            let Some(&best) = bindings.first() else {
                self.work.counters.count(Counter::LookupMisses);
                return Err(match request.method {
                    Method::Ack => Step::Done,
                    Method::Cancel => self.refuse(481),
                    _ => self.not_found(&uri),
                });
            };
            self.work.counters.count(Counter::LookupHits);
            self.work.note(|| format!("bound to {}", String::from_utf8_lossy(best.contact)));
            let forks = stateful && makes_transaction(request.method);
            if let Some(trace) = &mut self.work.trace {
                for binding in &bindings {
                    let chosen = *binding == best || forks && binding.q.unwrap_or(UNSAID) == best.q.unwrap_or(UNSAID);
                    trace.candidate(binding.contact, "bound to the address-of-record".into(), chosen);
                }
            }
            let mut hop = None;
            let Some(first) = to_binding(&best, &mut hop, record_route, stateful) else {
                return Err(self.refuse(416));
            };
            if !forks || bindings.len() == 1 {
                return Ok(self.forward(request, &first));
            }
            let (mut others, mut rest) = (VecDeque::new(), VecDeque::<Target>::new());
            let (mut group, mut q) = (0, best.q.unwrap_or(UNSAID));
            // Where the first flow of each client is; 0 is the first target of all.
            let mut clients = vec![(instance(&best), 0_usize)];
            for binding in &bindings[1..] {
                let mut hop = None;
                let Some(leaving) = to_binding(binding, &mut hop, record_route, true) else { continue };
                // RFC 5627 §6.1: all are those of one instance.
                if gruu.is_some() {
                    others.push_back(Target::new(&leaving, 0, false));
                    continue;
                }
                let client = instance(binding);
                // RFC 5626 §7: "MUST NOT populate the target set with more than one contact with the same AOR and instance-id
                // at a time"; the others stand by.
                if let Some((_, place)) = clients.iter().find(|(known, _)| client.is_some() && *known == client) {
                    let flows = place.checked_sub(1).and_then(|place| rest.get_mut(place));
                    flows.map_or(&mut others, |first| &mut first.others).push_back(Target::new(&leaving, 0, false));
                    continue;
                }
                let next_q = binding.q.unwrap_or(UNSAID);
                group += u16::from(next_q != q);
                q = next_q;
                rest.push_back(Target::new(&leaving, group, false));
                clients.push((client, rest.len()));
            }
            Ok(self.begin(request, &first, others, rest, ring_ms))
        });
        self.work.value = value;
        step.unwrap_or_else(|step| step)
    }

    /// Reads the record that a URI means; leaves `value` empty when there is none. Tells of a GRUU which bindings are meant.
    pub(crate) fn read_bindings(
        &mut self,
        request: &Request<'b>,
        uri: &SipUri<'_>,
        value: &mut Vec<u8>,
    ) -> Result<Option<Named>, Step> {
        value.clear();
        let mut aor = std::mem::take(&mut self.work.scratch);
        aor.clear();
        let bound = self.bound(uri, &mut aor);
        let read = self.store.bindings().read(&aor, value);
        self.work.scratch = aor;
        match (bound, read) {
            (Ok(gruu), Ok(_)) => Ok(gruu),
            (Err(NotOurs), _) => Err(self.unknown(request)),
            (Ok(_), Err(_)) => {
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

/// Whether a request that came by `path` is the client's own.
fn is_same_flow(flow: &Path, path: &Path) -> bool {
    flow.connection == path.connection && (flow.connection.worker().is_some() || flow.peer == path.peer)
}

/// How a request leaves for a binding; `None` for a contact that is no SIP URI. `hop` is storage.
fn to_binding<'a>(
    binding: &Binding<'a>,
    hop: &'a mut Option<NextHop>,
    record_route: bool,
    stateful: bool,
) -> Option<Leaving<'a>> {
    let next = match binding.received {
        Some(path) if binding.path.is_empty() => Next::Path(path),
        Some(_) | None => {
            let uri = if binding.path.is_empty() { binding.contact } else { first_uri(binding.path) };
            let Ok(Uri::Sip(uri)) = Uri::parse(uri) else { return None };
            Next::Hop(hop.insert(NextHop::of(&uri).ok()?))
        }
    };
    // RFC 5627 §6.2: who answers with its GRUU sends later requests to us, and they are to come by the same way.
    let record_route = record_route || !binding.path.is_empty() && instance_id(binding).is_some();
    Some(Leaving { uri: Some(binding.contact), path: binding.path, ..Leaving::to(next, record_route, stateful) })
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
