//! Names to addresses, beside the worker's thread. RFC 3263.
//!
//! Questions come from the engine, answers go back to it; a slow name server holds up nobody but those who asked. What is
//! asked, and in which order, is decided in [`dialplane_core::names::search`]; here it is asked.

use dialplane_core::config::{self, name_server};
use dialplane_core::names::Settings;
use dialplane_core::names::search::{Naptr, Outcome, Query, Reach, Reply, Search, Srv};
use dialplane_core::routing::target::{HopHost, NextHop};
use futures_util::future::join_all;
use hickory_resolver::config::{
    LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts, ServerOrderingStrategy,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Hosts, TokioResolver};
use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How long a name that does not exist is believed not to, where the server does not say.
const NOTHING_TTL: u32 = 30;

/// An answer for the engine.
#[derive(Debug)]
pub struct Answer {
    /// What was asked for.
    pub hop: NextHop,
    /// What was found.
    pub outcome: Outcome,
}

/// The resolver's thread, seen from the worker.
pub struct Resolver {
    orders: UnboundedSender<Order>,
    answers: Arc<Answers>,
}

enum Order {
    Find(NextHop, Reach),
    Configure(Box<config::Dns>),
}

struct Answers {
    list: Mutex<Vec<Answer>>,
    ready: OwnedFd,
}

impl Resolver {
    /// Starts the thread. It ends with this value.
    ///
    /// # Errors
    /// When the system gives no descriptor or thread.
    pub fn start(dns: &config::Dns) -> io::Result<Self> {
        let answers = Arc::new(Answers {
            list: Mutex::new(Vec::new()),
            ready: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?,
        });
        let (orders, received) = unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (to, dns) = (Arc::clone(&answers), dns.clone());
        std::thread::Builder::new()
            .name("resolver".into())
            .spawn(move || runtime.block_on(serve(&dns, received, to)))?;
        Ok(Self { orders, answers })
    }

    /// Readable when an answer is there.
    pub fn ready(&self) -> BorrowedFd<'_> {
        self.answers.ready.as_fd()
    }

    /// Has `hop` found, among what `reach` says.
    pub fn ask(&self, hop: NextHop, reach: Reach) {
        if let Err(refused) = self.orders.send(Order::Find(hop, reach))
            && let Order::Find(hop, _) = refused.0
        {
            // The thread is gone (it cannot end while we live, short of a panic): the name stays unknown.
            self.answers.push(Answer { hop, outcome: Outcome::Failed });
        }
    }

    /// Takes a new configuration; questions that are open are answered by the old one.
    pub fn reload(&self, dns: &config::Dns) {
        // Without a thread there is nobody to be told.
        let _ = self.orders.send(Order::Configure(Box::new(dns.clone())));
    }

    /// Takes the answers that are there.
    pub fn answers(&self) -> Vec<Answer> {
        let mut count = [0; 8];
        // Nothing to read means that no answer came since; both are fine.
        let _ = rustix::io::read(&self.answers.ready, &mut count);
        std::mem::take(&mut self.answers.list.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Answers {
    fn push(&self, answer: Answer) {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
        // The only error is an overflow of the count, and then the descriptor is readable anyway.
        let _ = rustix::io::write(&self.ready, &1u64.to_ne_bytes());
    }
}

async fn serve(dns: &config::Dns, mut orders: UnboundedReceiver<Order>, answers: Arc<Answers>) {
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let mut servers = Arc::new(Servers::new(dns));
            while let Some(order) = orders.recv().await {
                match order {
                    Order::Configure(dns) => servers = Arc::new(Servers::new(&dns)),
                    Order::Find(hop, reach) => {
                        let (servers, answers) = (Arc::clone(&servers), Arc::clone(&answers));
                        tokio::task::spawn_local(async move {
                            let found = tokio::time::timeout(servers.deadline, servers.find(&hop, reach)).await;
                            answers.push(Answer { hop, outcome: found.unwrap_or(Outcome::Failed) });
                        });
                    }
                }
            }
        })
        .await;
}

/// The name servers of one configuration.
struct Servers {
    resolver: Option<TokioResolver>,
    /// What the operator wrote beside them.
    hosts: Hosts,
    deadline: Duration,
}

impl Servers {
    fn new(dns: &config::Dns) -> Self {
        let deadline = Duration::from_millis(Settings::new(dns).search_ms);
        Self { resolver: build(dns), hosts: Hosts::from_system().unwrap_or_default(), deadline }
    }

    async fn find(&self, hop: &NextHop, reach: Reach) -> Outcome {
        let mut search = Search::new(hop, reach);
        loop {
            if let Some(outcome) = search.outcome() {
                return outcome.clone();
            }
            let queries = search.queries();
            search.answer(join_all(queries.iter().map(|query| self.ask(query, hop, reach))).await);
        }
    }

    async fn ask(&self, query: &Query, hop: &NextHop, reach: Reach) -> Reply {
        match query {
            // Whoever wrote a name into the hosts file has said where it leads; no server is asked for services of it.
            Query::Naptr(_) | Query::Srv(_) if self.is_in_hosts(hop) => Reply::Nothing(NOTHING_TTL),
            Query::Naptr(name) => match self.records(name, RecordType::NAPTR).await {
                Ok((records, ttl)) => Reply::Naptr(records.into_iter().filter_map(naptr).collect(), ttl),
                Err(reply) => reply,
            },
            Query::Srv(name) => match self.records(name, RecordType::SRV).await {
                Ok((records, ttl)) => Reply::Srv(records.into_iter().filter_map(srv).collect(), ttl),
                Err(reply) => reply,
            },
            Query::Addresses(name) => self.addresses(name, reach).await,
        }
    }

