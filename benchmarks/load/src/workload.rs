//! What a workload is: who says what to the server, and what must come back.

pub mod call;
pub mod forward;
pub mod redirect;
pub mod register;

use crate::check::Wrong;
use crate::ident::Ident;
use crate::slots::Slots;
use crate::socket::Outbox;

/// What a received message meant.
#[derive(Debug)]
pub enum Step {
    /// The exchange `0` goes on.
    Continues,
    /// One message of exchange `0` came to its end.
    Arrived(u64),
    /// The first sign of the callee's in exchange `0`, which goes on.
    Heard(u64),
    /// Nobody waits for it: a duplicate, too late, or not ours.
    Stray,
}

/// A workload: what its module says.
pub trait Workload: Send {
    /// Writes the first message of exchange `id`; returns how many copies it wrote and for which sender.
    fn begin(&mut self, id: u64, senders: &mut [Outbox]) -> u8;

    /// A message arrived at the UAS; answers go to `uas`.
    fn at_uas(&mut self, received: &[u8], slots: &mut Slots, uas: &mut Outbox) -> Result<Step, Wrong>;

    /// A message arrived at sender `sender`.
    fn at_uac(
        &mut self,
        received: &[u8],
        sender: usize,
        slots: &mut Slots,
        senders: &mut [Outbox],
    ) -> Result<Step, Wrong>;

    /// Whether the latency that counts is that of [`Step::Heard`], not that of the end.
    fn hears(&self) -> bool {
        false
    }

    /// Whether the server gave two exchanges the same branch, which RFC 3261 §16.6 step 8 forbids.
    fn shares_branches(&self) -> bool {
        false
    }
}

/// What all workloads need to know.
#[derive(Clone)]
pub struct Common {
    /// Identifiers.
    pub ident: Ident,
    /// Subscribers or numbers.
    pub users: u64,
    /// Ports of the senders.
    pub ports: Vec<u64>,
    /// Exchange numbers of this thread are this far apart.
    pub step: u64,
    /// Our domain.
    pub domain: String,
    /// `HOST:PORT` in the Contact of a REGISTER; without it, the address of the sender.
    pub contact: Option<String>,
    /// The server is the floor: it answers with our own octets.
    pub floor: bool,
}

impl Common {
    /// Which sender exchange or subscriber `index` belongs to.
    pub fn sender(&self, index: u64) -> usize {
        (index % self.ports.len() as u64) as usize
    }
}

/// The floor's answer: our message, cut or filled. At least as much as came back of it must be unchanged.
pub fn check_echo(received: &[u8], sent: &[u8]) -> Result<(), Wrong> {
    let common = received.len().min(sent.len());
    if common == 0 || received[..common] != sent[..common] {
        return Err(Wrong::new("the floor changed the message"));
    }
    Ok(())
}
