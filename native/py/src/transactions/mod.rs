//! `Transactions`: the four machines of RFC 3261 §17 for a user agent in Python. RFC 6026, RFC 4320, §8.2.2.2, §9.
//!
//! No sockets and no clock: messages and time come in, octets and [`action`]s go out, one call for each message.
//! The stub `transactions.pyi` is the contract. Which machine an event belongs to is decided in [`parked`].

pub(crate) mod action;
mod desk;
mod parked;

use crate::build::{respond_octets, validated};
use crate::error::{BuildErrorKind, build_error};
use crate::message::PyMessage;
use action::{PyFailure, PyIncoming, PyReply, PySend};
use desk::Desk;
use dialplane_syntax::{Essentials, Index, Limits, Message, Method, check, parse};
use dialplane_transaction::table::Part;
use dialplane_transaction::{
    ClientInvite, ClientNonInvite, Key, Keyer, Reliability, ServerInvite, ServerNonInvite, SlotId, Table, TimerConfig,
    Wheel, derived,
};
use parked::{Event, Machine, Parked};
use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use siphasher::sip::SipHasher24;
use std::hash::Hasher as _;
use std::net::SocketAddr;

/// What every branch begins with. RFC 3261 §8.1.1.7.
const MAGIC_COOKIE: &str = "z9hG4bK";

/// Transactions of one user agent.
#[pyclass(name = "Transactions", module = "dialplane_native.transactions")]
#[derive(Debug)]
pub(crate) struct PyTransactions {
    table: Table<Parked>,
    wheel: Wheel,
    timers: TimerConfig,
    keyer: Keyer,
    limits: Limits,
    /// Branches: a keyed hash of a count, so that nobody can guess one.
    words: SipHasher24,
    count: u64,
    spare: Index,
}

#[pymethods]
impl PyTransactions {
    #[new]
    #[pyo3(signature = (*, now, secret, t1 = 0.5, t2 = 4.0, t4 = 5.0, most = 1_000_000))]
    fn new(now: f64, secret: [u8; 16], t1: f64, t2: f64, t4: f64, most: usize) -> PyResult<Self> {
        let [t1, t2, t4] = [t1, t2, t4].map(milliseconds);
        if t1 == 0 || t2 < t1 {
            return Err(PyValueError::new_err("t1 must be above 0 and t2 not below t1"));
        }
        Ok(Self {
            table: Table::new(most),
            wheel: Wheel::new(milliseconds(now)),
            timers: TimerConfig { t1, t2, t4, d: (64 * t1).max(32_000), ..TimerConfig::default() },
            keyer: Keyer::new(&secret),
            limits: Limits::default(),
            words: SipHasher24::new_with_key(&secret),
            count: 0,
            spare: Index::new(),
        })
    }

