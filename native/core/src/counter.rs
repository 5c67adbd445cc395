//! Everything that is counted, in one table: name as shown by `dialplane status` and `/metrics`, meaning, RFC section.
//!
//! A worker counts in its own [`Counters`]; the worker loop copies them to its mapped page after each batch.

macro_rules! counters {
    ($($(#[doc = $doc:expr])+ $name:ident = $label:literal,)+) => {
        /// One counted kind of event.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Counter { $($(#[doc = $doc])+ $name,)+ }

        impl Counter {
            /// Every counter, in the order of the mapped page.
            pub const ALL: &'static [Counter] = &[$(Counter::$name,)+];

            /// The counter of our own responses of this status.
            #[must_use]
            pub fn answered(status: u16) -> Self {
                match status {
                    ..200 => Counter::Answered1xx,
                    200..300 => Counter::Answered2xx,
                    300..400 => Counter::Answered3xx,
                    400..500 => Counter::Answered4xx,
                    500..600 => Counter::Answered5xx,
                    600.. => Counter::Answered6xx,
                }
            }

            /// Name in metrics: `snake_case`, without prefix and without `_total`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Counter::$name => $label,)+ }
            }

            /// What it counts, one line.
            #[must_use]
            pub fn help(self) -> &'static str {
                match self { $(Counter::$name => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

counters! {
    /// Datagrams and stream messages received.
    Received = "messages_received",
    /// Octets received.
    ReceivedBytes = "bytes_received",
    /// Messages sent.
    Sent = "messages_sent",
    /// Octets sent.
    SentBytes = "bytes_sent",
    /// Messages that the kernel did not take.
    SendErrors = "send_errors",
    /// Batches received (calls of the kernel that brought at least one message).
    Batches = "batches",
    /// Requests received.
    Requests = "requests_received",
    /// Responses received.
    Responses = "responses_received",
    /// Keep-alives received (RFC 5626 §3.5.1).
    KeepAlives = "keepalives_received",
    /// STUN Binding requests answered (RFC 5626 §3.5.2).
    StunAnswered = "stun_answered",
    /// Messages that are not SIP.
    Malformed = "malformed",
    /// Requests refused by validation (RFC 3261 §16.3).
    Rejected = "requests_rejected",
    /// Requests forwarded (RFC 3261 §16.6).
    ForwardedRequests = "requests_forwarded",
    /// Responses forwarded (RFC 3261 §16.7, §16.11).
    ForwardedResponses = "responses_forwarded",
    /// Responses whose top Via is not ours or not authentic (RFC 3261 §16.7).
    StrayResponses = "responses_stray",
    /// Own responses of class 1xx.
    Answered1xx = "answered_1xx",
    /// Own responses of class 2xx.
    Answered2xx = "answered_2xx",
    /// Own responses of class 3xx.
    Answered3xx = "answered_3xx",
    /// Own responses of class 4xx.
    Answered4xx = "answered_4xx",
    /// Own responses of class 5xx.
    Answered5xx = "answered_5xx",
    /// Own responses of class 6xx.
    Answered6xx = "answered_6xx",
    /// Challenges sent (RFC 3261 §22).
    Challenges = "challenges",
    /// Requests whose credentials were right.
    Authenticated = "authenticated",
    /// Requests whose credentials were wrong.
    AuthenticationFailures = "authentication_failures",
    /// Requests that replayed a nonce count (RFC 7616 §3.4.5).
    Replays = "nonce_replays",
    /// REGISTER requests that changed bindings.
    Registrations = "registrations",
    /// REGISTER requests that only asked.
    RegistrationFetches = "registration_fetches",
    /// Bindings removed because their connection was gone when a request was to go by it (RFC 5626 §5.3).
    FlowsForgotten = "flows_forgotten",
    /// Location look-ups that found a binding.
    LookupHits = "lookup_hits",
    /// Location look-ups that found none.
    LookupMisses = "lookup_misses",
    /// Requests answered with 3xx (RFC 3261 §8.3).
    Redirected = "redirected",
    /// Requests found in a loop (RFC 5393).
    Loops = "loops_detected",
    /// Requests refused because they would relay for a stranger.
    RelayDenied = "relay_denied",
    /// Requests dropped by rule.
    DroppedByRule = "dropped_by_rule",
    /// Requests without a usable target.
    NoTarget = "no_target",
    /// Names asked of the resolver (RFC 3263).
    NamesAsked = "names_asked",
    /// Names that led to addresses.
    NamesFound = "names_found",
    /// Names that do not exist, or lead nowhere.
    NamesUnknown = "names_unknown",
    /// Names for which no name server answered in time.
    NamesFailed = "names_failed",
    /// Answers kept beyond their time because no name server gave a new one (RFC 8767).
    NamesStale = "names_stale",
    /// OPTIONS probes sent to targets.
    ProbesSent = "probes_sent",
    /// OPTIONS probes without a good answer.
    ProbesFailed = "probes_failed",
    /// Requests to a target set of which no target is up; tried as if all were.
    TargetsAllDown = "targets_all_down",
    /// Targets of a set ejected because they failed again and again (`target_set.eject`).
    TargetsEjected = "targets_ejected",
    /// Calls not counted for the policy `calls` because there were too many.
    CallsUncounted = "calls_uncounted",
    /// Failures of the shared store.
    StoreErrors = "store_errors",
    /// Responses not sent because they would be larger than the unproved request.
    AmplificationAvoided = "amplification_avoided",
    /// Sources banned.
    Banned = "sources_banned",
    /// Messages of banned sources that were dropped unread.
    BannedDropped = "messages_dropped_banned",
    /// Requests dropped because their User-Agent is that of a scanner.
    Scanners = "requests_of_scanners",
    /// Requests refused because their source sent more than `guard.requests`, or a stranger too many STUN requests.
    RateLimited = "requests_rate_limited",
    /// Requests refused because there was more to do than could be done (RFC 7339 §5.10).
    Shed = "requests_shed",
    /// Requests kept in a transaction (RFC 3261 §16.2).
    Contexts = "contexts_begun",
    /// Requests not kept in a transaction because there were too many.
    ContextsFull = "contexts_refused",
    /// Retransmissions of requests absorbed (RFC 3261 §17.2).
    Retransmissions = "retransmissions_absorbed",
    /// Requests that came a second time by another way (RFC 3261 §8.2.2.2).
    Merged = "requests_merged",
    /// Branches beyond the first of a request (RFC 3261 §16.6).
    Forks = "branches_forked",
    /// Branches to the next target or address after one that failed (RFC 3263 §4.3).
    Failovers = "failovers",
    /// Branches that nobody answered in time (RFC 3261 §16.8).
    BranchTimeouts = "branches_timed_out",
    /// Branches whose place another took because they said nothing (`proxy.patience`).
    Impatience = "branches_given_up",
    /// Times that targets had rung long enough and the next were tried (`proxy.ring`).
    RingingEnded = "ringing_ended",
    /// INVITEs that their caller cancelled (RFC 3261 §16.10).
    Cancelled = "calls_cancelled",
    /// CANCELs sent to branches (RFC 3261 §9.1).
    CancelsSent = "cancels_sent",
    /// Final responses to INVITE that were never acknowledged (RFC 3261 §17.2.1, Timer H).
    AcksMissing = "acks_missing",
    /// 3xx responses whose contacts were tried (RFC 3261 §16.7 step 4).
    Recursed = "redirects_followed",
    /// Connections accepted.
    ConnectionsAccepted = "connections_accepted",
    /// Connections opened to a next hop.
    ConnectionsOpened = "connections_opened",
    /// Connections by which requests go back to who opened them (RFC 5923).
    ConnectionsAliased = "connections_aliased",
    /// Connections that could not be opened to a next hop.
    ConnectionsFailed = "connections_failed",
    /// Connections closed at once because there were too many.
    ConnectionsRefused = "connections_refused",
    /// Connections that the peer closed.
    ConnectionsClosedByPeer = "connections_closed_by_peer",
    /// Connections closed because nothing was heard on them.
    ConnectionsClosedIdle = "connections_closed_idle",
    /// Connections closed because a handshake or a message took too long.
    ConnectionsClosedSlow = "connections_closed_slow",
    /// Connections closed because the peer did not read what was sent.
    ConnectionsClosedFull = "connections_closed_full",
    /// Connections closed because what came was no SIP, no WebSocket, or not framed as it must be.
    ConnectionsClosedMalformed = "connections_closed_malformed",
    /// Connections that broke.
    ConnectionsClosedError = "connections_closed_error",
    /// TLS handshakes that failed.
    HandshakesFailed = "handshakes_failed",
    /// Messages handed to another worker, whose connection or call it is.
    HandedOver = "messages_handed_over",
    /// Messages that could not be sent: no connection, or none to be had.
    Undeliverable = "messages_undeliverable",
}

/// Number of counters.
pub const COUNT: usize = Counter::ALL.len();

/// The counts of one worker since it started.
#[derive(Clone, Debug)]
pub struct Counters {
    values: [u64; COUNT],
}

impl Default for Counters {
    fn default() -> Self {
        Self { values: [0; COUNT] }
    }
}

impl Counters {
    /// Adds one.
    #[inline]
    pub fn count(&mut self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Adds `n`.
    #[inline]
    pub fn add(&mut self, counter: Counter, n: u64) {
        let value = &mut self.values[counter as usize];
        *value = value.wrapping_add(n);
    }

    /// Present value.
    #[must_use]
    pub fn value(&self, counter: Counter) -> u64 {
        self.values[counter as usize]
    }

    /// All values in the order of [`Counter::ALL`].
    #[must_use]
    pub fn values(&self) -> &[u64; COUNT] {
        &self.values
    }
}
