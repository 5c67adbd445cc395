//! Response contexts: what a stateful proxy keeps of a request until its last transaction has ended. RFC 3261 §16.2.
//!
//! A context holds the server transaction, the client transactions of its branches, the targets not tried yet and the best
//! final response so far. It is found by the key of any of its transactions, and woken by messages, by its deadline, or by
//! an answer of the resolver. What it wants sent is appended to the output and queued; nothing here sends.
//!
//! | module | part of the chapter |
//! |---|---|
//! | [`target`] | §16.5: targets, in groups |
//! | [`begin`] | §16.2, §17.2.3: requests that make a context or belong to one |
//! | [`fork`] | §16.6: branches |
//! | [`response`] | §16.7: responses |
//! | [`best`] | §16.7 steps 6 and 7: the best response |
//! | [`settle`] | §16.7: when all is said; §16.8: timers |
//! | [`patience`] | RFC 3263 §4.3, §16.6: those that say nothing, those that ring too long |
//! | [`cancel`] | §16.10, §16.7 step 10: CANCEL |
//! | [`message`] | §17.1.1.3, §9.1: ACK and CANCEL for the next hop |
//! | [`watch`] | what it tells of the targets of a set |
//! | [`wire`] | the machines' effects |

mod begin;
mod best;
mod branch;
mod cancel;
mod fork;
mod patience;
mod response;
mod settle;
mod target;
mod watch;
mod wire;

pub(crate) use branch::{Branch, Client, Server};
pub(crate) use target::Target;
pub(crate) use watch::{CallOf, Watched, one_less};

use crate::engine::Work;
use crate::path::Path;
use crate::routing::target::NextHop;
use crate::snapshot::Snapshot;
use crate::time::Now;
use crate::turn::Turn;
use best::Best;
use dialplane_syntax::{Index, Method, parse};
use dialplane_transaction::wheel::Tick;
use dialplane_transaction::{Due, Key, Reliability, SlotId, Table, TimerConfig, Wheel};
use smallvec::SmallVec;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::ops::Range;

/// A message that is kept.
pub(crate) type Kept = Box<[u8]>;

/// Contexts that one worker keeps; a request beyond is forwarded without one.
const MOST_CONTEXTS: usize = 1_000_000;
/// Branches of one context, over its whole life.
const MOST_BRANCHES: usize = 64;

/// A message to be sent: where it stands in the output, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its octets in the output that the caller handed in.
    pub range: Range<usize>,
    /// Its way.
    pub to: Path,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Context {
    pub server: Server,
    pub method: Method,
    key: Key,
    /// See [`dialplane_transaction::Keyer::merged`]; until a final response was sent.
    merged: Option<Key>,
    /// Where the request came from.
    source: Path,
    /// Where its responses go.
    reply_to: Path,
    /// The request as received; empty once nothing more is made from it.
    request: Kept,
    loop_hash: u64,
    /// Octets that the sender sent us, less those that we sent to it.
    credit: i64,
    /// 2xx that were sent on beyond the first, to an address that nothing is known of.
    repeats: u8,
    branches: SmallVec<[Branch; 1]>,
    /// Targets not tried yet, in order.
    targets: VecDeque<Target>,
    /// Group of those that are tried now.
    group: u16,
    /// RFC 5393 §5.3.3: branches that may be open at one time.
    breadth: u8,
    /// Max-Breadth that each branch of the present group takes with it; 0 leaves it out.
    share: u8,
    best: Option<Best>,
    /// The caller has hung up, or the best is a 6xx: nothing more is tried.
    cancelled: bool,
    /// Whether the latest final response says that the hop failed, not the request.
    hop_failed: bool,
    /// When to look again for targets whose name was asked for, and when to give them up.
    waits: Option<Waits>,
    /// How long the targets of one group ring before those of the next are tried, and until when the present ones do.
    ring_ms: u32,
    ring_until: Option<u64>,
    armed: Option<Tick>,
}

#[derive(Clone, Copy, Debug)]
struct Waits {
    until: u64,
    again: u64,
}

/// Whose deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Branch(usize),
    Cancel(usize),
    Names,
    Patience(usize),
    Ring,
    Server,
}