    /// Puts a Via with a branch of its own into a request that has none, without a transaction: for ACK to a 2xx.
    #[pyo3(signature = (data, via, /))]
    fn stamp<'py>(&mut self, data: &Bound<'py, PyBytes>, via: &str) -> PyResult<Bound<'py, PyBytes>> {
        let word = self.next_word();
        stamped(data, via, word)
    }

    /// Begins a client transaction. Gives its id and the octets to send.
    #[pyo3(signature = (now, data, *, via, flow, reliable, owner))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn request<'py>(
        &mut self,
        py: Python<'py>,
        now: f64,
        data: &Bound<'py, PyBytes>,
        via: &str,
        flow: Py<PyAny>,
        reliable: bool,
        owner: Py<PyAny>,
    ) -> PyResult<(u64, Bound<'py, PyBytes>)> {
        let word = self.next_word();
        let octets = stamped(data, via, word)?;
        let limits = Limits { message: usize::MAX, ..self.limits };
        let message = parse(octets.as_bytes(), &mut self.spare, &limits).map_err(crate::error::parse_error)?;
        let method = message.cseq().map(|cseq| cseq.method).unwrap_or(Method::Other);
        if !message.is_request() || method == Method::Ack {
            return Err(crate::build::not_a("request that has a transaction"));
        }
        let now = milliseconds(now);
        let reliability = reliability(reliable);
        let request = octets.clone().unbind();
        let mut desk = Desk::new(py);
        let machine = if method == Method::Invite {
            Machine::ClientInvite(ClientInvite::new(now, &self.timers, reliability, request, &mut desk))
        } else {
            Machine::ClientNonInvite(ClientNonInvite::new(now, &self.timers, reliability, request, &mut desk))
        };
        let parked = Parked::client(machine, Key::client(word, method), flow, owner, reliability);
        let id = self.insert(parked)?;
        self.arm(id);
        Ok((id.to_bits(), octets))
    }

    /// Begins the CANCEL of an INVITE (RFC 3261 §9.1): `None` while it has no provisional response, and once it has a final one.
    #[pyo3(signature = (now, id, /, *, lines = None, owner = None))]
    fn cancel<'py>(
        &mut self,
        py: Python<'py>,
        now: f64,
        id: u64,
        lines: Option<&[u8]>,
        owner: Option<Py<PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let Some(parked) = self.table.get(SlotId::from_bits(id)) else { return Ok(None) };
        let Machine::ClientInvite(machine) = &parked.machine else { return Ok(None) };
        let Some(invite) = machine.request().filter(|_| machine.is_proceeding()) else { return Ok(None) };
        let limits = Limits { message: usize::MAX, ..self.limits };
        let view = parse(invite.as_bytes(py), &mut self.spare, &limits).map_err(crate::error::parse_error)?;
        let mut octets = Vec::new();
        derived::push_cancel(&view, lines.unwrap_or_default(), &mut octets);
        let octets = validated(py, &octets)?;
        let (flow, reliability) = (parked.flow.clone_ref(py), parked.reliability);
        let key = Key::client(parked.key.word(), Method::Cancel);
        if self.table.find(key).is_some() {
            return Ok(None);
        }
        let mut desk = Desk::new(py);
        let request = octets.clone().unbind();
        let machine = ClientNonInvite::new(milliseconds(now), &self.timers, reliability, request, &mut desk);
        let owner = owner.unwrap_or_else(|| py.None());
        let parked = Parked::client(Machine::ClientNonInvite(machine), key, flow, owner, reliability);
        let id = self.insert(parked)?;
        self.arm(id);
        Ok(Some(octets))
    }

    /// Answers a request. Gives the octets to send, `None` when the machine has nothing to send.
    #[pyo3(signature = (now, id, status, reason = None, *, to_tag = None, headers = None, body = None))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn respond<'py>(
        &mut self,
        py: Python<'py>,
        now: f64,
        id: u64,
        status: u16,
        reason: Option<&Bound<'py, PyAny>>,
        to_tag: Option<&str>,
        headers: Option<&Bound<'py, PyAny>>,
        body: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let id = SlotId::from_bits(id);
        let Some(parked) = self.table.get_mut(id) else { return Ok(None) };
        let Some((request, source)) = &parked.request else { return Err(crate::build::not_a("request")) };
        let view = request.get().view(py);
        let octets = respond_octets(py, &view, status, reason, to_tag, *source, headers, body)?;
        let response = octets.clone().unbind();
        let mut desk = Desk::new(py);
        let event = match (&parked.machine, status) {
            (Machine::ServerInvite(_), 100..200) => Event::Provisional(response),
            (Machine::ServerInvite(_), 200..300) => Event::Success,
            (Machine::ServerNonInvite(_), 100..200) => {
                let text = "RFC 4320 §4.1: the transaction sends 100 by itself, and nothing else may come before the final response";
                return Err(build_error(BuildErrorKind::Status, text.into()));
            }
            _ => Event::Final(response),
        };
        parked.step(milliseconds(now), event, &self.timers, &mut desk);
        self.arm(id);
        Ok((desk.sent.is_some() || desk.passed).then_some(octets))
    }

    /// Takes a message that has come and says what is to be done about it.
    #[pyo3(signature = (now, message, /, *, flow, reliable, source = None))]
    fn receive<'py>(
        &mut self,
        py: Python<'py>,
        now: f64,
        message: &Bound<'py, PyMessage>,
        flow: Py<PyAny>,
        reliable: bool,
        source: Option<(String, u16)>,
    ) -> PyResult<Bound<'py, PyList>> {
        let actions = PyList::empty(py);
        let source = source.and_then(|(host, port)| Some(SocketAddr::new(host.parse().ok()?, port)));
        let view = message.get().view(py);
        let now = milliseconds(now);
        match check(&view, &self.limits) {
            Ok(essentials) if view.is_request() => {
                let origin = Origin { message, flow, reliability: reliability(reliable), source };
                self.receive_request(py, now, &view, &essentials, origin, &actions)?;
            }
            Ok(essentials) => self.receive_response(py, now, message, &view, &essentials, flow, &actions)?,
            // RFC 3261 §8.2: refused without a transaction; nobody answers an ACK (§17.2.1), or a response.
            Err(rejection) if view.is_request() && view.method_name() != Some(b"ACK") => {
                let mut octets = Vec::new();
                let reason = rejection.reason.as_bytes();
                dialplane_syntax::write_response(
                    &view,
                    rejection.status,
                    reason,
                    Some(b"refused"),
                    source,
                    |_| {},
                    b"",
                    &mut octets,
                );
                actions.append(PySend { flow, data: PyBytes::new(py, &octets).unbind() }.into_pyobject(py)?)?;
            }
            Err(_) => {}
        }
        Ok(actions)
    }

    /// Fires the timers that are due.
    #[pyo3(signature = (now, /))]
    fn expire<'py>(&mut self, py: Python<'py>, now: f64) -> PyResult<Bound<'py, PyList>> {
        let actions = PyList::empty(py);
        let now = milliseconds(now);
        while let Some((id, tick)) = self.wheel.poll(now) {
            let Some(parked) = self.table.get_mut(id).filter(|parked| parked.armed == Some(tick)) else { continue };
            parked.armed = None;
            if let Some(due) = parked.due().filter(|due| due.at <= now) {
                let mut desk = Desk::new(py);
                parked.step(now, Event::Timer(due.timer), &self.timers, &mut desk);
                tell(py, parked, id, desk, &actions)?;
            }
            self.arm(id);
        }
        Ok(actions)
    }

    /// What could not be sent, or a flow that is gone: every transaction of it hears of it.
    #[pyo3(signature = (now, flow, /))]
    fn fail<'py>(&mut self, py: Python<'py>, now: f64, flow: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let actions = PyList::empty(py);
        let now = milliseconds(now);
        let ids: Vec<_> = self.table.iter().filter(|parked| parked.flow.is(flow)).map(|parked| parked.id).collect();
        for id in ids {
            let Some(parked) = self.table.get_mut(id) else { continue };
            let mut desk = Desk::new(py);
            parked.step(now, Event::TransportError, &self.timers, &mut desk);
            tell(py, parked, id, desk, &actions)?;
            self.arm(id);
        }
        Ok(actions)
    }

    /// Ends a client transaction without a word: nobody waits for its response any more.
    #[pyo3(signature = (id, /))]
    fn abandon(&mut self, id: u64) {
        let id = SlotId::from_bits(id);
        if let Some(parked) = self.table.get_mut(id)
            && let Machine::ClientInvite(machine) = &mut parked.machine
        {
            machine.abandon();
        }
        self.arm(id);
    }

    /// When :meth:`expire` should be called next; it may then find nothing.
    #[getter]
    fn next_deadline(&self) -> Option<f64> {
        self.wheel.next_ms().map(|ms| ms as f64 / 1000.0)
    }

    /// Each transaction in words.
    fn describe(&self) -> Vec<String> {
        self.table.iter().map(ToString::to_string).collect()
    }

    fn __len__(&self) -> usize {
        self.table.len()
    }

    fn __bool__(&self) -> bool {
        true
    }
}

