//! Transactions by key, in slots with generations. RFC 3261 §17.1.3, §17.2.3.
//!
//! One slot holds what lives and dies together: a server transaction with the client transactions it led to. Each of them
//! is found by a key of its own. A [`SlotId`] outlives its slot harmlessly: the generation tells that another lives there.

use crate::key::Key;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A slot, and who lived in it when the id was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlotId {
    index: u32,
    generation: u32,
}

impl SlotId {
    /// The id as one number, for callers outside.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// The id that was this number. Any other number finds nobody, or whoever lives there.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Self { index: bits as u32, generation: (bits >> 32) as u32 }
    }
}

/// Which transaction of a slot a key belongs to; numbered by the owner of the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part(pub u16);

/// Keys are keyed hashes already.
#[derive(Default)]
struct Word(u64);

impl Hasher for Word {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for &octet in octets {
            self.0 = self.0 << 8 | u64::from(octet);
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    content: Option<Box<T>>,
}

/// See the module. At most `most` slots are taken at one time.
#[derive(Debug)]
pub struct Table<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    keys: HashMap<Key, (SlotId, Part), BuildHasherDefault<Word>>,
    most: usize,
}

impl<T> Table<T> {
    /// An empty table. Nothing is allocated before it is needed.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), keys: HashMap::default(), most: most.min(u32::MAX as usize) }
    }

    /// Takes a slot; gives the content back when the table is full.
    ///
    /// # Errors
    /// The content.
    pub fn insert(&mut self, content: Box<T>) -> Result<SlotId, Box<T>> {
        if let Some(index) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(index as usize)
        {
            slot.content = Some(content);
            return Ok(SlotId { index, generation: slot.generation });
        }
        if self.slots.len() >= self.most {
            return Err(content);
        }
        let index = self.slots.len() as u32;
        self.slots.push(Slot { generation: 0, content: Some(content) });
        Ok(SlotId { index, generation: 0 })
    }

    /// Gives a slot free. Its keys are the caller's to [`Self::unbind`].
    pub fn remove(&mut self, id: SlotId) -> Option<Box<T>> {
        let slot = self.slots.get_mut(id.index as usize).filter(|slot| slot.generation == id.generation)?;
        let content = slot.content.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.index);
        Some(content)
    }

    /// Makes a slot known by a key. `false`, and nothing changed, when another slot is.
    pub fn bind(&mut self, key: Key, id: SlotId, part: Part) -> bool {
        match self.keys.entry(key) {
            std::collections::hash_map::Entry::Occupied(held) => *held.get() == (id, part),
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert((id, part));
                true
            }
        }
    }

    /// Forgets a key, if it is the slot's.
    pub fn unbind(&mut self, key: Key, id: SlotId) {
        if self.keys.get(&key).is_some_and(|(held, _)| *held == id) {
            self.keys.remove(&key);
        }
    }

    /// The slot of a key.
    #[inline]
    #[must_use]
    pub fn find(&self, key: Key) -> Option<(SlotId, Part)> {
        self.keys.get(&key).copied()
    }

    /// Content of a slot.
    #[must_use]
    pub fn get(&self, id: SlotId) -> Option<&T> {
        let slot = self.slots.get(id.index as usize)?;
        slot.content.as_deref().filter(|_| slot.generation == id.generation)
    }

    /// Content of a slot.
    #[must_use]
    pub fn get_mut(&mut self, id: SlotId) -> Option<&mut T> {
        let slot = self.slots.get_mut(id.index as usize)?;
        slot.content.as_deref_mut().filter(|_| slot.generation == id.generation)
    }

    /// Slots taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether no slot is taken.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.len() == self.free.len()
    }

    /// Whether no slot is left.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() >= self.most
    }

    /// Keys bound: for tests that nothing stays behind.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// All contents, for whoever wants to see what is parked.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.content.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dialplane_syntax::Method;
    use proptest::prelude::*;

    fn key(word: u64) -> Key {
        Key::client(word, Method::Invite)
    }

    #[test]
    fn an_old_id_finds_nobody() {
        let mut table = Table::new(10);
        let first = table.insert(Box::new("first")).expect("room");
        assert_eq!(table.get(first), Some(&"first"));
        assert_eq!(table.remove(first).as_deref(), Some(&"first"));
        let second = table.insert(Box::new("second")).expect("room");
        assert_ne!(first, second);
        assert_eq!(table.get(first), None);
        assert_eq!(table.remove(first), None);
        assert_eq!(table.get(second), Some(&"second"));
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn a_key_belongs_to_one() {
        let mut table = Table::new(10);
        let (a, b) = (table.insert(Box::new('a')).expect("room"), table.insert(Box::new('b')).expect("room"));
        assert!(table.bind(key(1), a, Part(0)));
        assert!(table.bind(key(1), a, Part(0)), "again the same");
        assert!(!table.bind(key(1), b, Part(0)));
        table.unbind(key(1), b);
        assert_eq!(table.find(key(1)), Some((a, Part(0))), "not b's to forget");
        table.unbind(key(1), a);
        assert_eq!((table.find(key(1)), table.key_count()), (None, 0));
    }

    #[test]
    fn it_is_bounded() {
        let mut table = Table::new(2);
        let ids: Vec<_> = (0..2).map(|n| table.insert(Box::new(n)).expect("room")).collect();
        assert_eq!(table.insert(Box::new(2)), Err(Box::new(2)));
        table.remove(ids[0]);
        assert!(table.insert(Box::new(3)).is_ok());
        assert_eq!(table.iter().copied().collect::<Vec<_>>(), [3, 1]);
    }

    proptest! {
        /// Any sequence of operations, against the plainest model.
        #[test]
        fn it_does_what_a_list_does(steps in prop::collection::vec((0_u8..4, 0_u64..8), 0..200)) {
            let mut table = Table::new(6);
            let mut model: Vec<(SlotId, u64)> = Vec::new();
            let mut dead: Vec<SlotId> = Vec::new();
            for (step, word) in steps {
                match step {
                    0 => match table.insert(Box::new(word)) {
                        Ok(id) => model.push((id, word)),
                        Err(_) => prop_assert_eq!(model.len(), 6),
                    },
                    1 if !model.is_empty() => {
                        let (id, content) = model.remove(word as usize % model.len());
                        prop_assert_eq!(table.remove(id), Some(Box::new(content)));
                        dead.push(id);
                    }
                    _ => {
                        for (id, content) in &model {
                            prop_assert_eq!(table.get(*id), Some(content));
                        }
                        prop_assert!(dead.iter().all(|id| table.get(*id).is_none()));
                    }
                }
                prop_assert_eq!(table.len(), model.len());
            }
        }
    }
}
