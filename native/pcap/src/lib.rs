//! SIP messages from captures: pcap and pcapng files, their link layers, IP fragments and TCP streams.
//!
//! The octets of the capture are the caller's (a file that is mapped, a buffer); nothing here opens or copies them. What comes
//! out are places in them, but for messages that were put together from several packets.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let capture = std::fs::read("trunk.pcap")?;
//! let mut reader = dialplane_pcap::Reader::new(&capture, dialplane_syntax::Limits::default())?;
//! while let Some(packet) = reader.next(&capture) {
//!     println!("{} -> {}: {} octets", packet.source, packet.destination, packet.octets(&capture).len());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`file`](mod@file) | pcap and pcapng: from a file to its frames |
//! | [`link`] | from a frame to its IP packet |
//! | [`ip`] | IPv4 and IPv6 headers |
//! | [`fragments`] | datagrams that came in several packets |
//! | [`streams`] | TCP: segments in order, cut into messages |
//! | [`reader`] | all of it, one packet after the other, with counts |
#![forbid(unsafe_code)]

pub mod file;
pub mod fragments;
pub mod ip;
pub mod link;
mod octets;
pub mod reader;
pub mod streams;

pub use file::CaptureError;
pub use reader::{Counts, Packet, Reader, Transport};
