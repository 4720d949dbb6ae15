//! A hash map that is cheap to clone: the clones share what has not changed since.
//!
//! 256 shards behind `Arc`s. A clone copies 256 pointers; a change copies the one shard that it
//! touches, and only while a clone still shares it, so replaying a long log changes shards in place.
//! Look-ups neither allocate nor lock.
//!
//! The hasher has fixed keys, so the order of iteration is a function of the history of changes; it
//! is no order that anybody may rely on, and code that stores or compares sorts first.

use std::{
    borrow::Borrow,
    collections::{HashMap, hash_map::DefaultHasher},
    hash::{BuildHasher, BuildHasherDefault, Hash},
    sync::Arc,
};

const SHARDS: usize = 256;

type Hasher = BuildHasherDefault<DefaultHasher>;
type Shard<K, V> = HashMap<K, V, Hasher>;

#[derive(Clone, Debug)]
pub struct CowMap<K, V> {
    shards: Vec<Arc<Shard<K, V>>>,
    len: usize,
}

/// One difference between two maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference<'a, K, V> {
    pub key: &'a K,
    pub old: Option<&'a V>,
    pub new: Option<&'a V>,
}

impl<K, V> Default for CowMap<K, V> {
    fn default() -> Self {
        let empty = Arc::new(Shard::default());
        CowMap {
            shards: vec![empty; SHARDS],
            len: 0,
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> CowMap<K, V> {
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.shards[shard_of(key)].get(key)
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the value that had the key.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let shard = &mut self.shards[shard_of(&key)];
        let old = Arc::make_mut(shard).insert(key, value);
        self.len += usize::from(old.is_none());
        old
    }

    pub fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let shard = &mut self.shards[shard_of(key)];
        if !shard.contains_key(key) {
            return None;
        }
        self.len -= 1;
        Arc::make_mut(shard).remove(key)
    }

    /// In no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    /// The keys whose values differ, in no particular order. Shards that both maps share are skipped,
    /// so the cost follows the change, not the size.
    pub fn differences<'a>(&'a self, old: &'a Self) -> Vec<Difference<'a, K, V>>
    where
        V: PartialEq,
    {
        let pairs = old.shards.iter().zip(&self.shards);
        let mut found = Vec::new();
        for (old, new) in pairs.filter(|(old, new)| !Arc::ptr_eq(old, new)) {
            for (key, value) in new.iter() {
                let before = old.get(key);
                if before != Some(value) {
                    found.push(Difference {
                        key,
                        old: before,
                        new: Some(value),
                    });
                }
            }
            for (key, value) in old.iter().filter(|(key, _)| !new.contains_key(*key)) {
                found.push(Difference {
                    key,
                    old: Some(value),
                    new: None,
                });
            }
        }
        found
    }
}

fn shard_of<Q: Hash + ?Sized>(key: &Q) -> usize {
    // The map inside a shard uses the other bits of the same hash.
    (Hasher::default().hash_one(key) >> 24) as usize % SHARDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_keeps_what_it_was() {
        let mut map = CowMap::default();
        for n in 0..1000u32 {
            assert_eq!(map.insert(n, n), None);
        }
        let before = map.clone();
        assert_eq!(map.insert(7, 70), Some(7));
        assert_eq!(map.remove(&8), Some(8));
        assert_eq!(map.remove(&8), None);
        map.insert(5000, 1);
        assert_eq!((before.get(&7), before.get(&8)), (Some(&7), Some(&8)));
        assert_eq!((before.len(), map.len()), (1000, 1000));
        let mut changed: Vec<u32> = map.differences(&before).iter().map(|d| *d.key).collect();
        changed.sort_unstable();
        assert_eq!(changed, [7, 8, 5000]);
        assert!(before.differences(&before.clone()).is_empty());
    }
}
