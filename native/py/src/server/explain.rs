//! `explain`: one message through the production engine, traced, over a store that cannot be changed.

use super::config::{open_tables, read_config};
use super::read_only::ReadOnly;
use super::value_error;
use crate::error::{parse_error, store_error};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dialplane_core::config::{Config, ConfigError, listen_address};
use dialplane_core::counter::Counter;
use dialplane_core::engine::{Engine, Verdict};
use dialplane_core::keys::SECRET_LEN;
use dialplane_core::path::{ConnectionId, ListenerId, Path, Transport, WorkerId};
use dialplane_core::snapshot::Snapshot;
use dialplane_core::trace::Trace;
use dialplane_net::clock;
use dialplane_net::resolve::Resolver;
use dialplane_store::{OpenProblem, Role, SharedStore};
use dialplane_syntax::{Index, parse};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};
use std::sync::Arc;

/// Longest wait for names, all together. The resolver gives up before.
const PATIENCE: Timespec = Timespec { tv_sec: 6, tv_nsec: 0 };

/// By which the timers of the engine may be late.
const TICK_MS: u64 = 16;

/// What the engine would do with ``message`` from ``source``, by the production code path. Returns JSON.
#[pyfunction]
#[pyo3(signature = (config_json, data_folder, message, source))]
pub(crate) fn explain<'py>(
    py: Python<'py>,
    config_json: &[u8],
    data_folder: &str,
    message: &[u8],
    source: &str,
) -> PyResult<Bound<'py, PyBytes>> {
    let answer = py.detach(|| {
        let config = read_config(config_json).map_err(|error| config_error(&[error]))?;
        let path = source_path(&config, source)?;
        let store = open_store(data_folder)?;
        run(&config, store.as_ref(), &path, message)
    })?;
    Ok(PyBytes::new(py, answer.to_string().as_bytes()))
}

