//! What a worker handles that is not in a frame of its batch: messages of connections and of other workers, those that
//! waited for a name, and those that could not be sent.

use super::{Worker, queue_own};
use crate::clock;
use crate::handover::Kind;
use crate::udp::Batch;
use dialplane_core::counter::Counter;
use dialplane_core::engine::Verdict;
use dialplane_core::path::{ConnectionId, Path, Transport, WorkerId};
use dialplane_core::store::Store;
use dialplane_core::time::Now;
use dialplane_core::unsent::Unsent;
use rustix::event::epoll::EventFlags;
use std::ops::Range;

/// Messages taken from other workers before anything else is looked at.
const TAKEN: usize = 64;
/// Messages that could not be sent, and what came of them, in one turn.
const RETURNED: usize = 1024;

impl<S: Store> Worker<S> {
    /// Takes what the kernel says about a connection.
    pub(super) fn stream(&mut self, id: ConnectionId, flags: EventFlags, batch: &mut Batch) {
        let now = clock::now();
        if !self.streams.on_event(now.monotonic_ms, id, flags) {
            return;
        }
        let arrived = self.streams.take_arrived();
        if let Some(path) = self.streams.path(id) {
            // Another worker's answer would come too late.
            let is_ending = self.streams.is_ending(id);
            if path.transport == Transport::Tls
                && let Some(message) = arrived.messages.first().and_then(|range| arrived.octets.get(range.clone()))
            {
                self.look_for_alias(id, message);
            }
            for range in &arrived.messages {
                match arrived.octets.get(range.clone()) {
                    Some(message) if is_ending => self.handle(now, &path, message, batch),
                    Some(message) => self.received(now, &path, message, batch),
                    None => {}
                }
            }
        }
        self.streams.give_back(arrived);
    }

    /// Takes what other workers handed over.
    pub(super) fn inbox(&mut self, batch: &mut Batch) {
        let now = clock::now();
        let mut message = std::mem::take(&mut self.loose);
        for _ in 0..TAKEN {
            message.clear();
            let Some((kind, path)) = self.handover.as_mut().and_then(|handover| handover.take(&mut message)) else {
                break;
            };
            match kind {
                // From a process that had our place before: the call may be another worker's.
                Kind::Received if path.connection.worker() == Some(self.id) => {
                    self.received(now, &path, &message, batch);
                }
                Kind::Received => self.handle(now, &path, &message, batch),
                Kind::Send => self.send_by_connection(now, &path, &message),
                Kind::Unsent => self.returned(now, &path, &message, batch),
                Kind::Alias => self.note_alias(&path, &message),
                Kind::ByAlias => self.send_by_alias(now, &path, &message),
                Kind::NoAlias => self.send_otherwise(now, &path, &message),
            }
        }
        self.loose = message;
    }

    /// Handles the messages whose names are answered.
    pub(super) fn parked(&mut self, now: Now, batch: &mut Batch) {
        while let Some(parked) = self.engine.poll_ready() {
            if parked.is_unsent {
                self.returned(now, &parked.path, &parked.bytes, batch);
                continue;
            }
            let begin = batch.own().len();
            let to = match self.engine.handle_again(now, &parked.path, &parked.bytes, batch.own()) {
                Verdict::Done | Verdict::HandOver(_) => {
                    self.outputs(now, batch);
                    continue;
                }
                Verdict::Send(to) => to,
                Verdict::Forward(edits, to) => {
                    edits.apply(&parked.bytes, batch.own());
                    to
                }
            };
            self.send_own(now, batch, begin, &to);
        }
    }

    /// Sends what is behind `begin` of the batch's own octets.
    pub(super) fn send_own(&mut self, now: Now, batch: &mut Batch, begin: usize, to: &Path) {
        let end = batch.own().len();
        batch.order(self.engine.call());
        self.send_range(now, batch, begin..end, to);
        if to.transport != Transport::Udp {
            batch.own().truncate(begin);
        }
    }

