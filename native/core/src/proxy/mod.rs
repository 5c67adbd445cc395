//! Proxy. RFC 3261 §16; one module for each part of the chapter.

pub(crate) mod branch;
pub(crate) mod context;
pub(crate) mod flow;
pub(crate) mod forward;
pub(crate) mod gruu;
pub(crate) mod hop;
mod identity;
pub(crate) mod keep;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod route;
mod set;
pub(crate) mod size;
mod target;