    fn is_in_hosts(&self, hop: &NextHop) -> bool {
        let HopHost::Name(name) = &hop.host else { return false };
        let Some(name) = absolute(name) else { return false };
        [RecordType::A, RecordType::AAAA].into_iter().any(|kind| self.static_addresses(&name, kind).next().is_some())
    }

    fn static_addresses(&self, name: &Name, kind: RecordType) -> impl Iterator<Item = IpAddr> {
        let query = hickory_resolver::proto::op::Query::query(name.clone(), kind);
        let lookup = self.hosts.lookup_static_host(&query);
        lookup.into_iter().flat_map(|lookup| addresses_of(lookup.answers().iter().map(|record| &record.data)))
    }

    async fn records(&self, name: &[u8], kind: RecordType) -> Result<(Vec<RData>, u32), Reply> {
        let (Some(resolver), Some(name)) = (&self.resolver, absolute(name)) else { return Err(Reply::Failed) };
        let lookup = resolver.lookup(name, kind).await.map_err(|error| refusal(&error))?;
        let records = lookup.answers().iter().filter(|record| record.record_type() == kind);
        let records: Vec<RData> = records.map(|record| record.data.clone()).collect();
        let ttl = seconds_until(lookup.valid_until());
        if records.is_empty() { Err(Reply::Nothing(ttl)) } else { Ok((records, ttl)) }
    }

    /// A and AAAA at one time, as far as there are sockets for them.
    async fn addresses(&self, name: &[u8], reach: Reach) -> Reply {
        let kinds = [(reach.ipv4, RecordType::A), (reach.ipv6, RecordType::AAAA)];
        let kinds: Vec<RecordType> = kinds.into_iter().filter_map(|(wanted, kind)| wanted.then_some(kind)).collect();
        let Some(absolute) = absolute(name) else { return Reply::Nothing(NOTHING_TTL) };
        let local: Vec<IpAddr> = kinds.iter().flat_map(|kind| self.static_addresses(&absolute, *kind)).collect();
        if !local.is_empty() {
            return Reply::Addresses(local, NOTHING_TTL);
        }
        let (mut found, mut life, mut nothing) = (Vec::new(), u32::MAX, None);
        for result in join_all(kinds.iter().map(|kind| self.records(name, *kind))).await {
            match result {
                Ok((records, ttl)) => {
                    found.extend(addresses_of(records.iter()));
                    life = life.min(ttl);
                }
                Err(Reply::Nothing(ttl)) => nothing = Some(nothing.unwrap_or(u32::MAX).min(ttl)),
                Err(_) => life = life.min(NOTHING_TTL),
            }
        }
        match nothing {
            _ if !found.is_empty() => Reply::Addresses(found, life),
            // One family that failed may have had what the other has not.
            Some(ttl) if life == u32::MAX => Reply::Nothing(ttl),
            Some(_) | None => Reply::Failed,
        }
    }
}

/// The name servers of the configuration, else those of the system.
fn build(dns: &config::Dns) -> Option<TokioResolver> {
    let named = dns.servers.iter().filter_map(|server| name_server(server).ok()).map(|address| {
        let mut server = NameServerConfig::udp_and_tcp(address.ip());
        for connection in &mut server.connections {
            connection.port = address.port();
        }
        server
    });
    let named: Vec<NameServerConfig> = named.collect();
    let mut builder = if named.is_empty() {
        TokioResolver::builder_tokio().ok()?
    } else {
        let config = ResolverConfig::from_name_servers(named);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options: &mut ResolverOpts = builder.options_mut();
    options.timeout = Duration::from_secs_f64(dns.timeout);
    // "Number of retries after lookup failure".
    options.attempts = dns.attempts.saturating_sub(1) as usize;
    options.positive_max_ttl = Some(Duration::from_secs_f64(dns.longest));
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.use_hosts_file = ResolveHosts::Never;
    options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
    builder.build().ok()
}

/// A name of the engine's, complete: no search list applies to it (RFC 3263 knows none).
fn absolute(name: &[u8]) -> Option<Name> {
    let mut name = Name::from_utf8(std::str::from_utf8(name).ok()?).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// What an error says: that there is nothing, or that nobody knows.
fn refusal(error: &NetError) -> Reply {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => Reply::Nothing(none.negative_ttl.unwrap_or(NOTHING_TTL)),
        _ => Reply::Failed,
    }
}

fn naptr(record: RData) -> Option<Naptr> {
    match record {
        RData::NAPTR(naptr) => Some(Naptr {
            order: naptr.order,
            preference: naptr.preference,
            flags: naptr.flags,
            services: naptr.services,
            replacement: plain(&naptr.replacement),
        }),
        _ => None,
    }
}

fn srv(record: RData) -> Option<Srv> {
    match record {
        RData::SRV(srv) => {
            Some(Srv { priority: srv.priority, weight: srv.weight, target: plain(&srv.target), port: srv.port })
        }
        _ => None,
    }
}

fn addresses_of<'r>(records: impl Iterator<Item = &'r RData>) -> Vec<IpAddr> {
    records.filter_map(RData::ip_addr).collect()
}

/// As the engine has names: lower case, no final dot.
fn plain(name: &Name) -> Box<[u8]> {
    let text = name.to_lowercase().to_ascii();
    text.strip_suffix('.').unwrap_or(&text).as_bytes().into()
}

/// Life of an answer in whole seconds, the one that has begun included.
fn seconds_until(end: Instant) -> u32 {
    let left = end.saturating_duration_since(Instant::now());
    u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
}
