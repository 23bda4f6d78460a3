//! Vectors of texts that were embedded before: the least recently asked for go first when there is no room.
//!
//! A cache belongs to engines of one model, precision and prompt; texts are compared, not their hashes alone.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Embeddings, Engine, EngineError, Stages};
use crate::sys::Team;

/// What an entry takes beside its text and its vector: two places of a table and the links.
const ENTRY_BYTES: usize = 96;
/// No entry.
const NONE: usize = usize::MAX;

/// Vectors by text, within a number of bytes.
#[derive(Debug)]
pub struct ResultCache {
    capacity_bytes: usize,
    places: HashMap<Arc<str>, usize>,
    entries: Vec<Entry>,
    vacant: Vec<usize>,
    newest: usize,
    oldest: usize,
    statistics: CacheStatistics,
}

#[derive(Debug)]
struct Entry {
    text: Arc<str>,
    vector: Box<[f32]>,
    newer: usize,
    older: usize,
}

/// How a cache was used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheStatistics {
    /// Texts that were asked for.
    pub requests: u64,
    /// Of those, known ones.
    pub hits: u64,
    /// Entries that had to go.
    pub evictions: u64,
    /// Bytes that it holds.
    pub bytes: usize,
}

impl CacheStatistics {
    /// The share of texts that were known.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    pub fn hit_share(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.hits as f64 / self.requests as f64 }
    }
}

impl ResultCache {
    /// An empty cache of so many bytes.
    #[must_use]
    pub fn new(capacity_bytes: usize) -> Self {
        Self {
            capacity_bytes,
            places: HashMap::new(),
            entries: Vec::new(),
            vacant: Vec::new(),
            newest: NONE,
            oldest: NONE,
            statistics: CacheStatistics::default(),
        }
    }

    /// The vector of a text that is known, which then is the last to go.
    pub fn find(&mut self, text: &str) -> Option<&[f32]> {
        self.statistics.requests += 1;
        let at = *self.places.get(text)?;
        self.statistics.hits += 1;
        self.unlink(at);
        self.link(at);
        Some(&self.entries[at].vector)
    }

    /// Keeps a text's vector, unless it alone is too large.
    pub fn keep(&mut self, text: &str, vector: &[f32]) {
        let bytes = entry_bytes(text, vector);
        if bytes > self.capacity_bytes || self.places.contains_key(text) {
            return;
        }
        while self.statistics.bytes + bytes > self.capacity_bytes {
            self.evict();
        }
        let entry = Entry { text: text.into(), vector: vector.into(), newer: NONE, older: NONE };
        let key = entry.text.clone();
        let at = match self.vacant.pop() {
            Some(at) => {
                self.entries[at] = entry;
                at
            }
            None => {
                self.entries.push(entry);
                self.entries.len() - 1
            }
        };
        self.places.insert(key, at);
        self.statistics.bytes += bytes;
        self.link(at);
    }

    /// How it was used so far.
    #[must_use]
    pub const fn statistics(&self) -> CacheStatistics {
        self.statistics
    }

    fn evict(&mut self) {
        let at = self.oldest;
        self.unlink(at);
        let empty = Entry { text: "".into(), vector: Box::default(), newer: NONE, older: NONE };
        let gone = std::mem::replace(&mut self.entries[at], empty);
        self.places.remove(&gone.text);
        self.vacant.push(at);
        self.statistics.bytes -= entry_bytes(&gone.text, &gone.vector);
        self.statistics.evictions += 1;
    }

    /// Puts an entry in front of the newest.
    fn link(&mut self, at: usize) {
        (self.entries[at].newer, self.entries[at].older) = (NONE, self.newest);
        match self.newest {
            NONE => self.oldest = at,
            newest => self.entries[newest].newer = at,
        }
        self.newest = at;
    }

    fn unlink(&mut self, at: usize) {
        let (newer, older) = (self.entries[at].newer, self.entries[at].older);
        match newer {
            NONE => self.newest = older,
            newer => self.entries[newer].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.entries[older].newer = newer,
        }
    }
}

