//! What carries the messages of a session: datagrams, or connections.

use crate::socket::{Inbox, Outbox, Socket};
use std::io;

/// Who received a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    /// The sender with this number.
    Uac(usize),
    Uas,
}

/// The way to the server and back.
pub trait Net: Send {
    /// Sends what waits: for each sender, and for the UAS.
    fn flush(&mut self, senders: &mut [Outbox], uas: &mut Outbox) -> io::Result<()>;

    /// Gives `see` what has come, some of it at a time; returns how many messages that were.
    fn receive(&mut self, see: &mut dyn FnMut(End, &[u8])) -> io::Result<usize>;

    /// Waits until something has come, a millisecond at most.
    fn wait(&mut self);
}

/// UDP: a socket for each sender, and one for the UAS.
pub struct Datagrams {
    senders: Vec<Socket>,
    uas: Option<Socket>,
    inbox: Inbox,
}

impl Datagrams {
    /// With these sockets.
    pub fn new(senders: Vec<Socket>, uas: Option<Socket>) -> Self {
        Self { senders, uas, inbox: Inbox::new() }
    }
}

impl Net for Datagrams {
    fn flush(&mut self, senders: &mut [Outbox], uas: &mut Outbox) -> io::Result<()> {
        for (outbox, socket) in senders.iter_mut().zip(&self.senders) {
            if outbox.len() > 0 {
                outbox.flush(socket)?;
            }
        }
        match &self.uas {
            Some(socket) if uas.len() > 0 => uas.flush(socket),
            _ => Ok(()),
        }
    }

    fn receive(&mut self, see: &mut dyn FnMut(End, &[u8])) -> io::Result<usize> {
        let mut total = 0;
        let ends = self.uas.iter().map(|uas| (End::Uas, uas));
        for (end, socket) in ends.chain(self.senders.iter().enumerate().map(|(n, socket)| (End::Uac(n), socket))) {
            let count = self.inbox.receive(socket)?;
            (0..count).for_each(|i| see(end, self.inbox.datagram(i)));
            total += count;
        }
        Ok(total)
    }

    fn wait(&mut self) {
        let sockets: Vec<&Socket> = self.senders.iter().chain(&self.uas).collect();
        Socket::wait(&sockets, 1);
    }
}
