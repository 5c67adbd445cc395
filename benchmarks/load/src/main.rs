//! SIP load over UDP that checks every message it receives.
//!
//! Plays UAC and UAS around a server and speaks to it by the network protocol only. Prints one JSON object per line on
//! standard output: `ready` after the warm-up, `result` at the end. Wrong messages are printed on standard error.

mod args;
mod check;
mod digest;
mod ident;
mod message;
mod net;
mod reply;
mod session;
mod slots;
mod socket;
mod stats;
mod streams;
mod workload;

use args::{Args, Command};
use digest::Algorithm;
use ident::Ident;
use net::{Datagrams, Net};
use serde_json::json;
use session::{Goal, Limits, Session};
use socket::Socket;
use stats::Stats;
use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddrV4;
use std::process::ExitCode;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;
use streams::{Streams, Transport};
use workload::call::{self, Call};
use workload::forward::{self, Forward};
use workload::redirect::{self, Redirect, Source};
use workload::register::{self, Register};
use workload::{Common, Workload};

fn main() -> ExitCode {
    let result = match Args::read() {
        Ok(None) => {
            print!("{}", args::HELP);
            return ExitCode::SUCCESS;
        }
        Ok(Some(args)) => match args.command {
            Command::Table | Command::Users => print_list(&args),
            _ => run(&args),
        },
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dialplane-load: {error}");
            ExitCode::from(2)
        }
    }
}

/// Numbers or subscribers, one per line.
fn print_list(args: &Args) -> Result<(), Box<dyn Error>> {
    let ident = Ident::new(args.seed);
    let mut out = io::BufWriter::with_capacity(1 << 20, io::stdout().lock());
    for index in 0..args.users {
        if args.command == Command::Table {
            out.write_all(redirect::table_line(&ident, index).as_bytes())?;
            continue;
        }
        let user = register::user(index);
        let secret = |algorithm| register::secret(&ident, index, &args.domain, algorithm);
        let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (md5, sha256) = (secret(Algorithm::Md5), secret(Algorithm::Sha256));
        let password = register::password(&ident, index);
        let (user, md5, sha256) = (show(&user), show(md5.as_ref()), show(sha256.as_ref()));
        writeln!(out, "{user},{},{password},{md5},{sha256}", args.domain)?;
    }
    Ok(out.flush()?)
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let mut sessions = (0..args.threads).map(|thread| session(args, thread)).collect::<Result<Vec<_>, _>>()?;
    let mut waited = Duration::ZERO;
    if args.wait > 0.0 {
        let answer = sessions[0].wait_for_server(Duration::from_secs_f64(args.wait))?;
        waited = answer.ok_or("the server did not answer, or not rightly")?;
    }
    let barrier = Barrier::new(sessions.len() + 1);
    let results = thread::scope(|scope| {
        let threads: Vec<_> = sessions
            .iter_mut()
            .map(|session| {
                let barrier = &barrier;
                scope.spawn(move || -> io::Result<(Stats, Stats)> {
                    let warmup = Goal::Count(args.warmup / u64::from(args.threads));
                    let before = session.run(args.pace(), warmup);
                    barrier.wait();
                    barrier.wait();
                    Ok((before?, session.run(args.pace(), args.goal())?))
                })
            })
            .collect();
        barrier.wait();
        let told = handshake(args);
        barrier.wait();
        let joined = threads.into_iter().map(|t| t.join().expect("a thread of ours does not panic"));
        let stats = joined.collect::<io::Result<Vec<_>>>();
        told.and(stats)
    })?;

    let (mut warmup, mut measured) = (Stats::new(), Stats::new());
    for (before, stats) in &results {
        warmup.add(before);
        measured.add(stats);
    }
    let shared = sessions.iter().any(Session::shares_branches);
    let result = json!({
        "event": "result",
        "measured": measured.to_json(),
        "warmup": warmup.to_json(),
        "shares_branches": shared,
        "waited": waited.as_secs_f64(),
    });
    println!("{result}");
    Ok(())
}

/// Tells that the warm-up is over and waits until the harness has read the clocks.
fn handshake(args: &Args) -> io::Result<()> {
    if args.handshake {
        println!("{}", json!({"event": "ready"}));
        io::stdout().flush()?;
        io::stdin().read_line(&mut String::new())?;
    }
    Ok(())
}

fn session(args: &Args, thread: u16) -> Result<Session, Box<dyn Error>> {
    let first = args.uac.port() + thread * args.senders;
    let ports: Vec<u16> = (first..=first + (args.senders - 1)).collect();
    let at = |address: SocketAddrV4, port| SocketAddrV4::new(*address.ip(), port);
    let uas_address = at(args.uas, args.uas.port() + thread);
    let locals: Vec<_> = ports.iter().map(|port| at(args.uac, *port)).collect();
    let needs_uas = !matches!(args.command, Command::Register | Command::Redirect);
    let net: Box<dyn Net> = match args.transport {
        Transport::Udp => {
            let open = |local| Socket::open(local, args.server, args.segments);
            let uas = needs_uas.then(|| open(uas_address)).transpose()?;
            Box::new(Datagrams::new(locals.into_iter().map(open).collect::<io::Result<_>>()?, uas))
        }
        transport => {
            Box::new(Streams::open(&locals, args.server, uas_address, transport, Duration::from_secs_f64(args.wait))?)
        }
    };

    let step = u64::from(args.threads);
    let common = Common {
        ident: Ident::new(args.seed),
        users: args.users,
        ports: ports.into_iter().map(u64::from).collect(),
        step,
        domain: args.domain.clone(),
        contact: args.contact.clone(),
        floor: args.floor,
    };
    let workload: Box<dyn Workload> = match args.command {
        Command::Register => {
            let options = register::Options { digest: args.digest, passes: args.passes };
            Box::new(Register::new(common, options)?)
        }
        Command::Redirect => {
            let source = if args.table { Source::Table } else { Source::Location };
            Box::new(Redirect::new(common, source, args.size)?)
        }
        Command::Call | Command::Fork | Command::LookupCall | Command::Ring => {
            let options = call::Options {
                lookup: matches!(args.command, Command::Fork | Command::LookupCall),
                extent: match args.command {
                    Command::LookupCall => call::Extent::Answered,
                    Command::Ring => call::Extent::Rings,
                    _ => call::Extent::Whole,
                },
                branches: if args.command == Command::Fork { 3 } else { 1 },
                size: args.size,
                target: args.target.clone().unwrap_or_else(|| uas_address.to_string()),
                uas_port: u64::from(uas_address.port()),
            };
            Box::new(Call::new(common, options)?)
        }
        _ => {
            let options = forward::Options {
                respond: args.command == Command::Exchange,
                record_route: args.record_route,
                retransmit: args.retransmit,
                size: args.size,
                target: args.target.clone().unwrap_or_else(|| uas_address.to_string()),
                uas_port: u64::from(uas_address.port()),
                transport: args.transport,
            };
            Box::new(Forward::new(common, options)?)
        }
    };
    let numbers = (u64::from(thread), step);
    let limits = Limits { patience: (args.patience * 1e9) as u64, show: args.show };
    let net = (net, usize::from(args.senders));
    Ok(Session::new(workload, net, args.pace(), args.idle(), numbers, limits))
}
