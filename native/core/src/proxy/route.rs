//! Route information of a request, before its target is looked for. RFC 3261 §16.4.

use super::flow;
use crate::keys::Keys;
use crate::path::Path;
use crate::text::{WORD, push_base32, read_base32};
use dialplane_syntax::{Element, Field, HeaderId, Message, NameAddr, SipUri, Uri};

/// URI parameter of our Record-Route; its value is [`push_token`] of the dialog's Call-ID.
const TOKEN: &[u8] = b"dp";
/// See [`push_token`].
const STATEFUL: u8 = b't';
/// Our own values that may stand on top: two when the proxy changed sides (RFC 5658 §5).
const MOST_OWN: usize = 2;

/// What §16.4 made of the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Routed<'b> {
    /// Request URI to go on with.
    pub uri: &'b [u8],
    /// Whether `uri` came from the last Route value, because a strict router had put ours in its place.
    pub repaired: bool,
    /// Number of Route values of ours, taken off the top.
    pub popped: usize,
    /// Number of Route values in all, as received.
    pub count: usize,
    /// First Route value that is left; the next hop.
    pub next: Option<Element<'b>>,
    /// The flow that the other side of the dialog is reached by, if a value that named us says so.
    pub flow: Option<Path>,
    /// The flow of a client that registered through us, if the value that named us is the Path of its registration
    /// (RFC 5626 §5.3).
    pub client: Option<Path>,
    /// Whether that value was changed by somebody.
    pub is_tampered: bool,
    /// Whether a value that named us had been made by us for this Call-ID: the request belongs to a dialog that passed
    /// our checks when it began.
    pub authentic: bool,
    /// Whether that value says that the first request of the dialog was kept in a transaction.
    pub stateful: bool,
}

impl Routed<'_> {
    /// Takes note of the token in a value that names us, if it was made for this Call-ID.
    fn token(&mut self, uri: &SipUri<'_>, call_id: &[u8], keys: &Keys) {
        let Some(Some(token)) = uri.params.find(TOKEN) else { return };
        let (token, stateful) = match token.split_last() {
            Some((&STATEFUL, token)) if token.len() == WORD => (token, true),
            _ => (token, false),
        };
        if token.len() == WORD && read_base32(token) == Some(keys.route.hash(call_id)) {
            self.authentic = true;
            self.stateful |= stateful;
        }
    }

    /// Whether Route value number `place` (from 0) stays in the forwarded request.
    fn keeps(&self, place: usize) -> bool {
        place >= self.popped && !(self.repaired && place + 1 == self.count)
    }

    /// Calls `remove` for each range of the message that goes, given one Route field and the number of its first value.
    /// Returns the number of the first value of the next field.
    pub(crate) fn removals(
        &self,
        message: &Message<'_>,
        field: &Field<'_>,
        first: usize,
        mut remove: impl FnMut(std::ops::Range<usize>),
    ) -> usize {
        let line = field.line_range();
        let value = field.value_range();
        let mut place = first;
        let (mut kept_from, mut kept_to) = (None, value.start);
        for element in message.elements(HeaderId::ROUTE).skip(first) {
            if element.range().start >= line.end {
                break;
            }
            if self.keeps(place) {
                kept_from.get_or_insert(element.range().start);
                kept_to = element.range().end;
            }
            place += 1;
        }
        match kept_from {
            None if place > first => remove(line),
            None => {}
            Some(from) => {
                if from > value.start {
                    remove(value.start..from);
                }
                if kept_to < value.end {
                    remove(kept_to..value.end);
                }
            }
        }
        place
    }
}

/// Carries out §16.4. `is_own` tells whether a host and port are ours.
pub(crate) fn preprocess<'b>(
    message: &Message<'b>,
    uri: &'b [u8],
    call_id: &[u8],
    keys: &Keys,
    is_own: impl Fn(&SipUri<'b>) -> bool,
) -> Routed<'b> {
    let mut routed = Routed {
        uri,
        repaired: false,
        popped: 0,
        count: 0,
        next: None,
        flow: None,
        client: None,
        is_tampered: false,
        authentic: false,
        stateful: false,
    };
    if message.first(HeaderId::ROUTE).is_none() {
        return routed;
    }
    let mut last = None;
    let mut own = true;
    for element in message.elements(HeaderId::ROUTE) {
        if own && routed.popped < MOST_OWN {
            match own_route(&element, &is_own) {
                Some(route) => {
                    routed.popped += 1;
                    routed.token(&route, call_id, keys);
                    // What has no token of a dialog was a Path, or a Service-Route, which names no user.
                    if route.params.find(TOKEN).is_none() {
                        routed.client = route.user.and_then(|token| flow::read(keys, token));
                        routed.is_tampered |=
                            routed.client.is_none() && route.user.is_some() && route.params.contains(b"ob");
                    }
                    // Of the two that we write, the upper one is the side that the request comes from; its flow may be
                    // another by now. The lower one is where it goes (RFC 5626 §5.3.1).
                    if routed.popped == MOST_OWN {
                        routed.flow = route.user.and_then(|token| flow::read(keys, token));
                    }
                }
                None => own = false,
            }
        } else {
            own = false;
        }
        if !own {
            routed.next.get_or_insert(element);
        }
        routed.count += 1;
        last = Some(element);
    }
    // "if the Request-URI of the request contains a value that this proxy had placed into a Record-Route": only ours
    // carry the token, so nobody else's URI is taken for one.
    let strict = match Uri::parse(uri) {
        Ok(Uri::Sip(sip)) if is_own(&sip) && sip.params.find(TOKEN).is_some() => Some(sip),
        _ => None,
    };
    if let (Some(sip), Some(last)) = (strict, last)
        && routed.popped < routed.count
        && let Some(address) = address(&last)
    {
        routed.token(&sip, call_id, keys);
        routed.uri = address.uri;
        routed.repaired = true;
        if routed.popped + 1 == routed.count {
            routed.next = None;
        }
    }
    routed
}

/// A Route value, read.
pub(crate) fn address<'b>(element: &Element<'b>) -> Option<NameAddr<'b>> {
    NameAddr::parse(element.value, element.range().start, HeaderId::ROUTE).ok()
}

/// Appends the token that proves that a Record-Route value is ours. Behind it stands `t` if the requests of the dialog are to
/// be kept in transactions.
pub(crate) fn push_token(keys: &Keys, call_id: &[u8], stateful: bool, out: &mut Vec<u8>) {
    push_base32(keys.route.hash(call_id), WORD, out);
    if stateful {
        out.push(STATEFUL);
    }
}

fn own_route<'b>(element: &Element<'b>, is_own: &impl Fn(&SipUri<'b>) -> bool) -> Option<SipUri<'b>> {
    match Uri::parse(address(element)?.uri) {
        Ok(Uri::Sip(sip)) if is_own(&sip) => Some(sip),
        _ => None,
    }
}
