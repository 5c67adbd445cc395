//! The command line.

use crate::digest::Algorithm;
use crate::session::{Goal, Idle, Pace};
use crate::streams::Transport;
use lexopt::prelude::*;
use std::net::SocketAddrV4;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Command {
    /// INVITE through the server to our UAS.
    Forward,
    /// The same, and the response back.
    Exchange,
    /// INVITE, 180, 200, ACK, BYE, 200.
    Call,
    /// The same to a callee with three contacts.
    Fork,
    /// INVITE to a callee that is looked up, and 200.
    LookupCall,
    /// INVITE and 180, and no more.
    Ring,
    /// REGISTER.
    Register,
    /// INVITE answered by 302.
    Redirect,
    /// Print the table of numbers that `redirect --source table` expects.
    Table,
    /// Print the subscribers that `register --digest` uses.
    Users,
}

/// Everything that can be said on the command line.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // described in HELP
pub struct Args {
    pub command: Command,
    pub server: SocketAddrV4,
    pub uac: SocketAddrV4,
    pub uas: SocketAddrV4,
    pub floor: bool,
    pub window: usize,
    pub rate: Option<f64>,
    pub seconds: f64,
    pub count: Option<u64>,
    pub warmup: u64,
    pub wait: f64,
    pub handshake: bool,
    pub users: u64,
    pub passes: u64,
    pub digest: Option<Algorithm>,
    pub domain: String,
    pub contact: Option<String>,
    pub target: Option<String>,
    pub table: bool,
    pub size: usize,
    pub record_route: bool,
    pub retransmit: u64,
    pub senders: u16,
    pub threads: u16,
    pub seed: u64,
    pub segments: bool,
    pub transport: Transport,
    pub pause: Option<u64>,
    pub sleep: bool,
    pub show: u64,
    pub patience: f64,
}

/// Printed by `--help`.
pub const HELP: &str = "\
SIP load over UDP that checks every message it receives.

usage: dialplane-load WORKLOAD [options]

workloads
  forward     INVITE through the server to our UAS (1 in, 1 out)
  exchange    the same, and a response back (2 in, 2 out)
  call        a call: INVITE, 180, 200, ACK, BYE, 200 (6 in, 7 out with the 100)
  lookup-call INVITE to a registered callee, and a 200 (2 in, 3 out with the 100)
  ring        INVITE and 180: calls that stay open
  fork        a call to a callee with three contacts (12 in, 15 out)
  register    REGISTER of many subscribers; with --digest 401 and 200
  redirect    INVITE answered by 302
  table       print NUMBER,URI for --users numbers
  users       print USER,DOMAIN,PASSWORD,HA1-MD5,HA1-SHA-256 for --users subscribers

addresses
  --server HOST:PORT   the server                                   [127.0.0.1:16060]
  --uac HOST:PORT      first sender; more use the ports behind it   [127.0.0.1:16100]
  --uas HOST:PORT      where forwarded requests must arrive         [127.0.0.1:16090]
  --senders N          sender sockets per thread                    [1]
  --transport udp|tcp|tls|ws  forward, exchange: how the senders reach the server; a sender is then a
                       connection, and the server opens its own to the UAS by TCP   [udp]
  --threads N          threads; each has its own senders and its own UAS port, so a server of
                       forward and exchange must then route by the request URI   [1]

load
  --window N           closed loop: exchanges under way             [256]
  --rate R             open loop: exchanges per second, latency counted from when each was due
  --seconds S          how long to measure                          [3]
  --count N            measure so many exchanges instead
  --warmup N           exchanges before                             [0]
  --wait S             first repeat one exchange until the server answers [0]
  --patience S         what has not come back by then is lost       [3]
  --handshake          after the warm-up print a line and wait for one on standard input
  --idle spin|sleep    while nothing is due                         [spin]
  --pause US           pause between looks when spinning            [closed loop 40, open loop 2]
  --gso on|off         UDP segmentation when sending                [on]

messages
  --floor              the server is the relay without SIP: expect our own octets back
  --domain NAME        [bench.example]
  --target HOST:PORT   host of the request URI                      [the UAS]
  --size N             octets of an INVITE                          [726]
  --users N            subscribers or numbers                       [100000]
  --passes N           register: how often each has registered before [0]
  --digest md5|sha256  register: expect a challenge
  --contact HOST:PORT  register, redirect: in the Contact           [the sender]
  --source location|table  redirect: where the contact is from      [location]
  --record-route       the server may add Record-Route
  --retransmit N       send every Nth request twice                 [0: none]
  --seed N             [1]
  --show N             wrong messages to print                      [3]
";