/// Where a request came from.
struct Origin<'a, 'py> {
    message: &'a Bound<'py, PyMessage>,
    flow: Py<PyAny>,
    reliability: Reliability,
    source: Option<SocketAddr>,
}

impl PyTransactions {
    /// RFC 3261 §17.2.3; CANCEL §9.2; a request that came twice §8.2.2.2.
    fn receive_request<'py>(
        &mut self,
        py: Python<'py>,
        now: u64,
        view: &Message<'_>,
        essentials: &Essentials<'_>,
        origin: Origin<'_, 'py>,
        actions: &Bound<'py, PyList>,
    ) -> PyResult<()> {
        let method = essentials.cseq.method;
        let key = self.keyer.server(view, essentials);
        let invite = self.table.find(key).map(|(id, _)| id);
        // The key of CANCEL is that of its INVITE; its own transaction has another.
        let key = if method == Method::Cancel { Key::client(key.word(), Method::Cancel) } else { key };
        let known = if method == Method::Cancel { self.table.find(key).map(|(id, _)| id) } else { invite };
        if let Some((id, parked)) = known.and_then(|id| Some((id, self.table.get_mut(id)?))) {
            let event = if method == Method::Ack { Event::Ack } else { Event::Again };
            let mut desk = Desk::new(py);
            parked.step(now, event, &self.timers, &mut desk);
            if desk.passed && method == Method::Ack {
                actions
                    .append(PyIncoming::new(None, origin.message, origin.flow, false, Some(id)).into_pyobject(py)?)?;
            } else {
                tell(py, parked, id, desk, actions)?;
            }
            self.arm(id);
            return Ok(());
        }
        if method == Method::Ack {
            actions.append(PyIncoming::new(None, origin.message, origin.flow, false, None).into_pyobject(py)?)?;
            return Ok(());
        }
        let merged = essentials.to.tag().is_none().then(|| self.keyer.merged(essentials, 0));
        let is_merged = method != Method::Cancel && merged.is_some_and(|merged| self.table.find(merged).is_some());
        let mut desk = Desk::new(py);
        let machine = if method == Method::Invite {
            Machine::ServerInvite(ServerInvite::new(origin.reliability, &mut desk))
        } else {
            Machine::ServerNonInvite(ServerNonInvite::new(now, &self.timers, origin.reliability))
        };
        let request = (origin.message.clone().unbind(), origin.source);
        let mut parked = Parked::server(machine, key, origin.flow.clone_ref(py), request, origin.reliability);
        parked.merged = merged.filter(|_| method != Method::Cancel && !is_merged);
        let id = self.insert(parked)?;
        if let Some(parked) = self.table.get_mut(id) {
            tell(py, parked, id, desk, actions)?;
        }
        let invite = invite.filter(|_| method == Method::Cancel);
        let incoming = PyIncoming::new(Some(id), origin.message, origin.flow, is_merged, invite);
        actions.append(incoming.into_pyobject(py)?)?;
        self.arm(id);
        Ok(())
    }

    /// RFC 3261 §17.1.3. What belongs to no transaction goes to the user: a 2xx to INVITE of another fork may come late.
    #[allow(clippy::too_many_arguments, reason = "one step of the data path")]
    fn receive_response<'py>(
        &mut self,
        py: Python<'py>,
        now: u64,
        message: &Bound<'py, PyMessage>,
        view: &Message<'_>,
        essentials: &Essentials<'_>,
        flow: Py<PyAny>,
        actions: &Bound<'py, PyList>,
    ) -> PyResult<()> {
        let method = essentials.cseq.method;
        let word = essentials.via.branch.and_then(word_of);
        let found = word.and_then(|word| self.table.find(Key::client(word, method))).map(|(id, _)| id);
        let Some((id, parked)) = found.and_then(|id| Some((id, self.table.get_mut(id)?))) else {
            let reply = PyReply { id: None, owner: py.None(), message: message.clone().unbind(), flow };
            return actions.append(reply.into_pyobject(py)?);
        };
        let mut desk = Desk::new(py);
        desk.response = Some((view, &mut self.spare));
        parked.step(now, Event::Response(view.status().unwrap_or(0)), &self.timers, &mut desk);
        let passed = desk.passed;
        let owner = parked.owner.clone_ref(py);
        tell(py, parked, id, desk, actions)?;
        if passed {
            let reply = PyReply { id: Some(id.to_bits()), owner, message: message.clone().unbind(), flow };
            actions.append(reply.into_pyobject(py)?)?;
        }
        self.arm(id);
        Ok(())
    }

    fn insert(&mut self, parked: Parked) -> PyResult<SlotId> {
        let (key, merged) = (parked.key, parked.merged);
        let Ok(id) = self.table.insert(Box::new(parked)) else {
            return Err(PyOverflowError::new_err("too many transactions at one time"));
        };
        self.table.bind(key, id, Part(0));
        if let Some(merged) = merged {
            self.table.bind(merged, id, Part(1));
        }
        if let Some(parked) = self.table.get_mut(id) {
            parked.id = id;
        }
        Ok(id)
    }

    /// Sees to it that a transaction is woken at its deadline, and removes it when it has ended.
    fn arm(&mut self, id: SlotId) {
        let Some(parked) = self.table.get_mut(id) else { return };
        if parked.is_terminated() {
            let Some(parked) = self.table.remove(id) else { return };
            self.table.unbind(parked.key, id);
            if let Some(merged) = parked.merged {
                self.table.unbind(merged, id);
            }
            return;
        }
        if let Some(due) = parked.due()
            && parked.armed.is_none_or(|armed| due.at + WHEEL_TICK_MS <= armed.ms())
        {
            parked.armed = Some(self.wheel.set(due.at, id));
        }
    }

    fn next_word(&mut self) -> u64 {
        self.count += 1;
        let mut hasher = self.words;
        hasher.write_u64(self.count);
        hasher.finish()
    }
}