impl Context {
    /// The deadline that comes first.
    fn due(&self) -> Option<(Whose, Due)> {
        let mut first = self.server.due().map(|due| (Whose::Server, due));
        let mut see = |whose, due: Option<Due>| {
            if let Some(due) = due
                && first.is_none_or(|(_, first)| due.at < first.at)
            {
                first = Some((whose, due));
            }
        };
        for (place, branch) in self.branches.iter().enumerate() {
            see(Whose::Branch(place), branch.due());
            see(Whose::Cancel(place), branch.cancel.due());
            see(Whose::Patience(place), branch.patience.map(own_deadline));
        }
        see(Whose::Ring, self.ring_until.map(own_deadline));
        see(Whose::Names, self.waits.map(|waits| own_deadline(waits.again)));
        first
    }

    /// Branches whose final response is waited for.
    fn open_branches(&self) -> usize {
        self.branches.iter().filter(|branch| branch.client.is_open() && !branch.given_up).count()
    }

    /// The next target, if it is of the present group.
    fn next_of_group(&mut self) -> Option<Target> {
        let group = self.group;
        self.targets.front().is_some_and(|target| target.group == group).then(|| self.targets.pop_front())?
    }

    fn is_terminated(&self) -> bool {
        self.server.is_terminated() && self.branches.iter().all(Branch::is_terminated)
    }
}

/// `INVITE from 192.0.2.1:5060: INVITE server: Proceeding; to 192.0.2.2:5060 INVITE client: Calling, Timer A at 500`.
impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (method, from) = (self.method.name(), self.source.peer);
        write!(f, "{method} from {from}: {}", self.server)?;
        for branch in &self.branches {
            write!(f, "; to {} {}", branch.to.peer, branch.client)?;
        }
        if !self.targets.is_empty() {
            write!(f, "; {} targets left", self.targets.len())?;
        }
        Ok(())
    }
}

/// A deadline that is no timer of a transaction.
fn own_deadline(at: u64) -> Due {
    Due { at, timer: dialplane_transaction::Timer::Late }
}

/// All contexts of a worker.
#[derive(Debug)]
pub(crate) struct Contexts {
    pub table: Table<Context>,
    wheel: Wheel,
    /// Messages in the output that nobody fetched yet.
    pub outputs: VecDeque<Output>,
    pub timers: TimerConfig,
    /// Contexts that wait for an answer.
    waiting: HashMap<NextHop, Vec<SlotId>>,
    /// When this worker began.
    began_ms: u64,
    /// For a kept request while it is worked with.
    request_index: Option<Box<Index>>,
    /// For a kept INVITE while an ACK or CANCEL is made from it.
    spare: Box<Index>,
}

impl Contexts {
    pub(crate) fn new(now: Now) -> Self {
        Self {
            table: Table::new(MOST_CONTEXTS),
            wheel: Wheel::new(now.monotonic_ms),
            outputs: VecDeque::new(),
            timers: TimerConfig::default(),
            waiting: HashMap::new(),
            began_ms: now.monotonic_ms,
            request_index: None,
            spare: Box::new(Index::new()),
        }
    }

