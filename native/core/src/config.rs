//! The configuration as it crosses from Python: one JSON value, the mirror of `src/dialplane/config.py`.
//!
//! Field names and meaning are told there; a test compares the two. Python fills in every default, so nothing here has one.

use serde::Deserialize;
use std::net::SocketAddr;

macro_rules! mirror {
    ($($name:ident { $($field:ident : $type:ty,)* })*) => {$(
        #[doc = concat!("See `", stringify!($name), "` in `config.py`.")]
        #[derive(Clone, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[allow(missing_docs, reason = "documented once, in config.py")]
        pub struct $name { $(pub $field: $type,)* }

        impl $name {
            /// Names of the fields.
            pub const FIELDS: &'static [&'static str] = &[$(stringify!($field),)*];
        }
    )*

        /// Every struct and its fields, for the test that compares them with `config.py`.
        pub const STRUCTS: &[(&str, &[&str])] = &[$((stringify!($name), $name::FIELDS),)*];
    };
}

mirror! {
    Config {
        domains: Vec<String>,
        server: Server,
        listen: Vec<Listen>,
        certificate: Vec<Certificate>,
        tls: Tls,
        connections: Connections,
        limits: Limits,
        guard: Guard,
        auth: Auth,
        registrar: Registrar,
        proxy: Proxy,
        dns: Dns,
        database: Database,
        admin: Admin,
        target_set: Vec<TargetSet>,
        table: Vec<Table>,
        route: Vec<Route>,
    }
    Server {
        workers: u16,
        steering: String,
        data: String,
        name: String,
        retire: f64,
        log: String,
        log_level: String,
    }
    Listen {
        address: String,
        advertise: Option<String>,
        client_authorities: Option<String>,
        keep: Option<u32>,
    }
    Certificate {
        chain: String,
        key: String,
    }
    Tls {
        authorities: Option<String>,
        verify: bool,
        present: bool,
        oldest: String,
    }
    Connections {
        most: u32,
        buffer: usize,
        connect: f64,
        first: f64,
        message: f64,
        idle: f64,
        balancers: Vec<String>,
    }
    Limits {
        message: usize,
        fields: usize,
        via: usize,
        route: usize,
        field: usize,
        contacts: usize,
        bindings: usize,
    }
    Guard {
        allow: Vec<String>,
        requests: u32,
        refused: u32,
        failures: u32,
        scanners: Vec<String>,
        ban: f64,
        delay: f64,
        emergency: Vec<String>,
    }
    Auth {
        realm: Option<String>,
        algorithms: Vec<String>,
        nonce_lifetime: u32,
        register: bool,
        calls: bool,
    }
    Registrar {
        default_expires: u32,
        min_expires: u32,
        max_expires: u32,
        path: String,
        nat: String,
        service_route: Vec<String>,
        flow_timer: u32,
        gruu: bool,
    }
    Proxy {
        record_route: bool,
        trusted: Vec<String>,
        relay: bool,
        recurse: bool,
        patience: f64,
        ring: f64,
    }
    Dns {
        servers: Vec<String>,
        timeout: f64,
        attempts: u32,
        longest: f64,
        stale: f64,
        avoid: f64,
    }
    Database {
        url: String,
        bindings: bool,
        urgent: f64,
        refresh: f64,
    }
    Admin {
        address: String,
    }
    TargetSet {
        name: String,
        policy: String,
        hash_by: String,
        targets: Vec<Target>,
        probe: Option<Probe>,
        eject: Option<Eject>,
        longest_call: f64,
    }
    Target {
        uri: String,
        weight: u32,
        priority: u32,
        drain: bool,
    }
    Eject {
        failures: u32,
        time: f64,
        longest: f64,
        share: f64,
    }
    Probe {
        interval: f64,
        timeout: f64,
        failures: u32,
        successes: u32,
        accept: Vec<u16>,
        from_uri: Option<String>,
    }
    Table {
        name: String,
        file: String,
    }
    Route {
        name: String,
        methods: Vec<String>,
        domains: Vec<String>,
        users: Vec<String>,
        prefixes: Vec<String>,
        sources: Vec<String>,
        uri: Option<String>,
        authenticate: Option<bool>,
        record_route: Option<bool>,
        mode: Option<String>,
        path: bool,
        ring: Option<f64>,
        strip: u32,
        prepend: String,
        forward: Option<String>,
        lookup: bool,
        redirect: Option<Redirect>,
        reply: Option<Reply>,
        drop: bool,
    }
    Redirect {
        table: Option<String>,
        contacts: Vec<String>,
        lookup: bool,
        status: u16,
    }
    Reply {
        status: u16,
        reason: Option<String>,
    }
}

/// A value of the configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where it stands: `route[3].forward`.
    pub path: String,
    /// What is wrong with it, in words for the operator.
    pub problem: String,
}

impl ConfigError {
    /// An error at `path`.
    #[must_use]
    pub fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { path: path.into(), problem: problem.into() }
    }
}

/// A listener's address taken apart: `udp:127.0.0.1:5060`, `udp:[::1]:5060`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// Transport before the first colon.
    pub transport: crate::path::Transport,
    /// Address to bind.
    pub bind: SocketAddr,
}

/// Takes the address of a name server apart: `192.0.2.53`, `192.0.2.53:5353`, `[2001:db8::53]:53`.
///
/// # Errors
/// What is wrong with it, in words for the operator.
pub fn name_server(text: &str) -> Result<SocketAddr, &'static str> {
    let alone = text.parse().map(|ip| SocketAddr::new(ip, 53));
    alone.or_else(|_| text.parse()).map_err(|_| "expected an address such as 192.0.2.53 or 192.0.2.53:5353")
}

/// Takes a listener's address apart.
///
/// # Errors
/// The part that cannot be read, in words for the operator.
pub fn listen_address(text: &str) -> Result<ListenAddress, &'static str> {
    use crate::path::Transport;
    let (transport, bind) = text.split_once(':').ok_or("expected TRANSPORT:HOST:PORT")?;
    let transport = match transport {
        "udp" => Transport::Udp,
        "tcp" => Transport::Tcp,
        "tls" => Transport::Tls,
        "ws" => Transport::Ws,
        "wss" => Transport::Wss,
        _ => return Err("the transport is one of udp, tcp, tls, ws, wss"),
    };
    let bind = bind.parse().map_err(|_| "expected an address and a port such as 127.0.0.1:5060 or [::1]:5060")?;
    Ok(ListenAddress { transport, bind })
}
