//! A branch of a context, and the transactions that a context holds. RFC 3261 §16.6 steps 8 to 11.

use super::Kept;
use super::cancel::Cancel;
use super::target::Target;
use super::watch::Watch;
use crate::path::Path;
use dialplane_syntax::Method;
use dialplane_transaction::{ClientInvite, ClientNonInvite, Due, Key, ServerInvite, ServerNonInvite, Timer};
use std::fmt;

/// The server transaction of a context.
#[derive(Debug)]
pub(crate) enum Server {
    Invite(ServerInvite<Kept>),
    NonInvite(ServerNonInvite<Kept>),
}

impl Server {
    /// Whether no final response has been sent.
    pub(crate) fn is_open(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_proceeding(),
            Self::NonInvite(machine) => machine.is_open(),
        }
    }

    pub(crate) fn is_terminated(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_terminated(),
            Self::NonInvite(machine) => machine.is_terminated(),
        }
    }

    pub(crate) fn due(&self) -> Option<Due> {
        match self {
            Self::Invite(machine) => machine.due(),
            Self::NonInvite(machine) => machine.due(),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invite(machine) => machine.fmt(f),
            Self::NonInvite(machine) => machine.fmt(f),
        }
    }
}

/// The client transaction of a branch.
#[derive(Debug)]
pub(crate) enum Client {
    Invite(ClientInvite<Kept>),
    NonInvite(ClientNonInvite<Kept>),
}

impl Client {
    /// Whether it may still bring a final response.
    pub(crate) fn is_open(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.request().is_some(),
            Self::NonInvite(machine) => machine.is_open(),
        }
    }

    pub(crate) fn is_terminated(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_terminated(),
            Self::NonInvite(machine) => machine.is_terminated(),
        }
    }

    pub(crate) fn due(&self) -> Option<Due> {
        match self {
            Self::Invite(machine) => machine.due(),
            Self::NonInvite(machine) => machine.due(),
        }
    }

    /// Ends it without a word.
    pub(crate) fn abandon(&mut self) {
        match self {
            Self::Invite(machine) => machine.abandon(),
            Self::NonInvite(machine) => machine.abandon(),
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invite(machine) => machine.fmt(f),
            Self::NonInvite(machine) => machine.fmt(f),
        }
    }
}

/// One branch.
#[derive(Debug)]
pub(crate) struct Branch {
    pub client: Client,
    /// The keyed hash in its branch parameter.
    pub word: u64,
    pub to: Path,
    /// Timer C of an INVITE (§16.6 step 11); once cancelled, how long its final response is waited for (§9.1).
    pub timer_c: u64,
    pub cancel: Cancel,
    /// When another target is tried because this one has said nothing.
    pub patience: Option<u64>,
    /// Whether others have taken its place; its 2xx still counts.
    pub given_up: bool,
    /// Where it went, if that has more than one address.
    pub target: Option<Box<Target>>,
    /// Path of the binding that it went to, if that has one: names the flow at an edge proxy.
    pub path: Option<Box<[u8]>>,
    /// For whoever wants to know how the target does.
    pub watch: Option<Watch>,
}

impl Branch {
    /// Key of its client transaction, or with [`Method::Cancel`] that of its CANCEL.
    pub(crate) fn key(&self, method: Method) -> Key {
        Key::client(self.word, method)
    }

    /// Deadline of its client transaction or Timer C.
    pub(crate) fn due(&self) -> Option<Due> {
        let due = self.client.due();
        match &self.client {
            Client::Invite(machine) if machine.is_proceeding() => {
                Some(Due { at: self.timer_c, timer: Timer::C }.earlier(due))
            }
            Client::Invite(_) | Client::NonInvite(_) => due,
        }
    }

    pub(crate) fn is_terminated(&self) -> bool {
        self.client.is_terminated() && self.cancel.is_terminated()
    }
}
