//! Octets of a connection: read, handed to its session, written; and the deadline that moves with them. RFC 3261 §18.3.

use super::Streams;
use crate::stream::connection::{Stage, Written};
use crate::stream::session::Fault;
use dialplane_core::counter::Counter;
use dialplane_core::path::{ConnectionId, Transport};
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

/// Silence after which a WebSocket is asked for a sign of life; most proxies on the way give up after a minute.
const PING_MS: u64 = 45_000;
/// Output buffers kept for whoever needs one next, and the largest that is kept.
const SPARE: usize = 64;
const SPARE_LEN: usize = 64 * 1024;

impl Streams {
    pub(super) fn read(&mut self, now_ms: u64, id: ConnectionId) {
        let Some(connection) = self.table.get_mut(id) else { return };
        self.wire.clear();
        let spare = rustix::buffer::spare_capacity(&mut self.wire);
        let fault = match recv(&connection.socket, spare, RecvFlags::DONTWAIT) {
            Ok((0, _)) | Err(Errno::CONNRESET) => Some(Counter::ConnectionsClosedByPeer),
            Ok(_) => None,
            Err(Errno::AGAIN | Errno::INTR) => return,
            Err(_) => Some(Counter::ConnectionsClosedError),
        };
        if let Stage::Ending(_) | Stage::Draining = connection.stage {
            if fault.is_some() {
                self.remove(id);
            }
            return;
        }
        if let Some(why) = fault {
            let failed = connection.opened.is_some() && !connection.session.is_open();
            self.end(now_ms, id, if failed { Counter::ConnectionsFailed } else { why });
            return;
        }
        let session = &mut connection.session;
        let heard = session.receive(&self.wire, &mut self.bench, &mut self.arrived, &mut connection.output);
        connection.peer = self.arrived.source.unwrap_or(connection.peer);
        connection.is_pinged = false;
        let has_output = !connection.output.is_empty();
        self.counters.add(Counter::KeepAlives, self.arrived.keep_alives as u64);
        match heard {
            Ok(()) => {
                self.time(now_ms, id);
                self.on_open(now_ms, id);
                if has_output {
                    self.mark(id);
                }
            }
            Err(fault) => {
                if fault == Fault::Handshake {
                    self.counters.count(Counter::HandshakesFailed);
                }
                connection.stage = Stage::Ending(match fault {
                    Fault::Closed => Counter::ConnectionsClosedByPeer,
                    Fault::Handshake | Fault::Malformed => Counter::ConnectionsClosedMalformed,
                });
                self.mark(id);
            }
        }
    }

    /// Moves the deadline after something was heard.
    fn time(&mut self, now_ms: u64, id: ConnectionId) {
        let Some(connection) = self.table.get_mut(id) else { return };
        connection.has_spoken |= !self.arrived.messages.is_empty();
        let is_open = connection.session.is_open();
        if !is_open || !connection.has_spoken {
            // Still those ten seconds from the beginning.
            return;
        }
        let is_within = connection.session.is_within();
        if is_within && connection.is_timed && self.arrived.messages.is_empty() {
            return;
        }
        connection.is_timed = is_within;
        let silence = match connection.session.transport() {
            Transport::Ws | Transport::Wss => PING_MS.min(self.settings.idle_ms),
            Transport::Udp | Transport::Tcp | Transport::Tls => self.settings.idle_ms,
        };
        let wait = if is_within { self.settings.message_ms } else { silence };
        self.deadlines.set(id, &mut connection.deadline, now_ms + wait);
    }

    /// Asks a WebSocket client whether it is there; `false` where that cannot be asked.
    pub(super) fn ping(&mut self, now_ms: u64, id: ConnectionId) -> bool {
        let Some(connection) = self.table.get_mut(id) else { return false };
        if !connection.session.ping(&mut connection.output) {
            return false;
        }
        connection.is_pinged = true;
        self.deadlines.set(id, &mut connection.deadline, now_ms + self.settings.message_ms);
        self.write(now_ms, id);
        true
    }

    pub(super) fn mark(&mut self, id: ConnectionId) {
        if let Some(connection) = self.table.get_mut(id)
            && !std::mem::replace(&mut connection.is_dirty, true)
        {
            self.dirty.push(id);
        }
    }

    pub(super) fn write(&mut self, now_ms: u64, id: ConnectionId) {
        let Some(connection) = self.table.get_mut(id) else { return };
        connection.is_dirty = false;
        if connection.stage == Stage::Connecting {
            return;
        }
        let written = connection.write();
        let is_blocked = written == Written::Blocked;
        if is_blocked != std::mem::replace(&mut connection.is_blocked, is_blocked) {
            // The descriptor is registered; a failure shows at the next read.
            let _ = epoll::modify(&*self.events, &connection.socket, EventData::new_u64(id.0), interest(is_blocked));
        }
        if written == Written::All && connection.output.capacity() > 0 {
            let output = std::mem::take(&mut connection.output);
            if self.spare.len() < SPARE && output.capacity() <= SPARE_LEN {
                self.spare.push(output);
            }
        }
        match connection.stage {
            Stage::Ending(why) => self.end(now_ms, id, why),
            _ if written == Written::Broken => self.end(now_ms, id, Counter::ConnectionsClosedError),
            _ => {}
        }
    }
}

/// What the kernel is asked to tell of a connection.
pub(super) fn interest(is_blocked: bool) -> EventFlags {
    let reading = EventFlags::IN | EventFlags::RDHUP;
    if is_blocked { reading | EventFlags::OUT } else { reading }
}