/// By which the wheel may be late.
const WHEEL_TICK_MS: u64 = 16;

/// What a step wants, as actions.
fn tell<'py>(
    py: Python<'py>,
    parked: &Parked,
    id: SlotId,
    desk: Desk<'_, '_, 'py>,
    actions: &Bound<'py, PyList>,
) -> PyResult<()> {
    let mut data = desk.sent;
    if desk.trying
        && let Some((request, source)) = &parked.request
    {
        let view = request.get().view(py);
        data = Some(respond_octets(py, &view, 100, None, None, *source, None, None)?.unbind());
    }
    if let Some(data) = data {
        actions.append(PySend { flow: parked.flow.clone_ref(py), data }.into_pyobject(py)?)?;
    }
    if let Some(failure) = desk.failure {
        let owner = parked.owner.clone_ref(py);
        actions.append(PyFailure::new(id, owner, failure, parked.request.is_some()).into_pyobject(py)?)?;
    }
    Ok(())
}

/// The request with a Via on top.
fn stamped<'py>(data: &Bound<'py, PyBytes>, via: &str, word: u64) -> PyResult<Bound<'py, PyBytes>> {
    let octets = data.as_bytes();
    if via.bytes().any(|octet| matches!(octet, b'\r' | b'\n')) {
        return Err(build_error(BuildErrorKind::LineBreak, "a Via is one line".into()));
    }
    let Some(end) = octets.windows(2).position(|pair| pair == b"\r\n").map(|at| at + 2) else {
        return Err(crate::build::not_a("request"));
    };
    let line = format!("Via: {via};branch={MAGIC_COOKIE}{word:016x}\r\n");
    let parts = [&octets[..end], line.as_bytes(), &octets[end..]];
    validated(data.py(), &parts.concat())
}

/// The word in a branch of ours.
fn word_of(branch: &[u8]) -> Option<u64> {
    let digits = branch.strip_prefix(MAGIC_COOKIE.as_bytes()).filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn reliability(reliable: bool) -> Reliability {
    if reliable { Reliability::Reliable } else { Reliability::Unreliable }
}

/// Seconds of the caller's clock in the machines' unit.
fn milliseconds(seconds: f64) -> u64 {
    (seconds * 1000.0).round() as u64
}
