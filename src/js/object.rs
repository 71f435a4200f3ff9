//! Objects in JavaScript's key order.

use super::json::Json;
use super::number::array_index;
use super::text::Str;
use std::collections::HashMap;
use std::mem;

/// An object in JavaScript's key order (HTTP 2, 9): integer-like keys ([`array_index`]) ascending, then
/// the others by first appearance. A repeated key keeps its place and takes the last value. `__proto__`
/// is a key like any other.
///
/// Looking up and inserting one key takes time linear in the number of keys, which is best for the small
/// objects of this protocol. Build big ones with `collect()`, which is linear for the whole (but for the
/// sorting of integer-like keys).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    entries: Vec<(Str, Json)>,
}

impl Object {
    /// Sets a key and returns the value it had.
    pub fn insert(&mut self, key: impl Into<Str>, value: Json) -> Option<Json> {
        let key = key.into();
        if let Some(place) = self.place(key.as_bytes()) {
            return Some(mem::replace(&mut self.entries[place].1, value));
        }
        let place = match array_index(key.as_bytes()) {
            Some(index) => self.indices_below(index),
            None => self.entries.len(),
        };
        self.entries.insert(place, (key, value));
        None
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Json> {
        self.place(key.as_bytes()).map(|place| &self.entries[place].1)
    }

    /// The value of a key, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Json> {
        self.place(key.as_bytes()).map(|place| &mut self.entries[place].1)
    }

    /// Removes a key and returns its value; the others keep their order.
    pub fn remove(&mut self, key: &str) -> Option<Json> {
        self.place(key.as_bytes()).map(|place| self.entries.remove(place).1)
    }

    /// Keys and values in JavaScript's order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Str, &Json)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// Values, to be changed, in JavaScript's order.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Json> {
        self.entries.iter_mut().map(|(_, value)| value)
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn place(&self, key: &[u8]) -> Option<usize> {
        match array_index(key) {
            Some(index) => {
                let place = self.indices_below(index);
                self.entries.get(place).filter(|(found, _)| found.as_bytes() == key).map(|_| place)
            }
            None => self.entries.iter().position(|(found, _)| found.as_bytes() == key),
        }
    }

    /// How many integer-like keys there are below `index`: its place.
    fn indices_below(&self, index: u32) -> usize {
        self.entries
            .partition_point(|(key, _)| array_index(key.as_bytes()).is_some_and(|key| key < index))
    }

    /// Makes an object of pairs in the order of the text.
    pub(super) fn from_pairs(mut pairs: Vec<(Str, Json)>) -> Self {
        drop_repeated(&mut pairs);
        let rank = |(key, _): &(Str, Json)| array_index(key.as_bytes()).map_or(u64::MAX, u64::from);
        if !pairs.is_sorted_by_key(rank) {
            pairs.sort_by_cached_key(rank); // stable, so the other keys keep their order
        }
        Self { entries: pairs }
    }
}

/// Up to this many keys comparing each with each is quicker than hashing.
const SCAN_MAX: usize = 16;

/// Moves the last value of every repeated key to its first place. Linear in the number of pairs whatever
/// the keys are (the standard hash is keyed), since the pairs come from strangers.
fn drop_repeated(pairs: &mut Vec<(Str, Json)>) {
    let mut repeats: Vec<(usize, usize)> = Vec::new(); // (place, first place), ascending
    if pairs.len() <= SCAN_MAX {
        for (place, (key, _)) in pairs.iter().enumerate() {
            if let Some(first) = pairs[..place].iter().position(|(earlier, _)| earlier == key) {
                repeats.push((place, first));
            }
        }
    } else {
        let mut firsts = HashMap::with_capacity(pairs.len());
        for (place, (key, _)) in pairs.iter().enumerate() {
            let first = *firsts.entry(key.as_bytes()).or_insert(place);
            if first != place {
                repeats.push((place, first));
            }
        }
    }
    if repeats.is_empty() {
        return;
    }
    for &(place, first) in &repeats {
        pairs[first].1 = mem::replace(&mut pairs[place].1, Json::Null);
    }
    let mut repeats = repeats.into_iter().map(|(place, _)| place).peekable();
    let mut place = 0;
    pairs.retain(|_| {
        let repeated = repeats.next_if_eq(&place).is_some();
        place += 1;
        !repeated
    });
}

impl<K: Into<Str>> FromIterator<(K, Json)> for Object {
    fn from_iter<I: IntoIterator<Item = (K, Json)>>(pairs: I) -> Self {
        Self::from_pairs(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }
}
