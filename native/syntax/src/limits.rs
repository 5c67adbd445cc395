//! Limits and leniencies of the parser. They bound memory and work per message; none is a matter of grammar.

/// How much a message may hold, and which faults of real devices are passed over. [`Limits::default`] is strict and has the
/// figures of the project's security document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Octets of a whole message. Default 65,536: what a UDP datagram can hold; Kamailio and OpenSIPS have the same.
    pub message: usize,
    /// Header fields. Default 256, far above the 44 of the largest message seen in the field.
    pub fields: usize,
    /// Octets of one header field with its name and folds. Default 16,384.
    pub field: usize,
    /// Via elements. Default 64; RFC 3261 §8.1.1.6 starts Max-Forwards at 70.
    pub via: usize,
    /// Route elements. Default 32.
    pub route: usize,
    /// Contact elements. Default 64.
    pub contacts: usize,
    /// Read a stream message without Content-Length as one without a body. Default off, RFC 3261 §18.3 requires the
    /// field there. RFC 2543 clients over TCP leave it out of requests without a body.
    pub stream_without_length: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: 65_536,
            fields: 256,
            field: 16_384,
            via: 64,
            route: 32,
            contacts: 64,
            stream_without_length: false,
        }
    }
}
