//! Connections: TCP, TLS, WebSocket and secure WebSocket. RFC 3261 §18, RFC 5626 §3.5.1, RFC 7118.
//!
//! | module | holds |
//! |---|---|
//! | [`streams`] | all connections of a worker |
//! | `connection`, `table`, `deadlines` | one of them with its socket; where it is kept; when it is looked at |
//! | `session` | one of them without its socket: PROXY header, TLS, WebSocket, framing |
//! | [`ws`], [`upgrade`], [`proxy_protocol`] | the octets of each protocol |
//! | `alias` | which connections lead back to who opened them |
//! | [`tls`], [`settings`] | what the configuration says |

mod alias;
mod connection;
mod deadlines;
pub mod proxy_protocol;
mod session;
pub mod settings;
pub mod streams;
mod table;
pub mod tls;
pub mod upgrade;
pub mod ws;

use rustix::net::sockopt;
use std::os::fd::AsFd;
use std::time::Duration;

/// Sends at once, and notices within two minutes that a peer is gone without a word. Listening sockets hand this down to
/// what they accept, so the supervisor sets the same there.
fn options(socket: impl AsFd) -> rustix::io::Result<()> {
    let socket = socket.as_fd();
    sockopt::set_tcp_nodelay(socket, true)?;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, Duration::from_secs(60))?;
    sockopt::set_tcp_keepintvl(socket, Duration::from_secs(15))?;
    sockopt::set_tcp_keepcnt(socket, 4)?;
    sockopt::set_tcp_user_timeout(socket, 60_000)
}
