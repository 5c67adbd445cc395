//! One message on its way through the engine: what every step of it needs, and where it may end.

use crate::counter::Counter;
use crate::engine::Work;
use crate::path::Path;
use crate::probing;
use crate::proxy::context::Contexts;
use crate::proxy::{self, response};
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::time::Now;
use dialplane_syntax::{Message, Method};
use dialplane_transaction::Key;

/// Where the way ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing is sent (or it waits for a name).
    Done,
    /// The received message goes on, with the edits in [`Work::edits`].
    Forward(Path),
    /// What was appended to the output goes out.
    Send(Path),
}

/// See the module.
pub(crate) struct Turn<'t, 'b, S> {
    pub snapshot: &'t Snapshot,
    pub store: &'t S,
    pub work: &'t mut Work,
    pub contexts: &'t mut Contexts,
    pub now: Now,
    /// Where the message came from.
    pub path: &'t Path,
    pub message: Message<'b>,
    /// Own messages are appended here.
    pub out: &'t mut Vec<u8>,
}

impl<S: Store> Turn<'_, '_, S> {
    /// The whole way.
    pub(crate) fn run(&mut self) -> Step {
        if self.message.is_request() {
            self.work.counters.count(Counter::Requests);
            proxy::request::handle(self)
        } else {
            self.work.counters.count(Counter::Responses);
            self.response()
        }
    }

    /// RFC 3261 §16.7. What belongs to no transaction is forwarded as §16.11 leaves it to a stateless proxy.
    fn response(&mut self) -> Step {
        let listeners = &self.snapshot.listeners;
        let Some(returned) = response::returned(&self.message, listeners) else {
            self.work.counters.count(Counter::StrayResponses);
            return Step::Done;
        };
        let mut late = false;
        if returned.ours.fork.is_some()
            && let Ok(cseq) = self.message.cseq()
        {
            if let Some((id, part)) = self.contexts.table.find(Key::client(returned.ours.word(), cseq.method)) {
                self.work.keep = returned.keep;
                return self.response_to(id, part, cseq.method);
            }
            late = cseq.method != Method::Invite && !self.contexts.is_young(self.now);
        }
        // DEVIATION from RFC 6026 §8.2, which has a proxy drop what belongs to no transaction: the MAC in the branch proves that we
        // forwarded the request, and the worker that kept its transaction may have died.
        if late {
            self.work.counters.count(Counter::StrayResponses);
            return Step::Done;
        }
        if returned.upstream.is_none() {
            let (keys, health) = (&self.snapshot.keys, self.store.health());
            if !probing::handle_response(&self.message, &returned, keys, health, &mut self.work.scratch) {
                self.work.counters.count(Counter::StrayResponses);
            }
            return Step::Done;
        }
        let forwarded = returned.upstream.as_ref().and_then(|upstream| {
            let keys = &self.snapshot.keys;
            let (scratch, edits) = (&mut self.work.scratch, &mut self.work.edits);
            response::forward(&self.message, &returned, upstream, listeners, keys, scratch, edits)
        });
        match forwarded {
            Some(to) => {
                self.tell_load_upstream(to.peer.ip());
                self.work.counters.count(Counter::ForwardedResponses);
                Step::Forward(to)
            }
            None => {
                self.work.counters.count(Counter::StrayResponses);
                Step::Done
            }
        }
    }
}
