//! Targets that outlive the request's way through the engine. RFC 3261 §16.5, §16.6 (serial and parallel search).

use super::watch::Watched;
use crate::path::Path;
use crate::proxy::hop::{Leaving, Next, Tried};
use crate::routing::target::{HopHost, NextHop};
use std::collections::VecDeque;

/// A place where a request may go.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    uri: Option<Box<[u8]>>,
    path: Box<[u8]>,
    last_route: Box<[u8]>,
    next: OwnNext,
    record_route: bool,
    insert_path: bool,
    watched: Option<Watched>,
    /// Targets of one group are tried at one time; groups one after the other.
    pub group: u16,
    /// Whether it stands for the one before it, to be tried only if that could not be reached (RFC 3263 §4.3).
    pub stands_in: bool,
    /// Addresses of its name that were tried and failed.
    pub tried: Vec<Tried>,
    /// Other flows of the same client, tried one after the other when this one failed (RFC 5626 §5.3, §7).
    pub others: VecDeque<Target>,
}

#[derive(Clone, Debug)]
enum OwnNext {
    Hop(NextHop),
    Path(Path),
}

impl Target {
    /// The same as a request leaves by, kept.
    pub(crate) fn new(leaving: &Leaving<'_>, group: u16, stands_in: bool) -> Self {
        Self {
            uri: leaving.uri.map(Into::into),
            path: leaving.path.into(),
            last_route: leaving.last_route.into(),
            next: match leaving.next {
                Next::Hop(hop) => OwnNext::Hop(hop.clone()),
                Next::Path(path) => OwnNext::Path(path),
            },
            record_route: leaving.record_route,
            insert_path: leaving.insert_path,
            watched: leaving.watched,
            group,
            stands_in,
            tried: Vec::new(),
            others: VecDeque::new(),
        }
    }

    pub(crate) fn leaving(&self) -> Leaving<'_> {
        Leaving {
            uri: self.uri.as_deref(),
            path: &self.path,
            last_route: &self.last_route,
            next: match &self.next {
                OwnNext::Hop(hop) => Next::Hop(hop),
                OwnNext::Path(path) => Next::Path(*path),
            },
            record_route: self.record_route,
            stateful: true,
            failover: false,
            insert_path: self.insert_path,
            watched: self.watched,
        }
    }

    /// New request URI.
    pub(crate) fn uri(&self) -> Option<&[u8]> {
        self.uri.as_deref()
    }

    /// The same with these in its place when it fails.
    pub(super) fn with_others(self, others: VecDeque<Target>) -> Self {
        Self { others, ..self }
    }

    /// Whether something is left to be tried in its place.
    pub(super) fn has_more(&self) -> bool {
        !self.others.is_empty() || is_name(&self.leaving().next)
    }
}

/// Whether a hop may have more than one address.
pub(super) fn is_name(next: &Next<'_>) -> bool {
    matches!(next, Next::Hop(hop) if matches!(hop.host, HopHost::Name(_)))
}