    /// When a context wants to be woken.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.wheel.next_ms()
    }

    /// One whose deadline has come; call until there is none.
    pub(crate) fn poll(&mut self, now_ms: u64) -> Option<SlotId> {
        while let Some((id, tick)) = self.wheel.poll(now_ms) {
            if let Some(context) = self.table.get_mut(id)
                && context.armed == Some(tick)
            {
                context.armed = None;
                return Some(id);
            }
        }
        None
    }

    /// An answer has come: whoever waits for it looks again.
    pub(crate) fn answered(&mut self, now_ms: u64, hop: &NextHop) {
        for id in self.waiting.remove(hop).unwrap_or_default() {
            if let Some(waits) = self.table.get_mut(id).and_then(|context| context.waits.as_mut()) {
                waits.again = now_ms;
                self.arm(id);
            }
        }
    }

    /// Whether a response to a non-INVITE request of ours without a context may be forwarded: after a crash, as long as the
    /// client's transaction may live, there must be some. Otherwise it is late (RFC 4320 §4.2).
    pub(crate) fn is_young(&self, now: Now) -> bool {
        now.monotonic_ms < self.began_ms + self.timers.value(dialplane_transaction::Timer::F, Reliability::Unreliable)
    }

    /// Sees to it that a context is woken at its deadline, and removes it when it has ended.
    fn arm(&mut self, id: SlotId) {
        let Some(context) = self.table.get_mut(id) else { return };
        if context.is_terminated() {
            self.remove(id);
            return;
        }
        if let Some((_, due)) = context.due()
            && context.armed.is_none_or(|armed| due.at < armed.ms().saturating_sub(LATENESS_MS))
        {
            context.armed = Some(self.wheel.set(due.at, id));
        }
    }

    fn remove(&mut self, id: SlotId) {
        let Some(context) = self.table.remove(id) else { return };
        self.table.unbind(context.key, id);
        if let Some(merged) = context.merged {
            self.table.unbind(merged, id);
        }
        for branch in &context.branches {
            self.table.unbind(branch.key(Method::Invite), id);
            if !matches!(branch.cancel, cancel::Cancel::No) {
                self.table.unbind(branch.key(Method::Cancel), id);
            }
        }
    }

    /// A branch of a context.
    fn branch(&mut self, id: SlotId, place: usize) -> Option<&mut Branch> {
        self.table.get_mut(id)?.branches.get_mut(place)
    }

    /// Whether somebody wants to know what a branch sees.
    fn is_watched(&self, id: SlotId, place: usize) -> bool {
        let branch = self.table.get(id).and_then(|context| context.branches.get(place));
        branch.is_some_and(|branch| branch.watch.is_some())
    }

    /// Forgets what is only needed until a final response is sent.
    fn release(&mut self, id: SlotId) {
        let Some(context) = self.table.get_mut(id) else { return };
        context.request = Kept::default();
        context.best = None;
        context.targets.clear();
        context.waits = None;
        context.ring_until = None;
        if let Some(merged) = context.merged.take() {
            self.table.unbind(merged, id);
        }
    }
}

/// By which the wheel may be late.
const LATENESS_MS: u64 = 16;

/// What whoever works with a context needs, whatever woke it.
pub(crate) struct Desk<'d, S> {
    pub snapshot: &'d Snapshot,
    pub store: &'d S,
    pub work: &'d mut Work,
    pub contexts: &'d mut Contexts,
    pub now: Now,
    pub out: &'d mut Vec<u8>,
}

impl<S> Desk<'_, S> {
    /// Carries `act` out with the kept request of a context as the message. `None` when it is not kept any more.
    fn with_request<T>(&mut self, id: SlotId, act: impl FnOnce(&mut Turn<'_, '_, S>) -> T) -> Option<T> {
        let context = self.contexts.table.get_mut(id)?;
        let (bytes, source) = (std::mem::take(&mut context.request), context.source);
        let mut index = self.contexts.request_index.take().unwrap_or_default();
        let result = parse(&bytes, &mut index, &self.snapshot.limits).ok().map(|message| {
            act(&mut Turn {
                snapshot: self.snapshot,
                store: self.store,
                work: &mut *self.work,
                contexts: &mut *self.contexts,
                now: self.now,
                path: &source,
                message,
                out: &mut *self.out,
            })
        });
        self.contexts.request_index = Some(index);
        if let Some(context) = self.contexts.table.get_mut(id)
            && context.server.is_open()
        {
            context.request = bytes;
        }
        result
    }
}

impl<S> Turn<'_, '_, S> {
    /// What works with contexts.
    pub(crate) fn desk(&mut self) -> Desk<'_, S> {
        Desk {
            snapshot: self.snapshot,
            store: self.store,
            work: &mut *self.work,
            contexts: &mut *self.contexts,
            now: self.now,
            out: &mut *self.out,
        }
    }

    /// Queues what was appended to the output since `begin`.
    fn queue(&mut self, begin: usize, to: Path) {
        self.contexts.outputs.push_back(Output { range: begin..self.out.len(), to });
    }
}

/// What RFC 3261 §17 asks of a transport.
fn reliability(path: &Path) -> Reliability {
    match path.transport {
        crate::path::Transport::Udp => Reliability::Unreliable,
        _ => Reliability::Reliable,
    }
}
