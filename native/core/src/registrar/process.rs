//! Processing REGISTER requests. RFC 3261 §10.3: its steps in order, one function per step.

use super::answer::Gruus;
use super::contact::{self, Expiry, Reading, Refusal, Wanted, bad_request};
use super::update::{self, Failure, Update};
use super::{Answer, PathPolicy, Register, Registrar, Scratch, split_aor};
use crate::auth::{Attempt, Challenger, Identity, Verdict};
use crate::counter::{Counter, Counters};
use crate::store::{Change, Nonces as _, Store, StoreError, Table as _};
use dialplane_syntax::chars::write_decimal;
use dialplane_syntax::header::option_tags;
use dialplane_syntax::uri::write_aor;
use dialplane_syntax::{HeaderId, Message, SipUri, Uri};

impl Registrar {
    /// Processes a REGISTER.
    ///
    /// `ours` tells whether a URI is of a domain that we serve. The header lines of the answer, with their line ends,
    /// are appended to `lines`.
    pub fn handle<S: Store>(
        &self,
        store: &S,
        register: &Register<'_>,
        ours: impl Fn(&SipUri<'_>) -> bool,
        scratch: &mut Scratch,
        lines: &mut Vec<u8>,
        counters: &mut Counters,
    ) -> Answer {
        let mut processing = Processing {
            registrar: self,
            store,
            register,
            ours,
            scratch,
            lines,
            counters,
            outbound: false,
            gruu: false,
        };
        match processing.run() {
            Ok(()) => Answer::status(200),
            Err(answer) => answer,
        }
    }
}

/// One REGISTER on its way.
struct Processing<'p, S, F> {
    registrar: &'p Registrar,
    store: &'p S,
    register: &'p Register<'p>,
    ours: F,
    scratch: &'p mut Scratch,
    lines: &'p mut Vec<u8>,
    counters: &'p mut Counters,
    /// Whether flows are registered, and the client must be told so. RFC 5626 §6.
    outbound: bool,
    /// Whether the client wants GRUUs. RFC 5627 §5.2.
    gruu: bool,
}

