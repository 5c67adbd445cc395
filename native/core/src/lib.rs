//! SIP engine without input or output: proxy, registrar, redirect server, routing. RFC 3261 §5 (the layers).
//!
//! Bytes, time and chance come in as arguments; what is to be sent goes out as a [`engine::Verdict`]. Nothing here
//! reads a clock, opens a socket or file, starts a thread or knows Python.

pub mod access;
pub mod auth;
pub mod calls;
pub mod config;
pub mod counter;
pub mod engine;
mod failures;
pub mod guard;
mod keepalive;
pub mod keys;
pub mod listener;
pub mod names;
pub mod path;
mod probing;
mod proxy;
pub mod redirect;
pub mod registrar;
mod respond;
pub mod routing;
pub mod snapshot;
pub mod spread;
pub mod store;
pub mod testing;
mod text;
pub mod time;
pub mod trace;
mod turn;
pub mod unsent;
