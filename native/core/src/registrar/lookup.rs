//! The bindings of an address-of-record, best first, for whoever forwards or redirects. RFC 3261 §16.5, §8.3, §20.10.

use super::record::{Binding, Bindings};
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

/// The instance of the client that made a binding, without quotation marks and angle brackets (RFC 5626 §4.1, RFC 5627 §3.1.1).
pub(crate) fn instance_id<'a>(binding: &Binding<'a>) -> Option<&'a [u8]> {
    let value = binding.params.strip_prefix(b";+sip.instance=\"")?;
    let end = value.iter().position(|&octet| octet == b'"')?;
    let value = value.get(..end)?;
    let inner = value.strip_prefix(b"<").and_then(|value| value.strip_suffix(b">")).unwrap_or(value);
    (!inner.is_empty()).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ALICE, START, World};
    use super::*;
    use crate::store::{Store as _, Table as _};

    fn targets(world: &World, aor: &[u8], now: u64) -> Vec<String> {
        let mut record = Vec::new();
        world.store.bindings().read(aor, &mut record).expect("read");
        let found = by_preference(Bindings::read(&record).expect("good"), now);
        found.iter().map(|binding| String::from_utf8_lossy(binding.contact).into_owned()).collect()
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
        assert_eq!(targets(&world, ALICE, START + 10), expected, "the younger of equals first");
        let left = targets(&world, ALICE, START + 62);
        assert_eq!(left, [expected[0], expected[1], expected[3]], "what expired is left out");
        assert!(targets(&world, ALICE, START + 8000).is_empty());
        assert!(targets(&world, b"bob@example.com", START).is_empty());
    }
}
