//! UDP in batches. RFC 3261 §18.
//!
//! A [`Batch`] owns its frames: what the kernel received stays where it is, is edited in place and goes out from there.
//! Nothing here knows SIP.

mod linux;
mod queue;

pub use linux::{Batch, Outcome, adopt, stamp};

/// Datagrams taken from or given to the kernel in one call.
pub const BATCH: usize = 64;

/// Room before a received message, into which its head may grow. Via and Record-Route of a forward need about 200.
pub const HEADROOM: usize = 256;

/// Largest UDP payload.
pub const LARGEST: usize = 65_535;

/// Distance of two frames. Not a multiple of a power of two: frames that began at the same place of each 4 KiB page
/// would fight for the same few lines of the first-level cache.
pub(crate) const STRIDE: usize = HEADROOM + 65_536 + 128 + 64;
