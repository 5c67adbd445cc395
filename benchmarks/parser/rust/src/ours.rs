//! dialplane-syntax.

use crate::{Level, Reading, Value, keep};
use dialplane_syntax::{HeaderId, Index, Limits, Message, parse};
use std::cell::RefCell;

thread_local! {
    /// Storage that lives from message to message, as it does in a program.
    static INDEX: RefCell<Index> = RefCell::new(Index::new());
}

pub(crate) fn work(bytes: &[u8], level: Level) -> bool {
    INDEX.with_borrow_mut(|index| {
        let Ok(message) = parse(bytes, index, &Limits::default()) else { return false };
        match level {
            Level::Index => keep(message.body()),
            Level::Typical => typical(&message),
            Level::Every => every(&message),
        }
        true
    })
}

fn typical(message: &Message<'_>) {
    keep(message.request_uri());
    keep(message.top_via());
    keep(message.from());
    keep(message.to());
    keep(message.call_id());
    keep(message.cseq());
    keep(message.max_forwards());
}

fn every(message: &Message<'_>) {
    typical(message);
    for field in message.fields() {
        for element in field.elements() {
            keep(element);
        }
    }
    keep(message.from().map(|from| from.parsed_uri()));
    keep(message.to().map(|to| to.parsed_uri()));
    for id in [HeaderId::CONTACT, HeaderId::ROUTE, HeaderId::RECORD_ROUTE, HeaderId::P_ASSERTED_IDENTITY] {
        for address in message.name_addrs(id) {
            keep(address.map(|address| address.parsed_uri()));
        }
    }
    keep(message.seconds(HeaderId::SESSION_EXPIRES));
    keep(message.seconds(HeaderId::MIN_SE));
    keep(message.content_length());
}

pub(crate) fn read(bytes: &[u8]) -> Option<Reading> {
    INDEX.with_borrow_mut(|index| {
        let message = parse(bytes, index, &Limits::default()).ok()?;
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let there = |id| message.contains(id);
        let start = match message.method_name() {
            Some(method) => text(method),
            None => message.status().unwrap_or_default().to_string(),
        };
        // What is not there is no fault here.
        let when = |id, value: Result<Option<String>, _>| {
            if there(id) { Value::of::<dialplane_syntax::FieldError>(value) } else { Value::Absent }
        };
        Some(Reading {
            start,
            branch: when(HeaderId::VIA, message.top_via().map(|via| via.branch.map(text))),
            from_tag: when(HeaderId::FROM, message.from().map(|from| from.tag().map(text))),
            to_tag: when(HeaderId::TO, message.to().map(|to| to.tag().map(text))),
            call_id: when(HeaderId::CALL_ID, message.call_id().map(|id| Some(text(id)))),
            cseq: when(
                HeaderId::CSEQ,
                message.cseq().map(|cseq| Some(format!("{} {}", cseq.number, text(cseq.method_name)))),
            ),
            max_forwards: Value::of(message.max_forwards().map(|hops| hops.map(|hops| hops.to_string()))),
        })
    })
}