/// The store; `None` when no server has made one here.
fn open_store(folder: &str) -> PyResult<Option<SharedStore>> {
    match SharedStore::open(std::path::Path::new(folder), Role::Member) {
        Ok(store) => Ok(Some(store)),
        Err(error) => match &error.problem {
            OpenProblem::NotRunning(_) => Ok(None),
            OpenProblem::System(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
            OpenProblem::InUse(_) | OpenProblem::System(_) => Err(store_error(error.to_string())),
        },
    }
}

fn run(config: &Config, store: Option<&SharedStore>, path: &Path, message: &[u8]) -> PyResult<Value> {
    let tables = open_tables(config).map_err(|errors| config_error(&errors))?;
    // Without a store nothing that was signed before can come back, so any secret will do.
    let secret = store.map_or([0; SECRET_LEN], |store| *store.secret());
    let snapshot = Snapshot::build(config, &secret, &tables).map_err(|errors| config_error(&errors))?;
    parse(message, &mut Index::with_capacity(config.limits.fields), &limits(config)).map_err(parse_error)?;
    let mut engine = Engine::new(Arc::new(snapshot), ReadOnly::new(store), WorkerId(0), 0, clock::now());
    let mut trace = Trace::new(config.route.clone());
    if store.is_none() {
        trace.steps.push("no server has run with this data folder: nobody is registered".into());
    }
    engine.trace(trace);
    let mut outcome = engine_step(&mut engine, path, message);
    let resolver = Resolver::start(&config.dns)?;
    while let (Outcome::Nothing, true) = (&outcome, ask(&mut engine, &resolver)) {
        wait(&mut engine, &resolver)?;
        if let Some(parked) = engine.poll_ready() {
            outcome = engine_step(&mut engine, &parked.path, &parked.bytes);
        } else {
            let mut out = Vec::new();
            let mut soon = clock::now();
            // What waited for a name is due with the next tick of the timers.
            soon.monotonic_ms += TICK_MS;
            engine.handle_timeout(soon, &mut out);
            outcome = Outcome::queued(&mut engine, &out);
        }
    }
    Ok(answer(&mut engine, &outcome))
}

/// What came of the message.
enum Outcome {
    Nothing,
    Reply(Path, Vec<u8>),
    /// One for each branch.
    Forward(Vec<(Path, Vec<u8>)>),
}

impl Outcome {
    /// What came of a request that is kept in a transaction; 100 (Trying) is not worth telling.
    fn queued(engine: &mut Engine<ReadOnly<'_>>, out: &[u8]) -> Self {
        let mut forwards = Vec::new();
        while let Some(output) = engine.poll_output() {
            let octets = out.get(output.range).unwrap_or_default();
            match octets {
                [b'S', b'I', b'P', b'/', b'2', b'.', b'0', b' ', b'1', ..] => {}
                [b'S', b'I', b'P', b'/', ..] => return Self::Reply(output.to, octets.to_vec()),
                _ => forwards.push((output.to, octets.to_vec())),
            }
        }
        if forwards.is_empty() { Self::Nothing } else { Self::Forward(forwards) }
    }
}

fn engine_step(engine: &mut Engine<ReadOnly<'_>>, path: &Path, message: &[u8]) -> Outcome {
    let mut out = Vec::new();
    match engine.handle(clock::now(), path, message, &mut out) {
        Verdict::Done | Verdict::HandOver(_) => Outcome::queued(engine, &out),
        Verdict::Send(to) => Outcome::Reply(to, out),
        Verdict::Forward(edits, to) => {
            edits.apply(message, &mut out);
            Outcome::Forward(vec![(to, out)])
        }
    }
}

/// Puts the engine's questions; whether there were any.
fn ask(engine: &mut Engine<ReadOnly<'_>>, resolver: &Resolver) -> bool {
    let mut asked = false;
    while let Some(question) = engine.poll_question() {
        resolver.ask(question, engine.reach());
        asked = true;
    }
    asked
}

/// Waits for an answer and gives it to the engine.
fn wait(engine: &mut Engine<ReadOnly<'_>>, resolver: &Resolver) -> PyResult<()> {
    poll(&mut [PollFd::from_borrowed_fd(resolver.ready(), PollFlags::IN)], Some(&PATIENCE))
        .map_err(std::io::Error::from)?;
    for answer in resolver.answers() {
        engine.handle_answer(clock::now(), &answer.hop, answer.outcome);
    }
    Ok(())
}

fn answer(engine: &mut Engine<ReadOnly<'_>>, outcome: &Outcome) -> Value {
    let refused = [Counter::DroppedByRule, Counter::Malformed, Counter::Rejected, Counter::StrayResponses];
    let dropped = refused.iter().any(|counter| engine.counters().values()[*counter as usize] > 0);
    let trace = engine.take_trace();
    let (verdict, sent) = match outcome {
        Outcome::Nothing if dropped => ("drop", Vec::new()),
        Outcome::Nothing => ("handled", Vec::new()),
        Outcome::Reply(to, octets) => ("reply", vec![(to, octets)]),
        Outcome::Forward(forwards) => ("forward", forwards.iter().map(|(to, octets)| (to, octets)).collect()),
    };
    let (rule, name) = trace.rule.map_or((None, String::new()), |(rule, name)| (Some(rule), name));
    let forwards = match outcome {
        Outcome::Forward(forwards) => forwards.as_slice(),
        Outcome::Nothing | Outcome::Reply(..) => &[],
    };
    let branch = |uri: &str| forwards.iter().find(|(_, octets)| start_uri(octets) == uri).or(forwards.first());
    let mut targets: Vec<Value> = trace
        .candidates
        .iter()
        .map(|candidate| {
            let to = branch(&candidate.uri).filter(|_| candidate.chosen).map(|(to, _)| address(to));
            json!({"uri": candidate.uri, "to": to, "why": candidate.why})
        })
        .collect();
    if let (true, Some((to, octets))) = (targets.is_empty(), forwards.first()) {
        targets.push(json!({"uri": start_uri(octets), "to": address(to), "why": trace.steps.last()}));
    }
    let sends: Vec<Value> =
        sent.iter().map(|(to, octets)| json!({"to": address(to), "message": STANDARD.encode(octets)})).collect();
    json!({"verdict": verdict, "rule": rule, "name": name, "steps": trace.steps, "targets": targets, "sends": sends})
}

/// What is between the first two blanks: the Request-URI, or the status.
fn start_uri(message: &[u8]) -> String {
    let word = message.split(|octet| *octet == b' ').nth(1).unwrap_or_default();
    String::from_utf8_lossy(word).into_owned()
}

/// `udp:HOST:PORT`.
fn address(path: &Path) -> String {
    let transport = match path.transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
        Transport::Ws => "ws",
        Transport::Wss => "wss",
    };
    format!("{transport}:{}", path.peer)
}

/// The way by which a message from `source` would come: over the first listener of its transport and family.
fn source_path(config: &Config, source: &str) -> PyResult<Path> {
    let source = listen_address(source).map_err(|problem| value_error(format!("source: {problem}")))?;
    let listeners = config.listen.iter().enumerate().filter_map(|(index, listen)| {
        let address = listen_address(&listen.address).ok()?;
        (address.transport == source.transport).then_some((index, address.bind.is_ipv4() == source.bind.is_ipv4()))
    });
    let listener = listeners.min_by_key(|(_, family)| !family).and_then(|(index, _)| u8::try_from(index).ok());
    let Some(listener) = listener else {
        return Err(value_error("source: no listener has its transport"));
    };
    Ok(Path {
        transport: source.transport,
        listener: ListenerId(listener),
        connection: ConnectionId(0),
        peer: source.bind,
    })
}

fn limits(config: &Config) -> dialplane_syntax::Limits {
    let limits = &config.limits;
    dialplane_syntax::Limits {
        message: limits.message,
        fields: limits.fields,
        field: limits.field,
        ..dialplane_syntax::Limits::default()
    }
}

#[cold]
fn config_error(errors: &[ConfigError]) -> PyErr {
    let lines: Vec<_> = errors.iter().map(|error| format!("{}: {}", error.path, error.problem)).collect();
    value_error(lines.join("; "))
}
