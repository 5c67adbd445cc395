//! What the engine asks of the shared store. The layout behind it is `dialplane-store`'s; the bytes of a record are ours.

use crate::calls::CallTable;
use crate::guard::SourceTable;

/// Why the store could not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Another process holds the record and does not let go (it was stopped), or the caller asked from within an update.
    Busy,
    /// Damaged or written by another version.
    Corrupt,
    /// No room left on the disk or in the address range.
    Full,
    /// Key or value above the limit of the layout.
    TooLarge,
}

/// What an update wants done with the record. See [`Table::update`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Leave the record as it is.
    Keep,
    /// Store the new value.
    Write {
        /// Unix second at which [`Table`]'s sweeper has to look at the record again; `u64::MAX` for never.
        due: u64,
        /// Whether the database must hear of it within a second. A refresh that moves nothing but the expiry may wait.
        urgent: bool,
    },
    /// Delete the record (and tell the database within a second).
    Remove,
}

/// A keyed table in memory that every process of this host shares. Readers never wait.
pub trait Table {
    /// Appends the value of `key` to `value`. `false` when there is none (nothing appended).
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the record fails its check.
    fn read(&self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, StoreError>;

    /// Says that `key` will be read or updated soon, so that the memory that takes part can be fetched meanwhile.
    fn expect(&self, key: &[u8]) {
        let _ = key;
    }

    /// Reads, changes and writes one record while no other process can change it.
    ///
    /// `change` gets the present value (empty when there is none) and an empty buffer for the next one; it must not block.
    ///
    /// # Errors
    /// [`StoreError`]; the record is then unchanged.
    fn update(&self, key: &[u8], change: &mut dyn FnMut(&[u8], &mut Vec<u8>) -> Change) -> Result<Change, StoreError>;
}

/// Identity of a nonce that we issued. RFC 7616 §5.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonceId {
    /// When it was issued, milliseconds since 1970.
    pub issued_ms: u64,
    /// What [`Nonces::next_serial`] gave for it.
    pub serial: u32,
}

/// Answer of the shared window of nonce counts. RFC 7616 §3.4.5 (nc).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceUse {
    /// First use of this count; it is now marked as used.
    Fresh,
    /// This count was used before, by the same request: its retransmission, which must be answered like the first.
    Repeated,
    /// This count was used before, or lies behind the window.
    Replayed,
    /// The window of this nonce was given to a younger one: ask the client again with `stale=true`.
    Stale,
}

/// The window of nonce counts, shared by all workers.
pub trait Nonces {
    /// Number of a new nonce: each is one more than the one before, whichever worker asks, so that nonces that are in use at
    /// the same time have windows of their own.
    fn next_serial(&self) -> u32;

    /// Marks `nc` of `nonce` as used.
    fn mark(&self, nonce: NonceId, nc: u32) -> NonceUse;

    /// Marks `nc` of `nonce` as used by the request with this fingerprint (a keyed hash of its octets and its source).
    ///
    /// A request is retransmitted with the same count (RFC 3261 §17.1.2.2, over UDP until the final response arrives), and
    /// without transactions nothing else tells a retransmission from a replay. A window that remembers the fingerprint of
    /// the latest counts of each nonce answers [`NonceUse::Repeated`]; one that does not may leave this default, and each
    /// retransmission that comes after the answer costs the client one challenge more.
    fn mark_request(&self, nonce: NonceId, nc: u32, fingerprint: u32) -> NonceUse {
        let _ = fingerprint;
        self.mark(nonce, nc)
    }
}

/// Health of a target as all workers see it. `0` = up, otherwise see [`crate::routing`].
pub trait TargetHealth {
    /// State word of the target whose identity hashes to `target`.
    fn read(&self, target: u64) -> u64;
    /// Replaces the state word.
    fn write(&self, target: u64, state: u64);
    /// Changes the state word while nobody else does. `change` may be called more than once.
    fn update(&self, target: u64, change: impl FnMut(u64) -> u64);
}

/// A number table, immutable and swapped whole: telephone numbers or prefixes → a value of at most 255 bytes.
pub trait NumberTable: Send + Sync {
    /// Longest entry that `digits` (ASCII `0`–`9`) starts with. Returns how many digits matched and the value.
    fn longest(&self, digits: &[u8]) -> Option<(usize, &[u8])>;
}

/// Words that all processes of this host share.
pub trait Words: std::ops::Deref<Target = [std::sync::atomic::AtomicU64]> {}

impl<T: std::ops::Deref<Target = [std::sync::atomic::AtomicU64]>> Words for T {}

/// All that the engine needs, in one place.
pub trait Store {
    /// Type of the keyed tables.
    type Table: Table;
    /// Type of the nonce window.
    type Nonces: Nonces;
    /// Type of the health page.
    type Health: TargetHealth;
    /// Type of the words behind [`Self::sources`].
    type Words: Words;

    /// Address-of-record (`user@host`, canonical, no scheme) → bindings. RFC 3261 §10.
    fn bindings(&self) -> &Self::Table;
    /// `user@realm` → digests. RFC 7616 §3.4.2 (A1).
    fn credentials(&self) -> &Self::Table;
    /// The nonce counts.
    fn nonces(&self) -> &Self::Nonces;
    /// Health of targets.
    fn health(&self) -> &Self::Health;
    /// Bans, and what each source may still do.
    fn sources(&self) -> &SourceTable<Self::Words>;
    /// Calls that targets have open.
    fn calls(&self) -> &CallTable<Self::Words>;
}
