//! Sockets, clock and worker loop. RFC 3261 §18.
//!
//! Nothing here decides what a message means: bytes go to the engine, and its verdict is carried out.

pub mod clock;
pub mod control;
pub mod handover;
pub mod page;
pub mod resolve;
pub mod retirement;
pub mod steer;
pub mod stream;
pub mod udp;
pub mod worker;
