//! ezk-sip-types, put together as ezk-sip-core does it for a datagram.

use crate::{Level, Reading, Value, keep};
use bytes::Bytes;
use ezk_internal::Finish;
use ezk_sip_types::header::typed::{
    Allow, CSeq, CallID, Contact, ContentLength, FromTo, MaxForwards, MinSe, SessionExpires, Supported, Via,
};
use ezk_sip_types::header::{DecodeValues, HeaderError};
use ezk_sip_types::msg::{Line, MessageLine, PullParser};
use ezk_sip_types::parse::Parse;
use ezk_sip_types::{Headers, Name};

fn parse(bytes: &[u8]) -> Option<(MessageLine, Headers)> {
    let buffer = Bytes::copy_from_slice(bytes);
    let mut parser = PullParser::new(&buffer, 0);
    let mut first = None;
    let mut headers = Headers::new();
    for line in &mut parser {
        let line = std::str::from_utf8(line.ok()?).ok()?;
        if first.is_none() {
            first = Some(MessageLine::parse(&buffer)(line).ok()?.1);
        } else {
            let (_, line) = Line::parse(&buffer, line).finish().ok()?;
            headers.insert(line.name, line.value);
        }
    }
    let length = headers.get_named::<ContentLength>().map_or(0, |length| length.0);
    (buffer.len() >= parser.head_end() + length).then_some((first?, headers))
}

pub(crate) fn work(bytes: &[u8], level: Level) -> bool {
    let Some((line, headers)) = parse(bytes) else { return false };
    keep(&line);
    if level == Level::Index {
        return true;
    }
    keep(headers.get_named::<Via>());
    keep(headers.get::<FromTo>(Name::FROM));
    keep(headers.get::<FromTo>(Name::TO));
    keep(headers.get_named::<CallID>());
    keep(headers.get_named::<CSeq>());
    keep(headers.get_named::<MaxForwards>());
    if level == Level::Every {
        keep(headers.get_named::<Vec<Contact>>());
        keep(headers.get_named::<Vec<Via>>());
        keep(headers.get_named::<Vec<Allow>>());
        keep(headers.get_named::<Vec<Supported>>());
        keep(headers.get_named::<SessionExpires>());
        keep(headers.get_named::<MinSe>());
        for (name, value) in headers.iter() {
            keep((name, value));
        }
    }
    true
}

fn get<H: DecodeValues>(headers: &Headers, name: Name) -> Result<Option<H>, HeaderError> {
    headers.try_get(name).transpose()
}

pub(crate) fn read(bytes: &[u8]) -> Option<Reading> {
    let (line, headers) = parse(bytes)?;
    let start = match line {
        MessageLine::Request(line) => line.method.to_string(),
        MessageLine::Response(line) => line.code.into_u16().to_string(),
    };
    let branch = |via: Via| via.params.get_val("branch").map(ToString::to_string);
    let tag = |address: FromTo| address.tag.map(|tag| tag.to_string());
    Some(Reading {
        start,
        branch: Value::of(get::<Via>(&headers, Name::VIA).map(|via| via.and_then(branch))),
        from_tag: Value::of(get::<FromTo>(&headers, Name::FROM).map(|from| from.and_then(tag))),
        to_tag: Value::of(get::<FromTo>(&headers, Name::TO).map(|to| to.and_then(tag))),
        call_id: Value::of(get::<CallID>(&headers, Name::CALL_ID).map(|id| id.map(|id| id.0.to_string()))),
        cseq: Value::of(
            get::<CSeq>(&headers, Name::CSEQ).map(|cseq| cseq.map(|cseq| format!("{} {}", cseq.cseq, cseq.method))),
        ),
        max_forwards: Value::of(
            get::<MaxForwards>(&headers, Name::MAX_FORWARDS).map(|hops| hops.map(|hops| hops.0.to_string())),
        ),
    })
}
