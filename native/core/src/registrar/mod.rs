//! Registrar. RFC 3261 §10.3.

pub mod q;
pub mod record;
