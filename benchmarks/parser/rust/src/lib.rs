//! Four parsers behind one function each: what a server reads of a message, in words that can be compared. RFC 3261 §8.1.1.
//!
//! Each body uses its library as its documentation does. `Level::Index` is all that the library needs before a header can be asked for.

mod ezk;
mod ours;

/// How much of a message is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// What has to be done before a header can be asked for.
    Index,
    /// And Request-URI, top Via, From, To, Call-ID, CSeq, Max-Forwards as typed values.
    Typical,
    /// And every other field, typed where the library has a type, element by element where not.
    Every,
}

/// What one library says of one message.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reading {
    /// Method, or status code.
    pub start: String,
    /// The branch of the top Via.
    pub branch: Value,
    /// The tag of From.
    pub from_tag: Value,
    /// The tag of To.
    pub to_tag: Value,
    /// Call-ID.
    pub call_id: Value,
    /// Number and method of CSeq.
    pub cseq: Value,
    /// Max-Forwards.
    pub max_forwards: Value,
}

/// A part of a message.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Value {
    /// It is not there.
    #[default]
    Absent,
    /// It is there and cannot be read.
    Unreadable,
    /// What it is.
    Text(String),
}

impl Value {
    fn of<E>(value: Result<Option<String>, E>) -> Self {
        match value {
            Ok(Some(text)) => Self::Text(text),
            Ok(None) => Self::Absent,
            Err(_) => Self::Unreadable,
        }
    }
}

/// A library.
pub struct Parser {
    /// Its name in the registry.
    pub name: &'static str,
    /// For the benchmark: does the work and throws it away; `false` when the message is refused.
    pub work: fn(&[u8], Level) -> bool,
    /// For the comparison; `None` when the message is refused.
    pub read: fn(&[u8]) -> Option<Reading>,
}

/// All of them, ours first.
pub const PARSERS: [Parser; 4] = [
    Parser { name: "dialplane-syntax", work: ours::work, read: ours::read },
    Parser { name: "ezk-sip-types", work: ezk::work, read: ezk::read },
    Parser { name: "rsip", work: by_rsip::work, read: by_rsip::read },
    Parser { name: "rsipstack", work: by_rsipstack::work, read: by_rsipstack::read },
];

/// Makes the compiler believe that the value is used.
fn keep<T>(value: T) {
    std::hint::black_box(&value);
}

/// rsipstack holds a parser of its own that has the interface of rsip.
macro_rules! rsip_like {
    ($name:ident, $library:path, $($typed:ident)*) => {
        mod $name {
            use super::{Level, Reading, Value, keep};
            use sip::prelude::*;
            use sip::{Header, SipMessage};
            use $library as sip;

            pub(super) fn work(bytes: &[u8], level: Level) -> bool {
                let Ok(message) = SipMessage::try_from(bytes) else { return false };
                if level == Level::Index {
                    keep(&message);
                    return true;
                }
                if let SipMessage::Request(request) = &message {
                    keep(&request.uri);
                }
                keep(message.via_header().map(|header| header.typed()));
                keep(message.from_header().map(|header| header.typed()));
                keep(message.to_header().map(|header| header.typed()));
                keep(message.call_id_header());
                keep(message.cseq_header().map(|header| header.typed()));
                keep(message.max_forwards_header().map(|header| header.value().trim().parse::<u32>()));
                if level == Level::Every {
                    for header in message.headers().iter() {
                        match header {
                            $(Header::$typed(header) => keep(header.typed()),)*
                            other => keep(other),
                        }
                    }
                }
                true
            }

            pub(super) fn read(bytes: &[u8]) -> Option<Reading> {
                let message = SipMessage::try_from(bytes).ok()?;
                let start = match &message {
                    SipMessage::Request(request) => request.method.to_string(),
                    SipMessage::Response(response) => response.status_code.code().to_string(),
                };
                let via = message.via_header().ok().map(|header| header.typed()).transpose();
                let from = message.from_header().ok().map(|header| header.typed()).transpose();
                let to = message.to_header().ok().map(|header| header.typed()).transpose();
                let cseq = message.cseq_header().ok().map(|header| header.typed()).transpose();
                let hops = message.max_forwards_header().ok().map(|header| header.value().trim().parse::<u32>()).transpose();
                Some(Reading {
                    start,
                    branch: Value::of(
                        via.map(|via| via.and_then(|via| via.branch().map(|branch| branch.value().to_string()))),
                    ),
                    from_tag: Value::of(
                        from.map(|from| from.and_then(|from| from.tag().map(|tag| tag.value().to_string()))),
                    ),
                    to_tag: Value::of(to.map(|to| to.and_then(|to| to.tag().map(|tag| tag.value().to_string())))),
                    call_id: Value::of::<()>(Ok(message
                        .call_id_header()
                        .ok()
                        .map(|header| header.value().to_string()))),
                    cseq: Value::of(cseq.map(|cseq| cseq.map(|cseq| format!("{} {}", cseq.seq, cseq.method)))),
                    max_forwards: Value::of(hops.map(|hops| hops.map(|hops| hops.to_string()))),
                })
            }
        }
    };
}

rsip_like!(by_rsip, rsip, Allow Contact ContentType RecordRoute Route);
rsip_like!(by_rsipstack, rsipstack::sip, Contact RecordRoute Route);
