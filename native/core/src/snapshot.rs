//! The configuration compiled: what a worker looks at while it serves. Immutable; a reload swaps it whole.

use crate::access::Networks;
use crate::config::{Config, ConfigError, name_server};
use crate::guard::Guard;
use crate::keys::{Keys, SECRET_LEN};
use crate::listener::Listener;
use crate::names;
use crate::names::search::Reach;
use crate::path::{ListenerId, Transport};
use crate::registrar::Registrar;
use crate::routing::RouteTable;
use crate::store::NumberTable;
use dialplane_syntax::{Host, Limits, Method, SipUri};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub struct Snapshot {
    pub(crate) listeners: Vec<Listener>,
    pub(crate) limits: Limits,
    pub(crate) guard: Guard,
    pub(crate) keys: Keys,
    pub(crate) trusted: Networks,
    pub(crate) routes: RouteTable,
    pub(crate) registrar: Registrar,
    pub(crate) record_route: bool,
    pub(crate) relay: bool,
    /// Follow the contacts of a 3xx ourselves.
    pub(crate) recurse: bool,
    /// Challenge requests outside dialogs (`auth.calls`).
    pub(crate) challenge: bool,
    pub(crate) names: names::Settings,
    /// How long a hop that says nothing is waited for when there is another.
    patience_ms: u64,
    /// How long contacts of one q ring before those of the next.
    pub(crate) ring_ms: u32,
    /// `Server: name\r\n`, or nothing.
    pub(crate) server: Vec<u8>,
    /// Domain names in lower case.
    domains: HashSet<Vec<u8>, foldhash::fast::RandomState>,
    /// Domains that are addresses.
    addresses: Vec<IpAddr>,
}

impl Snapshot {
    /// Compiles `config`. `tables` holds the number tables by name.
    ///
    /// # Errors
    /// Everything in it that cannot be used.
    pub fn build(
        config: &Config,
        secret: &[u8; SECRET_LEN],
        tables: &HashMap<String, Arc<dyn NumberTable>>,
    ) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut listeners = Vec::new();
        // Nobody takes the offer who does not see our certificate.
        let alias = config.tls.present && !config.certificate.is_empty();
        for (index, entry) in config.listen.iter().enumerate() {
            match Listener::new(index, entry, alias) {
                Ok(listener) => listeners.push(listener),
                Err(error) => errors.push(error),
            }
        }
        let (mut domains, mut addresses) = (HashSet::default(), Vec::new());
        for (index, domain) in config.domains.iter().enumerate() {
            match Host::parse(domain.as_bytes()) {
                Some(Host::Name(name)) => drop(domains.insert(name.to_ascii_lowercase())),
                Some(Host::V4(v4)) => addresses.push(v4.into()),
                Some(Host::V6(v6)) => addresses.push(v6.into()),
                None => {
                    errors.push(ConfigError::new(format!("domains[{index}]"), format!("'{domain}' is not a host name")))
                }
            }
        }
        for (index, server) in config.dns.servers.iter().enumerate() {
            if let Err(problem) = name_server(server) {
                errors.push(ConfigError::new(format!("dns.servers[{index}]"), format!("'{server}': {problem}")));
            }
        }
        let mut collect = |result: Result<_, Vec<ConfigError>>| result.map_err(|more| errors.extend(more)).ok();
        let trusted = collect(Networks::read("proxy.trusted", &config.proxy.trusted));
        let guard = Guard::build(config).map_err(|more| errors.extend(more)).ok();
        let routes = RouteTable::build(config, tables).map_err(|more| errors.extend(more)).ok();
        let registrar = Registrar::new(config, secret).map_err(|more| errors.extend(more)).ok();
        match (trusted, guard, routes, registrar) {
            (Some(trusted), Some(guard), Some(routes), Some(registrar)) if errors.is_empty() => Ok(Self {
                listeners,
                limits: limits(config),
                guard,
                keys: Keys::derive(secret),
                trusted,
                routes,
                registrar,
                record_route: config.proxy.record_route,
                relay: config.proxy.relay,
                recurse: config.proxy.recurse,
                challenge: config.auth.calls,
                names: names::Settings::new(&config.dns),
                patience_ms: (config.proxy.patience * 1000.0) as u64,
                ring_ms: (config.proxy.ring * 1000.0) as u32,
                server: server(&config.server.name),
                domains,
                addresses,
            }),
            _ => Err(errors),
        }
    }

    /// Whether a host is a domain of ours or an address that we listen on.
    #[must_use]
    pub fn is_own_host(&self, host: &Host<'_>) -> bool {
        if self.listeners.iter().any(|listener| listener.has_host(host)) {
            return true;
        }
        let name = match host {
            Host::V4(v4) => return self.addresses.contains(&IpAddr::V4(*v4)),
            Host::V6(v6) => return self.addresses.contains(&IpAddr::V6(*v6)),
            Host::Name(name) => name.strip_suffix(b".").unwrap_or(name),
        };
        let mut lower = [0; 255];
        let Some(lower) = lower.get_mut(..name.len()) else { return false };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        self.domains.contains(&*lower)
    }

    /// Whether requests to this URI are for us to decide about (RFC 3261 §16.5): a host of ours, at no port or one of ours.
    pub(crate) fn is_own(&self, uri: &SipUri<'_>) -> bool {
        self.is_own_host(&uri.host)
            && uri.port.is_none_or(|port| self.listeners.iter().any(|listener| listener.port == port))
    }

    /// Transport of a listener.
    #[must_use]
    pub fn transport(&self, listener: ListenerId) -> Option<Transport> {
        self.listeners.get(usize::from(listener.0)).map(|listener| listener.transport)
    }

    /// Limits of a message.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How long a hop that says nothing to this request is waited for when there is another. A server that is slow with
    /// another request than INVITE says 100 only after T2 (RFC 4320 §4.1), and what it does twice it may have done.
    pub(crate) fn patience_ms(&self, method: Method) -> u64 {
        const T2_MS: u64 = 4000;
        self.patience_ms + if method == Method::Invite { 0 } else { T2_MS }
    }

    /// What the listeners can reach.
    pub(crate) fn reach(&self) -> Reach {
        let mut reach = Reach::default();
        for listener in &self.listeners {
            reach.add(listener.transport);
            reach.ipv4 |= listener.bind.is_ipv4();
            reach.ipv6 |= listener.bind.is_ipv6();
        }
        reach
    }

    /// Whether any listener has this transport.
    pub(crate) fn has(&self, transport: Transport) -> bool {
        self.listeners.iter().any(|listener| listener.serves(transport))
    }
}

fn limits(config: &Config) -> Limits {
    Limits {
        message: config.limits.message,
        fields: config.limits.fields,
        via: config.limits.via,
        route: config.limits.route,
        field: config.limits.field,
        contacts: config.limits.contacts,
        ..Limits::default()
    }
}

/// The Server line; characters that would end it are left out.
fn server(name: &str) -> Vec<u8> {
    let name: String = name.chars().filter(|character| !character.is_control()).collect();
    if name.is_empty() { Vec::new() } else { format!("Server: {name}\r\n").into_bytes() }
}
