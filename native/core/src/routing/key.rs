//! What a rule looks at in a request.

use dialplane_syntax::{Host, Uri};
use std::net::IpAddr;

/// The parts of a request that decide its route, borrowed from the message. Building one copies nothing.
#[derive(Clone, Copy, Debug)]
pub struct RouteKey<'a> {
    /// Method as the start line has it.
    pub method: &'a [u8],
    /// Whole request URI as the start line has it.
    pub uri: &'a [u8],
    /// User part of a SIP or SIPS URI without password, or the number of a tel URI without parameters; as written, with
    /// its escapes.
    pub user: Option<&'a [u8]>,
    /// Host of a SIP or SIPS URI; `None` for other schemes.
    pub host: Option<Host<'a>>,
    /// Address that the request came from.
    pub source: IpAddr,
}

impl<'a> RouteKey<'a> {
    /// `uri` is the request URI as the start line has it, `parsed` the same taken apart.
    #[must_use]
    pub fn new(method: &'a [u8], uri: &'a [u8], parsed: &Uri<'a>, source: IpAddr) -> Self {
        let (user, host) = match parsed {
            Uri::Other { .. } => (None, None),
            Uri::Sip(sip) => (sip.user, Some(sip.host)),
            Uri::Tel(tel) => (Some(tel.number), None),
        };
        Self { method, uri, user, host, source }
    }

    /// The method whose rules apply: RFC 3261 §16.11 wants the CANCEL and the non-routed ACK of an INVITE to make the
    /// same choice as the INVITE, so both are looked up as one.
    pub(super) fn rule_method(&self) -> &'a [u8] {
        match self.method {
            b"ACK" | b"CANCEL" => b"INVITE",
            method => method,
        }
    }
}
