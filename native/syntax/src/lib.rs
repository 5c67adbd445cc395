//! SIP syntax: bytes to views and back. RFC 3261 §7, §19, §20, §25.
//!
//! One pass over a message finds its lines and names its header fields; values are parsed when they are asked for; what
//! is changed is written as edits against the received bytes, so that what nobody understood leaves byte for byte.
//! Nothing here allocates while parsing, keeps state, reads a clock or opens a socket.
//!
//! ```
//! use dialplane_syntax::{HeaderId, Index, Limits, Method, parse};
//!
//! let bytes = b"OPTIONS sip:bob@biloxi.com SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nCSeq: 7 OPTIONS\r\n\r\n";
//! let mut index = Index::new();
//! let message = parse(bytes, &mut index, &Limits::default())?;
//! assert_eq!(message.method(), Some(Method::Options));
//! assert_eq!(message.first(HeaderId::VIA).map(|field| field.name), Some(&b"v"[..]));
//! assert_eq!(message.cseq().map(|cseq| cseq.number), Ok(7));
//! # Ok::<(), dialplane_syntax::ParseError>(())
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`parse`](mod@parse) | framing, start line, lines and names into an [`Index`] |
//! | [`message`], [`field`] | the views over the index |
//! | [`header`] | the header table and the typed values |
//! | [`uri`] | SIP, SIPS and tel URIs, equality, canonical address-of-record |
//! | [`validate`](mod@validate) | readable but wrong: what to answer |
//! | [`patch`] | edits against the received bytes |
//! | [`build`] | own requests and responses |
//! | [`stun`] | STUN Binding requests, which come to the same port |
#![no_std]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod build;
pub mod chars;
pub mod error;
pub mod field;
pub mod header;
pub mod index;
pub mod limits;
pub mod message;
pub mod method;
pub mod parse;
pub mod patch;
mod scan;
pub mod stream;
pub mod stun;
mod text;
pub mod uri;
pub mod validate;

pub use build::{Fields, RequestBuilder, reason_phrase, write_response};
pub use error::{FieldError, FieldErrorKind, ParseError, ParseErrorKind};
pub use field::{Element, Field};
pub use header::{CSeq, Contacts, Digest, HeaderId, NameAddr, Params, Via};
pub use index::Index;
pub use limits::Limits;
pub use message::{Message, StartLine};
pub use method::Method;
pub use parse::{Status, parse, parse_stream};
pub use patch::Edits;
pub use stream::Framer;
pub use uri::{Host, SipUri, TelUri, Uri, UriError};
pub use validate::{Essentials, Rejection, check, validate};

/// The examples of the README are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
