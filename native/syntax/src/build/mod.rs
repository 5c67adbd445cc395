//! Own messages: responses and requests written into a buffer. RFC 3261 §7, §8.1.1, §8.2.6.

mod fields;
mod reason;
mod request;
mod response;

pub use fields::Fields;
pub use reason::reason_phrase;
pub use request::RequestBuilder;
pub use response::write_response;
