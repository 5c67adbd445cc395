//! A map from short texts to sets of rules, made once and read for each request.
//!
//! Hashing is a few multiplications: keys come from the configuration, so no peer can make them collide, only look for
//! what is not there.

use crate::routing::sets::SetId;

/// Texts and their sets; case counts unless the map was made without.
#[derive(Debug)]
pub(super) struct TextMap {
    entries: Box<[Entry]>,
    /// Open addressing, at most half full: index of the entry and one, or 0.
    places: Box<[u32]>,
    /// Put over each octet before hashing: the bit that tells cases apart, or nothing.
    fold: u64,
}

#[derive(Debug)]
struct Entry {
    text: Box<[u8]>,
    set: SetId,
}

impl TextMap {
    /// A map in which case counts. No text occurs twice.
    pub(super) fn new(entries: Vec<(Box<[u8]>, SetId)>) -> Self {
        Self::with_fold(entries, 0)
    }

    /// A map in which `A` is `a`. No text occurs twice in any case.
    pub(super) fn without_case(entries: Vec<(Box<[u8]>, SetId)>) -> Self {
        Self::with_fold(entries, u64::from_ne_bytes([0x20; 8]))
    }

    fn with_fold(entries: Vec<(Box<[u8]>, SetId)>, fold: u64) -> Self {
        let entries = entries.into_iter().map(|(text, set)| Entry { text, set }).collect::<Box<[_]>>();
        let places = vec![0; (2 * entries.len()).next_power_of_two()].into();
        let mut map = Self { entries, places, fold };
        for index in 0..map.entries.len() {
            let mut place = map.place(&map.entries[index].text);
            while map.places[place] != 0 {
                place = (place + 1) & (map.places.len() - 1);
            }
            map.places[place] = index as u32 + 1;
        }
        map
    }

    /// The set of `text`.
    #[inline]
    pub(super) fn find(&self, text: &[u8]) -> Option<SetId> {
        if self.entries.is_empty() {
            return None;
        }
        let mut place = self.place(text);
        loop {
            let index = self.places.get(place)?.checked_sub(1)?;
            let entry = self.entries.get(index as usize)?;
            let same = if self.fold == 0 { *entry.text == *text } else { entry.text.eq_ignore_ascii_case(text) };
            if same {
                return Some(entry.set);
            }
            place = (place + 1) & (self.places.len() - 1);
        }
    }

    #[inline]
    fn place(&self, text: &[u8]) -> usize {
        hash(text, self.fold) as usize & (self.places.len() - 1)
    }
}

/// Eight octets at a time; the last eight may overlap those before them.
#[inline]
fn hash(text: &[u8], fold: u64) -> u64 {
    let mut hash = text.len() as u64;
    let mut mix = |word: u64| {
        hash = (hash ^ (word | fold)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 29;
    };
    let mut words = text.chunks_exact(8);
    for word in &mut words {
        mix(word.try_into().map_or(0, u64::from_ne_bytes));
    }
    if let Some(last) = text.last_chunk::<8>() {
        mix(u64::from_ne_bytes(*last));
    } else if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        mix(u64::from(u32::from_ne_bytes(*first)) << 32 | u64::from(u32::from_ne_bytes(*last)));
    } else if let (Some(first), Some(last)) = (text.first(), text.last()) {
        mix(u64::from(*first) << 16 | u64::from(text[text.len() / 2]) << 8 | u64::from(*last));
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::sets::RuleSetsBuilder;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_map_finds_what_a_map_finds(texts in proptest::collection::vec("[aAbB@`.]{0,20}", 0..80), asked in "[aAbB@`.]{0,20}") {
            let mut sets = RuleSetsBuilder::new(80);
            for fold in [false, true] {
                let key = |text: &String| if fold { text.to_ascii_lowercase() } else { text.clone() };
                let expected: HashMap<String, SetId> =
                    texts.iter().enumerate().map(|(rule, text)| (key(text), sets.union([&[rule as u32][..]]))).collect();
                let entries = expected.iter().map(|(text, set)| (text.as_bytes().into(), *set)).collect();
                let map = if fold { TextMap::without_case(entries) } else { TextMap::new(entries) };
                for text in texts.iter().chain([&asked]) {
                    prop_assert_eq!(map.find(text.as_bytes()), expected.get(&key(text)).copied());
                }
            }
        }
    }
}
