//! Addresses that failed, and until when that is remembered.

use std::collections::HashMap;
use std::net::SocketAddr;

/// Addresses remembered at a time.
const MOST: usize = 10_000;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    until_ms: HashMap<SocketAddr, u64>,
}

impl Failures {
    /// Whether `peer` failed lately.
    pub(crate) fn has(&self, peer: SocketAddr, now_ms: u64) -> bool {
        !self.until_ms.is_empty() && self.until_ms.get(&peer).is_some_and(|&until| now_ms < until)
    }

    /// Remembers for a while that `peer` failed.
    pub(crate) fn note(&mut self, peer: SocketAddr, now_ms: u64, while_ms: u64) {
        if self.until_ms.len() >= MOST {
            self.until_ms.retain(|_, until| now_ms < *until);
        }
        if self.until_ms.len() < MOST {
            self.until_ms.insert(peer, now_ms + while_ms);
        }
    }
}
