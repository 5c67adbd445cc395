//! Names to addresses, beside the worker's thread. RFC 3263 §4.2.
//!
//! Questions come from the engine, answers go back to it; a slow name server holds up nobody but those who asked.

use dialplane_core::names::Question;
use dialplane_core::path::Transport;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolverConfig;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::rdata::SRV;
use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Longest wait for one question, all its queries together. The engine asks again after 5 s.
const DEADLINE: Duration = Duration::from_millis(4500);
/// Addresses kept of one answer.
const MOST_ADDRESSES: usize = 16;

/// An answer for the engine.
#[derive(Debug)]
pub struct Answer {
    /// What was asked.
    pub question: Question,
    /// Addresses in the order to be tried; none when there are none.
    pub addresses: Vec<SocketAddr>,
    /// Life in seconds.
    pub ttl: u32,
}

/// The resolver's thread, seen from the worker.
pub struct Resolver {
    questions: UnboundedSender<Question>,
    answers: Arc<Answers>,
}

struct Answers {
    list: Mutex<Vec<Answer>>,
    ready: OwnedFd,
}

impl Resolver {
    /// Starts the thread. It uses the system's name servers and hosts file and ends with this value.
    ///
    /// # Errors
    /// When the system gives no descriptor or thread.
    pub fn start() -> io::Result<Self> {
        let answers = Arc::new(Answers {
            list: Mutex::new(Vec::new()),
            ready: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?,
        });
        let (questions, received) = unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let to = Arc::clone(&answers);
        std::thread::Builder::new().name("resolver".into()).spawn(move || runtime.block_on(serve(received, to)))?;
        Ok(Self { questions, answers })
    }

    /// Readable when an answer is there.
    pub fn ready(&self) -> BorrowedFd<'_> {
        self.answers.ready.as_fd()
    }

    /// Puts a question.
    pub fn ask(&self, question: Question) {
        if let Err(refused) = self.questions.send(question) {
            // The thread is gone (it cannot end while we live, short of a panic): the name stays unknown.
            self.answers.push(Answer { question: refused.0, addresses: Vec::new(), ttl: 0 });
        }
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

async fn serve(mut questions: UnboundedReceiver<Question>, answers: Arc<Answers>) {
    let resolver = build();
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            while let Some(question) = questions.recv().await {
                let (resolver, answers) = (resolver.clone(), Arc::clone(&answers));
                tokio::task::spawn_local(async move {
                    let found = match &resolver {
                        Some(resolver) => {
                            tokio::time::timeout(DEADLINE, find(resolver, &question)).await.ok().flatten()
                        }
                        None => None,
                    };
                    let (addresses, ttl) = found.unwrap_or_default();
                    answers.push(Answer { question, addresses, ttl });
                });
            }
        })
        .await;
}

/// The system's name servers; without a usable `resolv.conf`, the hosts file alone.
fn build() -> Option<TokioResolver> {
    let builder = TokioResolver::builder_tokio().unwrap_or_else(|_| {
        TokioResolver::builder_with_config(ResolverConfig::default(), TokioRuntimeProvider::default())
    });
    builder.build().ok()
}

/// RFC 3263 §4.2: with a port, addresses; without, SRV, and addresses at the default port if there is none.
async fn find(resolver: &TokioResolver, question: &Question) -> Option<(Vec<SocketAddr>, u32)> {
    let host = std::str::from_utf8(&question.host).ok()?;
    if let Some(port) = question.port {
        return addresses(resolver, host, port).await;
    }
    let (service, default_port) = match question.transport {
        Transport::Udp => ("_sip._udp.", 5060),
        Transport::Tcp | Transport::Ws => ("_sip._tcp.", 5060),
        Transport::Tls | Transport::Wss => ("_sips._tcp.", 5061),
    };
    if let Ok(lookup) = resolver.srv_lookup(format!("{service}{}.", host.trim_end_matches('.'))).await {
        let mut ttl = seconds_until(lookup.valid_until());
        let mut records: Vec<SRV> = lookup
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::SRV(srv) => Some(srv.clone()),
                _ => None,
            })
            .collect();
        let mut found = Vec::new();
        for srv in in_order(&mut records) {
            if let Some((more, life)) = addresses(resolver, &srv.target.to_utf8(), srv.port).await {
                ttl = ttl.min(life);
                found.extend(more);
            }
            if found.len() >= MOST_ADDRESSES {
                break;
            }
        }
        if !found.is_empty() {
            found.truncate(MOST_ADDRESSES);
            return Some((found, ttl));
        }
    }
    addresses(resolver, host, default_port).await
}

async fn addresses(resolver: &TokioResolver, host: &str, port: u16) -> Option<(Vec<SocketAddr>, u32)> {
    let lookup = resolver.lookup_ip(host).await.ok()?;
    let mut found: Vec<IpAddr> = lookup.iter().collect();
    // IPv4 first: the listener of the other family is used when there is no address of this one.
    found.sort_by_key(IpAddr::is_ipv6);
    found.truncate(MOST_ADDRESSES);
    let ttl = seconds_until(lookup.valid_until());
    Some((found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect(), ttl))
}

/// RFC 2782: by priority, and within one priority by weighted chance.
fn in_order(records: &mut Vec<SRV>) -> Vec<SRV> {
    records.sort_by_key(|srv| (srv.priority, srv.weight));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(first) = records.first() {
        let same = records.iter().take_while(|srv| srv.priority == first.priority).count();
        let total: u64 = records[..same].iter().map(|srv| u64::from(srv.weight)).sum();
        let mut left = chance() % (total + 1);
        let chosen = records[..same]
            .iter()
            .position(|srv| {
                let weight = u64::from(srv.weight);
                let here = left <= weight;
                left = left.saturating_sub(weight);
                here
            })
            .unwrap_or(0);
        ordered.push(records.remove(chosen));
    }
    ordered
}

/// Chance good enough to spread load: the hash keys that the standard library draws for each map.
fn chance() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0u8)
}

/// Life of an answer: at most a day, and never 0, which would ask again for each datagram.
fn seconds_until(end: Instant) -> u32 {
    let left = end.saturating_duration_since(Instant::now()).as_secs();
    u32::try_from(left).unwrap_or(u32::MAX).clamp(1, 86_400)
}
