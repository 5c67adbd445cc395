//! SIP transactions without input or output. RFC 3261 §17, RFC 4320, RFC 6026.
//!
//! Bytes are opaque, time comes in, effects leave through a [`Sink`]. A machine keeps what it must retransmit and never
//! looks inside; it sends nothing and starts nothing. After each step its [`Due`] says when it wants to be called again
//! and for which timer.
//!
//! | module | holds |
//! |---|---|
//! | [`client_invite`], [`client_non_invite`], [`server_invite`], [`server_non_invite`] | the machines |
//! | [`timer`] | timer values, letters of the RFCs |
//! | [`derived`] | ACK and CANCEL, made from an INVITE |
//! | [`key`] | which message belongs to which transaction |
//! | [`table`] | transactions by key, in slots with generations |
//! | [`wheel`] | deadlines of many transactions, at a cost that does not grow with their number |
//!
//! The tables of the machines stand in `native/transaction/tables/`, printed from what the machines do.

pub mod client_invite;
pub mod client_non_invite;
pub mod derived;
pub mod key;
pub mod server_invite;
pub mod server_non_invite;
pub mod sink;
pub mod table;
pub mod timer;
pub mod wheel;

pub use client_invite::ClientInvite;
pub use client_non_invite::ClientNonInvite;
pub use key::{Key, Keyer};
pub use server_invite::ServerInvite;
pub use server_non_invite::ServerNonInvite;
pub use sink::{Failure, Sink, Taken};
pub use table::{SlotId, Table};
pub use timer::{Due, Reliability, Timer, TimerConfig};
pub use wheel::Wheel;