    /// Sends what the engine queued in the batch's own octets.
    pub(super) fn outputs(&mut self, now: Now, batch: &mut Batch) {
        batch.order(self.engine.call());
        while let Some(output) = self.engine.poll_output() {
            self.send_range(now, batch, output.range, &output.to);
        }
    }

    fn send_range(&mut self, now: Now, batch: &mut Batch, range: Range<usize>, to: &Path) {
        if to.transport == Transport::Udp {
            queue_own(&self.numbers, batch, range, to);
            return;
        }
        let message = batch.own().get(range).unwrap_or_default();
        match to.connection.worker() {
            Some(worker) if worker != self.id => {
                if !hand_over(&mut self.handover, worker, Kind::Send, to, message) {
                    self.engine.counters_mut().count(Counter::Undeliverable);
                } else {
                    self.engine.counters_mut().count(Counter::HandedOver);
                }
            }
            None if self.goes_elsewhere(to, message) => {}
            _ => self.send_by_connection(now, to, message),
        }
    }

    /// Brings everything on its way before the worker waits again.
    pub(super) fn settle(&mut self, batch: &mut Batch) {
        let now = clock::now();
        if !self.streams.is_busy(now.monotonic_ms) && !batch.is_queued() {
            return;
        }
        self.streams.on_timeout(now.monotonic_ms);
        self.streams.flush(now.monotonic_ms);
        for _ in 0..RETURNED {
            let Some(unsent) = self.streams.poll_unsent() else { break };
            self.returned(now, &unsent.path, &unsent.message, batch);
        }
        self.send(batch);
        self.ask();
        self.streams.flush(now.monotonic_ms);
        self.streams.count(self.engine.counters_mut());
    }

    /// Takes back a message that could not be sent.
    fn returned(&mut self, now: Now, path: &Path, message: &[u8], batch: &mut Batch) {
        let mut answer = std::mem::take(&mut self.loose);
        answer.clear();
        match self.engine.handle_unsent(now, path, message, &mut answer) {
            Unsent::Done => {}
            Unsent::Send(to) => self.send_by_connection(now, &to, message),
            Unsent::SendOther(to) => {
                let begin = batch.own().len();
                batch.own().extend_from_slice(&answer);
                self.send_own(now, batch, begin, &to);
            }
            Unsent::Receive(path) => self.received(now, &path, &answer, batch),
        }
        self.loose = answer;
    }

    /// Handles a message, unless its call is another worker's.
    fn received(&mut self, now: Now, path: &Path, message: &[u8], batch: &mut Batch) {
        let begin = batch.own().len();
        let to = match self.engine.handle(now, path, message, batch.own()) {
            Verdict::Done => return self.outputs(now, batch),
            Verdict::HandOver(owner) => {
                if hand_over(&mut self.handover, owner, Kind::Received, path, message) {
                    self.engine.counters_mut().count(Counter::HandedOver);
                } else {
                    // Better handled here than not at all.
                    self.handle(now, path, message, batch);
                }
                return;
            }
            Verdict::Send(to) => to,
            Verdict::Forward(edits, to) => {
                edits.apply(message, batch.own());
                to
            }
        };
        self.send_own(now, batch, begin, &to);
    }

    /// Handles a message that is for this worker.
    fn handle(&mut self, now: Now, path: &Path, message: &[u8], batch: &mut Batch) {
        let begin = batch.own().len();
        let to = match self.engine.handle_again(now, path, message, batch.own()) {
            Verdict::Done | Verdict::HandOver(_) => return self.outputs(now, batch),
            Verdict::Send(to) => to,
            Verdict::Forward(edits, to) => {
                edits.apply(message, batch.own());
                to
            }
        };
        self.send_own(now, batch, begin, &to);
    }
}

pub(super) fn hand_over(
    handover: &mut Option<crate::handover::Handover>,
    to: WorkerId,
    kind: Kind,
    path: &Path,
    message: &[u8],
) -> bool {
    handover.as_mut().is_some_and(|handover| handover.give(to, kind, path, message))
}