const fn entry_bytes(text: &str, vector: &[f32]) -> usize {
    text.len() + size_of_val(vector) + ENTRY_BYTES
}

/// An engine that asks a cache first, and embeds a text that stands several times in a batch once.
pub struct CachedEngine {
    engine: Box<dyn Engine>,
    cache: Arc<Mutex<ResultCache>>,
}

impl CachedEngine {
    /// An engine with a cache of so many bytes.
    #[must_use]
    pub fn new(engine: Box<dyn Engine>, capacity_bytes: usize) -> Self {
        Self { engine, cache: Arc::new(Mutex::new(ResultCache::new(capacity_bytes))) }
    }

    /// How its cache was used so far; a handle that outlives it.
    #[must_use]
    pub fn cache(&self) -> Arc<Mutex<ResultCache>> {
        self.cache.clone()
    }

    fn lock(&self) -> MutexGuard<'_, ResultCache> {
        lock(&self.cache)
    }
}

/// A shared cache, which is whole even if a thread died beside it.
pub fn lock(cache: &Mutex<ResultCache>) -> MutexGuard<'_, ResultCache> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine for CachedEngine {
    fn id(&self) -> &str {
        self.engine.id()
    }

    fn dimensions(&self) -> usize {
        self.engine.dimensions()
    }

    /// Tokens are those that were computed.
    fn embed(&mut self, texts: &[&str], stages: &mut Stages) -> Result<Embeddings, EngineError> {
        let dimensions = self.dimensions();
        let mut values = vec![0.0; texts.len() * dimensions];
        // For every text that is not known, its row among those that are embedded now.
        let mut rows: Vec<Option<usize>> = vec![None; texts.len()];
        let mut unknown: Vec<&str> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        {
            let mut cache = self.lock();
            for ((&text, out), row) in
                texts.iter().zip(values.chunks_exact_mut(dimensions.max(1))).zip(&mut rows)
            {
                match cache.find(text) {
                    Some(vector) => out.copy_from_slice(vector),
                    None => {
                        *row = Some(*places.entry(text).or_insert_with(|| {
                            unknown.push(text);
                            unknown.len() - 1
                        }));
                    }
                }
            }
        }
        let mut tokens = 0;
        if !unknown.is_empty() {
            let new = self.engine.embed(&unknown, stages)?;
            tokens = new.tokens;
            for (out, row) in values.chunks_exact_mut(dimensions.max(1)).zip(&rows) {
                if let Some(row) = row {
                    out.copy_from_slice(&new.values[row * dimensions..][..dimensions]);
                }
            }
            let mut cache = self.lock();
            unknown.iter().zip(new.rows()).for_each(|(text, vector)| cache.keep(text, vector));
        }
        Ok(Embeddings { values, dimensions, tokens })
    }

    fn facts(&self) -> Vec<(&'static str, f64)> {
        let mut facts = self.engine.facts();
        facts.push(("cache_hit_share", self.lock().statistics().hit_share()));
        facts
    }

    fn another(&self, team: Team) -> Option<Box<dyn Engine>> {
        let engine = self.engine.another(team)?;
        Some(Box::new(Self { engine, cache: self.cache.clone() }))
    }

    fn limit_part(&mut self, tokens: NonZeroUsize) {
        self.engine.limit_part(tokens);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Counts what it is asked for; a vector is the text's length and first byte.
    #[derive(Default)]
    pub(in crate::engines) struct Counting {
        pub(in crate::engines) embedded: Arc<Mutex<Vec<String>>>,
    }

    impl Engine for Counting {
        fn id(&self) -> &str {
            "counting"
        }
        fn dimensions(&self) -> usize {
            2
        }
        fn embed(&mut self, texts: &[&str], _: &mut Stages) -> Result<Embeddings, EngineError> {
            self.embedded.lock().unwrap().extend(texts.iter().map(|&text| text.to_owned()));
            let vector = |text: &&str| [text.len() as f32, f32::from(text.bytes().next().unwrap_or(0))];
            Ok(Embeddings {
                values: texts.iter().flat_map(vector).collect(),
                dimensions: 2,
                tokens: texts.len(),
            })
        }
        fn another(&self, _: Team) -> Option<Box<dyn Engine>> {
            Some(Box::new(Self { embedded: self.embedded.clone() }))
        }
    }

    fn entry(text: &str) -> usize {
        entry_bytes(text, &[0.0; 2])
    }

    #[test]
    fn the_least_recently_asked_for_goes_first_and_bytes_are_kept() {
        let mut cache = ResultCache::new(3 * entry("a"));
        for text in ["a", "b", "c"] {
            cache.keep(text, &[1.0, 2.0]);
        }
        assert!(cache.find("a").is_some());
        cache.keep("d", &[3.0, 4.0]);
        assert!(cache.find("b").is_none() && cache.find("a").is_some() && cache.find("d").is_some());
        // One that takes two places drives two out.
        let long = "x".repeat(entry("a") + 1);
        cache.keep(&long, &[5.0, 6.0]);
        assert_eq!(cache.find(&long), Some(&[5.0, 6.0][..]));
        assert!(cache.find("c").is_none() && cache.find("a").is_none() && cache.find("d").is_some());
        let statistics = cache.statistics();
        assert_eq!((statistics.requests, statistics.hits, statistics.evictions), (8, 5, 3));
        assert_eq!(statistics.bytes, entry("d") + entry(&long));
        cache.keep(&"y".repeat(1000), &[0.0; 2]);
        assert_eq!(cache.statistics().bytes, statistics.bytes, "too large to be kept at all");
    }

    #[test]
    fn a_cache_gives_what_a_plain_list_of_the_last_texts_gives() {
        let mut rng = crate::sys::Rng::new(11);
        let mut cache = ResultCache::new(5 * entry("00"));
        let mut list: Vec<String> = Vec::new();
        for _ in 0..5000 {
            let text = format!("{:02}", rng.next_u64() % 12);
            let known = list.iter().position(|other| *other == text);
            assert_eq!(cache.find(&text).is_some(), known.is_some(), "{text} of {list:?}");
            if let Some(at) = known {
                list.remove(at);
            } else {
                cache.keep(&text, &[0.5, 0.25]);
            }
            list.push(text);
            if list.len() > 5 {
                list.remove(0);
            }
            assert!(cache.statistics().bytes <= 5 * entry("00"));
        }
    }

    #[test]
    fn every_text_is_embedded_once_and_gets_its_own_vector() {
        let counting = Counting::default();
        let embedded = counting.embedded.clone();
        let mut engine = CachedEngine::new(Box::new(counting), 10_000);
        let texts = ["one", "two", "one", "", "three", ""];
        let first = engine.embed(&texts, &mut Stages::new()).unwrap();
        assert_eq!(*embedded.lock().unwrap(), ["one", "two", "", "three"]);
        let mut other = engine.another(Team::single()).unwrap();
        let second = other.embed(&["three", "four", "one"], &mut Stages::new()).unwrap();
        assert_eq!(embedded.lock().unwrap().len(), 5);
        for (text, row) in
            texts.iter().chain(&["three", "four", "one"]).zip(first.rows().chain(second.rows()))
        {
            assert_eq!(row, [text.len() as f32, f32::from(text.bytes().next().unwrap_or(0))], "{text}");
        }
        let cache = engine.cache();
        let statistics = lock(&cache).statistics();
        assert_eq!((statistics.requests, statistics.hits), (9, 2));
    }

    #[test]
    fn no_room_is_no_cache_and_no_harm() {
        let counting = Counting::default();
        let embedded = counting.embedded.clone();
        let mut engine = CachedEngine::new(Box::new(counting), 0);
        for _ in 0..2 {
            assert_eq!(engine.embed(&["a", "b"], &mut Stages::new()).unwrap().values.len(), 4);
        }
        assert_eq!(embedded.lock().unwrap().len(), 4);
        assert!(engine.embed(&[], &mut Stages::new()).unwrap().values.is_empty());
    }
}
