//! Captures and buffers of frames: `parse_many`, `count` and what they give.
//!
//! | module | holds |
//! |---|---|
//! | [`source`] | where packets come from, cut one after the other without Python's lock |
//! | [`batch`] | `Batches`, `Batch` |
//! | [`packet`] | `Packet` |
//! | [`count`] | `count`, `Statistics` |

pub(crate) mod batch;
pub(crate) mod count;
pub(crate) mod packet;
pub(crate) mod source;