impl Args {
    /// Reads the command line; `None` when only help was wanted.
    pub fn read() -> Result<Option<Self>, lexopt::Error> {
        let mut parser = lexopt::Parser::from_env();
        let mut command = None;
        let mut args = Self::default();
        while let Some(arg) = parser.next()? {
            match arg {
                Short('h') | Long("help") => return Ok(None),
                Value(word) if command.is_none() => command = Some(word.parse_with(command_named)?),
                Long("server") => args.server = parser.value()?.parse()?,
                Long("uac") => args.uac = parser.value()?.parse()?,
                Long("uas") => args.uas = parser.value()?.parse()?,
                Long("senders") => args.senders = parser.value()?.parse()?,
                Long("threads") => args.threads = parser.value()?.parse()?,
                Long("window") => args.window = parser.value()?.parse()?,
                Long("rate") => args.rate = Some(parser.value()?.parse()?),
                Long("seconds") => args.seconds = parser.value()?.parse()?,
                Long("count") => args.count = Some(parser.value()?.parse()?),
                Long("warmup") => args.warmup = parser.value()?.parse()?,
                Long("wait") => args.wait = parser.value()?.parse()?,
                Long("patience") => args.patience = parser.value()?.parse()?,
                Long("handshake") => args.handshake = true,
                Long("idle") => args.sleep = parser.value()?.parse_with(|s| one_of(s, ["spin", "sleep"]))? == 1,
                Long("pause") => args.pause = Some(parser.value()?.parse()?),
                Long("gso") => args.segments = parser.value()?.parse_with(|s| one_of(s, ["off", "on"]))? == 1,
                Long("floor") => args.floor = true,
                Long("domain") => args.domain = parser.value()?.string()?,
                Long("target") => args.target = Some(parser.value()?.string()?),
                Long("size") => args.size = parser.value()?.parse()?,
                Long("users") => args.users = parser.value()?.parse()?,
                Long("passes") => args.passes = parser.value()?.parse()?,
                Long("digest") => args.digest = Some(parser.value()?.parse_with(algorithm_named)?),
                Long("contact") => args.contact = Some(parser.value()?.string()?),
                Long("source") => args.table = parser.value()?.parse_with(|s| one_of(s, ["location", "table"]))? == 1,
                Long("record-route") => args.record_route = true,
                Long("retransmit") => args.retransmit = parser.value()?.parse()?,
                Long("transport") => args.transport = parser.value()?.parse_with(transport_named)?,
                Long("seed") => args.seed = parser.value()?.parse()?,
                Long("show") => args.show = parser.value()?.parse()?,
                _ => return Err(arg.unexpected()),
            }
        }
        args.command = command.ok_or("no workload given; see --help")?;
        args.check()?;
        Ok(Some(args))
    }

    fn check(&self) -> Result<(), lexopt::Error> {
        let last = |port: u16, more: u16| u32::from(port) + u32::from(more);
        let senders = self.senders.checked_mul(self.threads).ok_or("too many senders")?;
        let five = |port: u16, more: u16| port >= 10_000 && last(port, more) <= 65_536;
        if !five(self.uac.port(), senders) || !five(self.uas.port(), self.threads) {
            return Err("ports must be 10000 to 65535: messages of one workload have one size".into());
        }
        if self.senders == 0 || self.threads == 0 || self.window == 0 || self.users == 0 {
            return Err("--senders, --threads, --window and --users must be at least 1".into());
        }
        if self.users > crate::ident::NUMBERS || !self.users.is_multiple_of(u64::from(self.threads)) {
            return Err("--users must be at most 10^9 and a multiple of --threads".into());
        }
        if self.size < 400 && !matches!(self.command, Command::Table | Command::Users) {
            return Err("--size must be at least 400".into());
        }
        if self.rate.is_some_and(|rate| rate.is_nan() || rate <= 0.0) {
            return Err("--rate must be above 0".into());
        }
        Ok(())
    }

    /// Per thread.
    pub fn pace(&self) -> Pace {
        match self.rate {
            Some(rate) => Pace::Rate(rate / f64::from(self.threads)),
            None => Pace::Window(self.window.div_ceil(usize::from(self.threads))),
        }
    }

    /// Per thread.
    pub fn goal(&self) -> Goal {
        match self.count {
            Some(count) => Goal::Count(count / u64::from(self.threads)),
            None => Goal::Time((self.seconds * 1e9) as u64),
        }
    }

    /// What to do while nothing is due.
    pub fn idle(&self) -> Idle {
        let usual = if self.rate.is_some() { 2 } else { 40 };
        if self.sleep { Idle::Sleep } else { Idle::Spin(self.pause.unwrap_or(usual) * 1000) }
    }
}

impl Default for Args {
    fn default() -> Self {
        let local = |port| SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, port);
        Self {
            command: Command::Forward,
            server: local(16060),
            uac: local(16100),
            uas: local(16090),
            floor: false,
            window: 256,
            rate: None,
            seconds: 3.0,
            count: None,
            warmup: 0,
            wait: 0.0,
            handshake: false,
            users: 100_000,
            passes: 0,
            digest: None,
            domain: "bench.example".into(),
            contact: None,
            target: None,
            table: false,
            size: 726,
            record_route: false,
            retransmit: 0,
            senders: 1,
            threads: 1,
            seed: 1,
            segments: true,
            transport: Transport::Udp,
            pause: None,
            sleep: false,
            show: 3,
            patience: 3.0,
        }
    }
}

fn command_named(name: &str) -> Result<Command, String> {
    Ok(match name {
        "call" => Command::Call,
        "fork" => Command::Fork,
        "forward" => Command::Forward,
        "lookup-call" => Command::LookupCall,
        "ring" => Command::Ring,
        "exchange" => Command::Exchange,
        "register" => Command::Register,
        "redirect" => Command::Redirect,
        "table" => Command::Table,
        "users" => Command::Users,
        _ => return Err("no such workload".into()),
    })
}

fn algorithm_named(name: &str) -> Result<Algorithm, String> {
    Ok(match one_of(name, ["md5", "sha256"])? {
        0 => Algorithm::Md5,
        _ => Algorithm::Sha256,
    })
}

fn transport_named(name: &str) -> Result<Transport, String> {
    let all = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws];
    all.into_iter()
        .find(|one| one.name().eq_ignore_ascii_case(name))
        .ok_or_else(|| "must be udp, tcp, tls or ws".into())
}

fn one_of(word: &str, words: [&str; 2]) -> Result<usize, String> {
    words.iter().position(|w| *w == word).ok_or(format!("must be {} or {}", words[0], words[1]))
}