impl<S: Store, F: Fn(&SipUri<'_>) -> bool> Processing<'_, S, F> {
    fn run(&mut self) -> Result<(), Answer> {
        self.domain()?;
        self.require()?;
        self.address_of_record()?;
        let wanted = self.path().and_then(|()| self.contacts());
        // What cannot be read is refused before anybody is asked who he is (RFC 4475 §3.1.2.13 regbadct); what is only
        // not allowed, after that.
        if let Err(Refusal::Answer(answer @ Answer { status: 400, .. })) = wanted {
            return Err(answer);
        }
        self.authenticate()?;
        match wanted {
            Ok(Wanted::Fetch) => self.fetch()?,
            Ok(Wanted::RemoveAll) => self.remove_all()?,
            Ok(Wanted::Update) => self.update()?,
            Err(refusal) => return Err(self.refuse(refusal)),
        }
        self.answer();
        Ok(())
    }

    /// Step 1: whether we have access to the bindings of the domain in the Request-URI.
    ///
    /// Whoever is also a proxy has forwarded requests for other domains before.
    fn domain(&self) -> Result<(), Answer> {
        match &self.register.essentials.uri {
            Some(Uri::Sip(uri)) if (self.ours)(uri) => Ok(()),
            Some(Uri::Sip(_)) | None => Err(Answer::status(404)),
            // §8.2.2.1.
            Some(Uri::Tel(_) | Uri::Other { .. }) => Err(Answer::status(416)),
        }
    }

    /// Step 2: Require. §8.2.2.3.
    fn require(&mut self) -> Result<(), Answer> {
        if !self.register.message.contains(HeaderId::REQUIRE) {
            return Ok(());
        }
        let unknown = option_tags(&self.register.message, HeaderId::REQUIRE)
            .filter(|tag| !(is_path(tag) || is_outbound(tag) || self.registrar.gives_gruus && is_gruu(tag)));
        let mut separator: &[u8] = b"Unsupported: ";
        for tag in unknown.take(MOST_UNSUPPORTED) {
            self.lines.extend_from_slice(separator);
            self.lines.extend_from_slice(tag);
            separator = b", ";
        }
        if separator != b", " {
            return Ok(());
        }
        self.lines.extend_from_slice(b"\r\n");
        Err(Answer::status(420))
    }

    /// Step 5, which steps 3 and 4 need first: the address-of-record in To, in canonical form.
    fn address_of_record(&mut self) -> Result<(), Answer> {
        let Scratch { aor, .. } = &mut *self.scratch;
        aor.clear();
        match self.register.essentials.to.parsed_uri() {
            Ok(Uri::Sip(uri)) => {
                if !(self.ours)(&uri) || uri.user.is_none() {
                    return Err(Answer::status(404));
                }
                write_aor(&Uri::Sip(uri), aor);
            }
            // RFC 3261 §10.2; RFC 4475 §3.3.4 unksm2 wants 400.
            Ok(Uri::Tel(_) | Uri::Other { .. }) => return Err(Answer::bad_request("To Is Not A SIP URI")),
            Err(_) => return Err(Answer::bad_request("Malformed To")),
        }
        // An escaped CR, LF or NUL would be one in whatever shows the key; no user has it in his name.
        if aor.len() > MOST_AOR || aor.iter().any(u8::is_ascii_control) {
            return Err(Answer::status(404));
        }
        self.store.bindings().expect(aor);
        Ok(())
    }

    /// Steps 3 and 4: who sends the request, and whether this address-of-record is his.
    fn authenticate(&mut self) -> Result<(), Answer> {
        let Register { message, source, now, trusted, .. } = *self.register;
        if trusted || !self.registrar.challenge {
            return Ok(());
        }
        let Scratch { auth, aor, .. } = &mut *self.scratch;
        let authenticator = &self.registrar.authenticator;
        let realm = authenticator.realm(split_aor(aor).1);
        let attempt = Attempt { challenger: Challenger::Uas, request: message, source, realm, now };
        match authenticator.check(self.store, &attempt, &self.ours, auth, self.counters) {
            Verdict::Authenticated(user) => match user.identity(aor) {
                Identity::Owner => Ok(()),
                Identity::Other => Err(Answer::status(403)),
            },
            Verdict::Challenge(challenge) => {
                self.counters.count(Counter::Challenges);
                let serial = self.store.nonces().next_serial();
                authenticator.challenge(Challenger::Uas, realm, challenge, now, serial, self.lines);
                Err(Answer::status(Challenger::Uas.status()))
            }
            Verdict::Refuse { status, reason } => Err(Answer { status, reason }),
        }
    }

    /// RFC 3327 §5.3: the proxies that want to be on the way to the contacts.
    fn path(&mut self) -> Result<(), Refusal> {
        let Scratch { path, .. } = &mut *self.scratch;
        path.clear();
        let message = &self.register.message;
        if !message.contains(HeaderId::PATH) || self.registrar.path == PathPolicy::Ignore {
            return Ok(());
        }
        for (place, element) in message.elements(HeaderId::PATH).enumerate() {
            let proxy = dialplane_syntax::NameAddr::parse(element.value, 0, HeaderId::PATH);
            let good = proxy.is_ok_and(|proxy| proxy.is_bracketed() && matches!(proxy.parsed_uri(), Ok(Uri::Sip(_))));
            if !good || place >= MOST_PATH || path.len() + element.value.len() > MOST_PATH_LEN {
                return Err(bad_request("Malformed Path"));
            }
            if place > 0 {
                path.push(b',');
            }
            contact::push_unfolded(element.value, path);
        }
        if self.registrar.path == PathPolicy::Supported && !supported(message).any(is_path) {
            return Err(Refusal::PathUnsupported);
        }
        Ok(())
    }

    /// Steps 6 and 7, as far as the request alone decides: what it wants, and for how long.
    fn contacts(&mut self) -> Result<Wanted, Refusal> {
        let Register { message, essentials, source, .. } = self.register;
        let registrar = self.registrar;
        let Scratch { contacts, text, path, aor, .. } = &mut *self.scratch;
        let field = message.expires().map_err(|_| bad_request("Malformed Expires"))?;
        // A second Via was written by a proxy, so the source is not the client.
        let mut vias = message.all(HeaderId::VIA);
        let alone = vias.next().is_some_and(|field| field.value_range().end == essentials.via.range().end);
        let first_hop = alone && vias.next().is_none();
        let reading = Reading {
            expiry: Expiry {
                default: registrar.default_expires,
                min: registrar.min_expires,
                max: registrar.max_expires,
            },
            field,
            flows: first_hop || keeps_flow(path),
            outbound: supported(message).any(is_outbound),
            // Whatever the configuration says of NAT, nobody can connect to a client's end of a connection.
            direct: (first_hop && path.is_empty() && (registrar.nat || source.transport.is_stream()))
                .then_some((&essentials.via, *source)),
            most: registrar.bindings,
            aor,
            gruu: &registrar.gruu,
        };
        let wanted = contact::read(message, &reading, text, contacts);
        self.gruu = registrar.gives_gruus && supported(message).any(is_gruu);
        self.outbound = reading.outbound && contacts.iter().any(contact::Requested::is_flow);
        wanted
    }

    /// The answer to a request that can be read but not granted.
    fn refuse(&mut self, refusal: Refusal) -> Answer {
        match refusal {
            Refusal::Answer(answer) => answer,
            Refusal::PathUnsupported => {
                self.lines.extend_from_slice(b"Require: path\r\n");
                Answer::status(421)
            }
            Refusal::TooBrief => {
                self.lines.extend_from_slice(b"Min-Expires: ");
                write_decimal(self.registrar.min_expires.into(), self.lines);
                self.lines.extend_from_slice(b"\r\n");
                Answer::status(423)
            }
        }
    }

    /// Step 6 without Contact: nothing changes.
    fn fetch(&mut self) -> Result<(), Answer> {
        self.counters.count(Counter::RegistrationFetches);
        let Scratch { aor, record, .. } = &mut *self.scratch;
        record.clear();
        let read = self.store.bindings().read(aor, record);
        match read {
            Ok(_) => Ok(()),
            Err(error) => Err(self.store_failed(error)),
        }
    }

    /// Step 6 with `*`.
    fn remove_all(&mut self) -> Result<(), Answer> {
        let Register { essentials, now, .. } = self.register;
        let (call_id, cseq) = (essentials.call_id, essentials.cseq.number);
        let Scratch { aor, record, .. } = &mut *self.scratch;
        record.clear();
        let mut failure = None;
        let updated = self.store.bindings().update(aor, &mut |present, _| {
            update::remove_all(present, call_id, cseq, now.unix()).unwrap_or_else(|why| {
                failure = Some(why);
                Change::Keep
            })
        });
        self.commit(updated, failure)
    }

    /// Step 7: all bindings, or none.
    fn update(&mut self) -> Result<(), Answer> {
        let Register { message, essentials, source, now, .. } = self.register;
        let user_agent = message.first(HeaderId::USER_AGENT).map_or(&[][..], |field| field.value);
        let Scratch { aor, contacts, text, path, record, .. } = &mut *self.scratch;
        let update = Update {
            message: message.bytes(),
            text,
            call_id: essentials.call_id,
            cseq: essentials.cseq.number,
            path,
            user_agent,
            source: **source,
            now: now.unix(),
            most: self.registrar.bindings,
        };
        record.clear();
        let mut failure = None;
        let updated = self.store.bindings().update(aor, &mut |present, next| {
            record.clear();
            match update.apply(contacts, present, next) {
                Ok(change) => {
                    record.extend_from_slice(if change == Change::Keep { present } else { next });
                    change
                }
                Err(why) => {
                    failure = Some(why);
                    Change::Keep
                }
            }
        });
        self.commit(updated, failure)
    }

    fn commit(&mut self, updated: Result<Change, StoreError>, failure: Option<Failure>) -> Result<(), Answer> {
        match (updated, failure) {
            // What the store can hold for one address-of-record is full.
            (Err(StoreError::TooLarge), _) | (Ok(_), Some(Failure::TooMany)) => Err(contact::TOO_MANY),
            (Err(error), _) => Err(self.store_failed(error)),
            (Ok(_), Some(Failure::OutOfOrder)) => Err(Answer { status: 500, reason: "CSeq Out Of Order" }),
            (Ok(_), Some(Failure::TooLarge)) => Err(Answer::bad_request("Contact Too Long")),
            (Ok(Change::Keep), None) => Ok(()),
            (Ok(Change::Write { .. } | Change::Remove), None) => {
                self.counters.count(Counter::Registrations);
                Ok(())
            }
        }
    }

    fn store_failed(&mut self, _error: StoreError) -> Answer {
        self.counters.count(Counter::StoreErrors);
        Answer::status(500)
    }

    /// Step 8.
    fn answer(&mut self) {
        let Scratch { record, path, date, aor, .. } = &mut *self.scratch;
        let is_secure = matches!(self.register.essentials.to.parsed_uri(), Ok(Uri::Sip(uri)) if uri.secure);
        let gruus = self.gruu.then_some(Gruus { key: &self.registrar.gruu, aor, is_secure });
        super::answer::write(record, path, gruus.as_ref(), self.register.now.unix(), date, self.lines);
        self.lines.extend_from_slice(&self.registrar.service_route);
        if self.outbound {
            self.lines.extend_from_slice(b"Require: outbound\r\n");
            self.lines.extend_from_slice(&self.registrar.flow_timer.1);
        }
    }
}

/// What the client says that it knows.
fn supported<'b>(message: &Message<'b>) -> impl Iterator<Item = &'b [u8]> {
    option_tags(message, HeaderId::SUPPORTED).chain(option_tags(message, HeaderId::REQUIRE))
}

fn is_gruu(tag: &[u8]) -> bool {
    tag.eq_ignore_ascii_case(b"gruu")
}

fn is_path(tag: &[u8]) -> bool {
    tag.eq_ignore_ascii_case(b"path")
}

fn is_outbound(tag: &[u8]) -> bool {
    tag.eq_ignore_ascii_case(b"outbound")
}

/// Whether the edge proxy, which stands first, keeps the client's flow. RFC 5626 §6.
fn keeps_flow(path: &[u8]) -> bool {
    let open = path.iter().position(|&octet| octet == b'<').map_or(0, |at| at + 1);
    let close = path[open..].iter().position(|&octet| octet == b'>').map_or(path.len(), |at| open + at);
    matches!(Uri::parse(&path[open..close]), Ok(Uri::Sip(uri)) if uri.params.contains(b"ob"))
}

/// Option tags that one 420 names; a request with 9,000 gets no answer of its own size.
const MOST_UNSUPPORTED: usize = 16;
/// Octets of an address-of-record, which is a key of the store.
const MOST_AOR: usize = 400;
/// Elements of a Path, as many as of Route.
const MOST_PATH: usize = 32;
/// Octets of a Path.
const MOST_PATH_LEN: usize = 4096;
