//! When an upgrade has given its place to another process, a worker serves the connections that there are and nothing
//! else; its successor sends by them. See [`crate::retirement`].

use super::{CONTROL, EVENTS, RETIREMENT, Worker, hand_over};
use crate::clock;
use crate::control::Order;
use crate::handover::Kind;
use crate::udp::Batch;
use dialplane_core::counter::Counter;
use dialplane_core::path::{ConnectionId, Path};
use dialplane_core::store::Store;
use dialplane_core::time::Now;
use rustix::event::epoll;
use std::io;

/// Messages taken before connections are looked at again.
const TAKEN: usize = 64;
/// Milliseconds between two words to the supervisor.
const TELL_MS: u64 = 1000;

impl<S: Store> Worker<S> {
    /// Sends by the connection that the path names, whichever process of this worker has it, or by one that is found.
    pub(super) fn send_by_connection(&mut self, now: Now, to: &Path, message: &[u8]) {
        if self.incarnation.is_before(to.connection) && self.incarnation.give(to, message) {
            self.engine.counters_mut().count(Counter::HandedOver);
        } else {
            self.streams.send(now.monotonic_ms, to, message);
        }
    }

    /// Serves its connections until the last has ended, for at most `longest` seconds.
    ///
    /// # Errors
    /// When the system fails.
    pub(super) fn retire(&mut self, longest: f64, batch: &mut Batch) -> io::Result<()> {
        self.leave(batch)?;
        let until = clock::now().monotonic_ms.saturating_add((longest * 1000.0) as u64);
        let mut ready: Vec<epoll::Event> = Vec::with_capacity(EVENTS);
        let (mut told, mut tell) = (usize::MAX, 0);
        loop {
            let now = clock::now();
            let left = self.streams.len();
            if left != told && now.monotonic_ms >= tell {
                self.control.retired(left);
                (told, tell) = (left, now.monotonic_ms + TELL_MS);
            }
            if left == 0 || now.monotonic_ms >= until {
                break;
            }
            let due = [self.streams.poll_timeout(), (left != told).then_some(tell)].into_iter().flatten().min();
            let timeout = super::wait(due.map_or(until, |due| due.min(until)), now);
            ready.clear();
            match epoll::wait(&self.events, rustix::buffer::spare_capacity(&mut ready), Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let mut stops = false;
            for event in &ready {
                match event.data.u64() {
                    CONTROL => stops |= matches!(self.orders(), Some(Order::Stop(_))),
                    RETIREMENT => self.relay(),
                    number => self.pass_on(ConnectionId(number), event.flags),
                }
            }
            self.settle_connections();
            if stops {
                break;
            }
        }
        self.streams.finish(clock::now().monotonic_ms);
        Ok(())
    }

    /// Does what is queued, and leaves sockets, inbox and names to the successor.
    fn leave(&mut self, batch: &mut Batch) -> io::Result<()> {
        for number in 0..self.sockets.len() {
            if !self.sockets[number].is_stream {
                self.read(number, usize::MAX, batch)?;
            }
        }
        self.settle(batch);
        self.page.write(self.engine.counters());
        for socket in self.sockets.drain(..) {
            // Others have it open, so closing it would not be enough.
            epoll::delete(&self.events, &socket.descriptor)?;
        }
        if let Some(handover) = &self.handover {
            epoll::delete(&self.events, handover.inbox())?;
        }
        epoll::delete(&self.events, self.resolver.ready())?;
        Ok(())
    }

    /// Sends what the successor wants to go by our connections.
    pub(super) fn relay(&mut self) {
        let now = clock::now();
        self.incarnation.welcome();
        let mut message = std::mem::take(&mut self.loose);
        for _ in 0..TAKEN {
            message.clear();
            let Some(path) = self.incarnation.take(&mut message) else { break };
            self.streams.send(now.monotonic_ms, &path, &message);
        }
        self.loose = message;
    }

    /// Gives the successor what came by a connection.
    fn pass_on(&mut self, id: ConnectionId, flags: epoll::EventFlags) {
        if !self.streams.on_event(clock::now().monotonic_ms, id, flags) {
            return;
        }
        let arrived = self.streams.take_arrived();
        if let Some(path) = self.streams.path(id) {
            for message in arrived.messages.iter().filter_map(|range| arrived.octets.get(range.clone())) {
                // What the successor does not take is lost, as any message is that a server has no time for.
                hand_over(&mut self.handover, self.id, Kind::Received, &path, message);
            }
        }
        self.streams.give_back(arrived);
    }

    /// Brings everything on its way, and tells the successor what could not be sent.
    fn settle_connections(&mut self) {
        let now = clock::now();
        self.streams.on_timeout(now.monotonic_ms);
        self.streams.flush(now.monotonic_ms);
        while let Some(unsent) = self.streams.poll_unsent() {
            hand_over(&mut self.handover, self.id, Kind::Unsent, &unsent.path, &unsent.message);
        }
    }
}
