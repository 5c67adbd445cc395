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
pub(crate) const UNSAID: QValue = QValue::MAX;

/// Orders live bindings: the highest q first, among equals the one refreshed last.
#[must_use]
pub fn by_preference<'a>(bindings: Bindings<'a>, now: u64) -> SmallVec<[Binding<'a>; 4]> {
    let live = bindings.map(|stored| stored.binding).filter(|binding| binding.expires > now);
    let mut targets: SmallVec<[Binding<'a>; 4]> = live.collect();
    targets.sort_by_key(|binding| Reverse((binding.q.unwrap_or(UNSAID), binding.modified)));
    targets
}

/// The client that a binding is one flow of, as its parameters name it; `None` for a contact without flows (RFC 5626 §4.2).
pub(crate) fn instance<'a>(binding: &Binding<'a>) -> Option<&'a [u8]> {
    let end = super::contact::flow_start(binding.params)?;
    binding.params.get(..end)
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

#[cfg(test)]
mod tests {
    use super::super::tests::{ALICE, START, World};
    use super::*;

    fn targets(world: &mut World, aor: &[u8], now: u64) -> Result<Vec<String>, StoreError> {
        let mut record = vec![1, 2, 3];
        let World { registrar, store, counters, .. } = world;
        let found = registrar.targets(&*store, aor, now, &mut record, counters)?;
        Ok(found.iter().map(|binding| String::from_utf8_lossy(binding.contact).into_owned()).collect())
    }

    #[test]
    fn best_first() {
        let mut world = World::new();
        for (call_id, contact) in [
            ("a", "<sip:low@192.0.2.1>;q=0.1"),
            ("b", "<sip:silent@192.0.2.1>"),
            ("c", "<sip:half@192.0.2.1>;q=0.5;expires=60"),
            ("d", "<sip:one@192.0.2.1>;q=1.0"),
        ] {
            world.contacts(&[&format!("Call-ID: {call_id}"), &format!("Contact: {contact}")]);
            world.seconds += 1;
        }
        let expected = ["sip:one@192.0.2.1", "sip:silent@192.0.2.1", "sip:half@192.0.2.1", "sip:low@192.0.2.1"];
        assert_eq!(targets(&mut world, ALICE, START + 10).expect("bindings"), expected, "the younger of equals first");
        let left = targets(&mut world, ALICE, START + 62).expect("bindings");
        assert_eq!(left, [expected[0], expected[1], expected[3]], "what expired is left out");
        assert!(targets(&mut world, ALICE, START + 8000).expect("none").is_empty());
        assert!(targets(&mut world, b"bob@example.com", START).expect("none").is_empty());
        assert_eq!((world.counted(Counter::LookupHits), world.counted(Counter::LookupMisses)), (2, 2));
    }

    #[test]
    fn failures() {
        let mut world = World::new();
        world.store.bindings.insert(ALICE, b"\xff");
        assert_eq!(targets(&mut world, ALICE, START), Err(StoreError::Corrupt));
        world.store.bindings.fail(Some(StoreError::Busy));
        assert_eq!(targets(&mut world, ALICE, START), Err(StoreError::Busy));
        assert_eq!(world.counted(Counter::StoreErrors), 2);
    }
}
