//! The channel to the supervisor: one JSON object a message over a `SOCK_SEQPACKET` pair.

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use serde::Deserialize;
use serde_json::{Value, json};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Largest message; a larger configuration comes as the path of a file.
const LARGEST: usize = 256 * 1024;

/// What the supervisor wants.
#[derive(Debug, PartialEq)]
pub enum Order {
    /// Take this configuration (JSON) from now on.
    Reload(Vec<u8>),
    /// The configuration named could not be read; why.
    Unreadable(String),
    /// Read what is queued, finish, end within this many seconds.
    Stop(f64),
    /// Another process has this one's place: serve the connections that there are, for at most this many seconds.
    Retire(f64),
}

#[derive(Deserialize)]
struct Message {
    reload: Option<Value>,
    stop: Option<f64>,
    retire: Option<f64>,
}

/// Our end.
#[derive(Debug)]
pub struct Control {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Control {
    /// Takes over the descriptor.
    #[must_use]
    pub fn new(socket: OwnedFd) -> Self {
        Self { socket, buffer: vec![0; LARGEST] }
    }

    /// Next order; `None` when none waits. A supervisor that is gone counts as an order to stop.
    pub fn order(&mut self) -> Option<Order> {
        let length = match recv(&self.socket, &mut self.buffer[..], RecvFlags::DONTWAIT) {
            Ok((0, _)) => return Some(Order::Stop(1.0)),
            Ok((_, length)) => length,
            Err(Errno::AGAIN | Errno::INTR) => return None,
            Err(_) => return Some(Order::Stop(1.0)),
        };
        let octets = &self.buffer[..length.min(LARGEST)];
        let message: Message = match serde_json::from_slice(octets) {
            Ok(message) => message,
            Err(error) => return Some(Order::Unreadable(error.to_string())),
        };
        match message {
            Message { stop: Some(grace), .. } => Some(Order::Stop(grace)),
            Message { retire: Some(longest), .. } => Some(Order::Retire(longest)),
            Message { reload: Some(Value::String(path)), .. } => Some(match std::fs::read(&path) {
                Ok(octets) => Order::Reload(octets),
                Err(error) => Order::Unreadable(format!("{path}: {error}")),
            }),
            Message { reload: Some(config), .. } => Some(Order::Reload(config.to_string().into_bytes())),
            Message { .. } => Some(Order::Unreadable("neither reload nor retire nor stop".into())),
        }
    }

    /// Reads the sockets from now on.
    pub fn ready(&self) {
        self.tell(&json!({"ready": true}));
    }

    /// The new configuration is in force.
    pub fn reloaded(&self) {
        self.tell(&json!({"reloaded": true}));
    }

    /// The old configuration stays.
    pub fn refused(&self, problems: &[(String, String)]) {
        self.tell(&json!({"refused": problems}));
    }

    /// So many connections are left.
    pub fn retired(&self, connections: usize) {
        self.tell(&json!({"retired": connections}));
    }

    /// A line for the log.
    pub fn log(&self, level: &str, event: &str, detail: &str) {
        self.tell(&json!({"log": {"event": event, "level": level, "detail": detail}}));
    }

    /// Says it if the supervisor's queue has room: a supervisor that does not read must not hold up a datagram.
    fn tell(&self, message: &Value) {
        let _ = send(&self.socket, message.to_string().as_bytes(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    fn pair() -> (Control, OwnedFd) {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).expect("a pair");
        (Control::new(ours), theirs)
    }

    #[test]
    fn orders_are_read() {
        let (mut control, supervisor) = pair();
        assert_eq!(control.order(), None);
        let say = |text: &str| send(&supervisor, text.as_bytes(), SendFlags::empty()).expect("sent");
        say(r#"{"reload": {"domains": []}}"#);
        say(r#"{"stop": 2.5}"#);
        say(r#"{"retire": 60}"#);
        say(r#"{"reload": "/nonexistent"}"#);
        say("nonsense");
        assert_eq!(control.order(), Some(Order::Reload(br#"{"domains":[]}"#.to_vec())));
        assert_eq!(control.order(), Some(Order::Stop(2.5)));
        assert_eq!(control.order(), Some(Order::Retire(60.0)));
        assert!(matches!(control.order(), Some(Order::Unreadable(_))));
        assert!(matches!(control.order(), Some(Order::Unreadable(_))));
        assert_eq!(control.order(), None);
        drop(supervisor);
        assert_eq!(control.order(), Some(Order::Stop(1.0)), "the supervisor died");
    }

    #[test]
    fn a_supervisor_that_does_not_read_holds_nothing_up() {
        let (control, _supervisor) = pair();
        for _ in 0..10_000 {
            control.log("info", "event", "detail");
        }
    }
}
