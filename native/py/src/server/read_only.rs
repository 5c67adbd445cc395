//! The shared store, looked at and never changed: what `explain` gives to the engine.

use dialplane_core::calls::CallTable;
use dialplane_core::guard::SourceTable;
use dialplane_core::store::{Change, NonceId, NonceUse, Nonces, Store, StoreError, Table, TargetHealth};
use dialplane_store::{SharedHealth, SharedStore, SharedTable};
use std::sync::atomic::AtomicU64;

/// See the module. Without a store (no server has run) every table is empty.
#[derive(Debug)]
pub(super) struct ReadOnly<'s> {
    bindings: Records<'s>,
    credentials: Records<'s>,
    nonces: Unused,
    health: Health<'s>,
    sources: SourceTable<Vec<AtomicU64>>,
    calls: CallTable<Vec<AtomicU64>>,
}

impl<'s> ReadOnly<'s> {
    pub(super) fn new(store: Option<&'s SharedStore>) -> Self {
        Self {
            bindings: Records(store.map(Store::bindings)),
            credentials: Records(store.map(Store::credentials)),
            nonces: Unused,
            health: Health(store.map(Store::health)),
            // What one message would cost its source is not told.
            sources: SourceTable::new(Vec::new(), 0),
            calls: CallTable::new(Vec::new()),
        }
    }
}

impl<'s> Store for ReadOnly<'s> {
    type Table = Records<'s>;
    type Nonces = Unused;
    type Health = Health<'s>;
    type Words = Vec<AtomicU64>;

    fn bindings(&self) -> &Records<'s> {
        &self.bindings
    }

    fn credentials(&self) -> &Records<'s> {
        &self.credentials
    }

    fn nonces(&self) -> &Unused {
        &self.nonces
    }

    fn health(&self) -> &Health<'s> {
        &self.health
    }

    fn sources(&self) -> &SourceTable<Vec<AtomicU64>> {
        &self.sources
    }

    fn calls(&self) -> &CallTable<Vec<AtomicU64>> {
        &self.calls
    }
}

/// A table whose updates come to nothing.
#[derive(Debug)]
pub(super) struct Records<'s>(Option<&'s SharedTable>);

impl Table for Records<'_> {
    fn read(&self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, StoreError> {
        self.0.map_or(Ok(false), |table| table.read(key, value))
    }

    fn update(&self, key: &[u8], change: &mut dyn FnMut(&[u8], &mut Vec<u8>) -> Change) -> Result<Change, StoreError> {
        let (mut present, mut next) = (Vec::new(), Vec::new());
        self.read(key, &mut present)?;
        Ok(change(&present, &mut next))
    }
}

/// Takes every nonce count for a fresh one.
#[derive(Debug)]
pub(super) struct Unused;

impl Nonces for Unused {
    fn next_serial(&self) -> u32 {
        0
    }

    fn mark(&self, _: NonceId, _: u32) -> NonceUse {
        NonceUse::Fresh
    }
}

/// Health that is only read.
#[derive(Debug)]
pub(super) struct Health<'s>(Option<&'s SharedHealth>);

impl TargetHealth for Health<'_> {
    fn read(&self, target: u64) -> u64 {
        self.0.map_or(0, |health| health.read(target))
    }

    fn write(&self, _: u64, _: u64) {}

    fn update(&self, _: u64, _: impl FnMut(u64) -> u64) {}
}
