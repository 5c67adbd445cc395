//! The bindings of an address-of-record, best first, for whoever forwards or redirects. RFC 3261 §16.5, §8.3, §20.10.

use super::Registrar;
use super::record::{Binding, Bindings};
use crate::counter::{Counter, Counters};
use crate::store::{Store, StoreError, Table as _};
use dialplane_syntax::header::QValue;
use smallvec::SmallVec;
use std::cmp::Reverse;

/// What a contact without `q` counts as. The RFCs name no default. Almost no phone sends `q`, and one that says 0.5 means
/// "rather another", so silence counts as the most.
const UNSAID: QValue = QValue::MAX;

/// Orders live bindings: the highest q first, among equals the one refreshed last.
#[must_use]
pub fn by_preference<'a>(bindings: Bindings<'a>, now: u64) -> SmallVec<[Binding<'a>; 4]> {
    let live = bindings.map(|stored| stored.binding).filter(|binding| binding.expires > now);
    let mut targets: SmallVec<[Binding<'a>; 4]> = live.collect();
    targets.sort_by_key(|binding| Reverse((binding.q.unwrap_or(UNSAID), binding.modified)));
    targets
}

impl Registrar {
    /// The bindings of `aor` (canonical) that live at `now` (Unix second), best first. `record` holds their octets.
    ///
    /// # Errors
    /// [`StoreError`] of the store, or [`StoreError::Corrupt`] for a record that cannot be read.
    pub fn targets<'r, S: Store>(
        &self,
        store: &S,
        aor: &[u8],
        now: u64,
        record: &'r mut Vec<u8>,
        counters: &mut Counters,
    ) -> Result<SmallVec<[Binding<'r>; 4]>, StoreError> {
        record.clear();
        let bindings = store.bindings().read(aor, record).and_then(|_| Bindings::read(record));
        match bindings {
            Ok(bindings) => {
                let targets = by_preference(bindings, now);
                counters.count(if targets.is_empty() { Counter::LookupMisses } else { Counter::LookupHits });
                Ok(targets)
            }
            Err(error) => {
                counters.count(Counter::StoreErrors);
                Err(error)
            }
        }
    }
}
