//! The requests that were published under an idempotency key, so that a repeated request is not
//! published twice.

use crate::{
    config::RoomName,
    limits::{Ledger, Source},
};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

/// The name that a publisher gives to a request, the same each time it sends it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    /// 1 to 128 visible ASCII characters.
    pub key: String,
    /// The hash of the content: another content under the same key is a mistake.
    pub fingerprint: u64,
}

/// A key with its room and its owner.
pub struct KeyUse {
    /// The room in which the key is used.
    pub room: RoomName,
    /// The key.
    pub key: IdempotencyKey,
    /// The source whose share of the keys it uses.
    pub source: Source,
}

/// The bounds of the keys that are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IdempotencyBounds {
    /// Keys in all rooms together, inclusive.
    pub keys: usize,
    /// The time for which each key is certainly kept.
    pub window: Duration,
}

/// The last keys of all rooms, each with the result `T` of its request.
///
/// A key is held for the window, whatever comes. A source that holds its share of the keys gets no
/// other, so no source pushes out the keys of another. Keys older than the window make space for
/// new ones.
pub struct IdempotencyCache<T> {
    most: usize,
    window: Duration,
    results: HashMap<Id, (u64, T)>,
    /// The keys within the window, the oldest first.
    held: VecDeque<(Instant, Source, Id)>,
    /// The keys older than the window, the oldest first.
    lapsed: VecDeque<Id>,
    /// The number of held keys of each source.
    shares: Ledger,
}

/// A key and its room, in memory once.
type Id = Arc<(RoomName, String)>;

/// The answer to a lookup.
#[derive(Debug, PartialEq)]
pub enum Lookup<T> {
    /// The request is new.
    New,
    /// The request was published before, with this result.
    Repeated(T),
    /// The key was used for another content.
    Reused,
    /// The source holds its share of the keys.
    Full,
}

impl<T: Clone> IdempotencyCache<T> {
    /// Creates a cache of at most `most` keys, each held for `window`.
    pub fn new(most: usize, window: Duration) -> Self {
        Self {
            most,
            window,
            results: HashMap::new(),
            held: VecDeque::new(),
            lapsed: VecDeque::new(),
            shares: Ledger::new(most),
        }
    }

    /// The number of keys in memory.
    pub fn len(&self) -> usize {
        self.results.len()
    }

    /// Looks up `key`; a new one is [`Lookup::Full`] if `source` can hold no other key.
    pub fn find(&mut self, room: &RoomName, key: &IdempotencyKey, source: Source, now: Instant) -> Lookup<T> {
        match self.results.get(&(room.clone(), key.key.clone())) {
            Some((fingerprint, result)) if *fingerprint == key.fingerprint => {
                return Lookup::Repeated(result.clone());
            }
            Some(_) => return Lookup::Reused,
            None => {}
        }
        if self.fits(source, now) { Lookup::New } else { Lookup::Full }
    }

    /// Returns true if `source` can hold one more key.
    fn fits(&mut self, source: Source, now: Instant) -> bool {
        self.lapse(now);
        self.most == 0 || self.shares.fits(source, 1)
    }

    /// Remembers the result of a request whose key was [`Lookup::New`].
    pub fn remember(&mut self, room: RoomName, key: IdempotencyKey, source: Source, result: T, now: Instant) {
        self.lapse(now);
        if self.most == 0 || !self.shares.take(source, 1) {
            return;
        }
        if self.results.len() >= self.most
            && let Some(oldest) = self.lapsed.pop_front()
        {
            self.results.remove(&oldest);
        }
        let id = Arc::new((room, key.key));
        self.held.push_back((now, source, id.clone()));
        self.results.insert(id, (key.fingerprint, result));
    }

    /// Marks the keys that were held for the window: they may be forgotten.
    fn lapse(&mut self, now: Instant) {
        let is_over = |since: Instant| now.saturating_duration_since(since) >= self.window;
        while self.held.front().is_some_and(|(since, ..)| is_over(*since))
            && let Some((_, source, id)) = self.held.pop_front()
        {
            self.shares.give_back(source, 1);
            self.lapsed.push_back(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: &str, fingerprint: u64) -> IdempotencyKey {
        IdempotencyKey { key: key.to_owned(), fingerprint }
    }

    fn room(name: &str) -> RoomName {
        name.parse().unwrap()
    }

    const WINDOW: Duration = Duration::from_secs(60);

    fn source(last: u8) -> Source {
        Source::new(Some([10, 0, 0, last].into()), false)
    }

    /// Remembers as many keys of `source` as it may at `now`, all in the room "news", and says how
    /// many those were.
    fn fills(cache: &mut IdempotencyCache<u8>, last: u8, now: Instant) -> usize {
        let fit = |number: &usize| {
            let fits = cache.fits(source(last), now);
            if fits {
                let key = key(&format!("{now:?} {last} {number}"), 1);
                cache.remember(room("news"), key, source(last), 7, now);
            }
            fits
        };
        (0..1000).take_while(fit).count()
    }

    fn knows(cache: &mut IdempotencyCache<u8>, name: &str) -> bool {
        cache.find(&room("news"), &key(name, 1), source(99), Instant::now()) == Lookup::Repeated(7)
    }

    #[test]
    fn a_key_stands_for_one_request_in_one_room() {
        let mut cache = IdempotencyCache::new(10, WINDOW);
        cache.remember(room("news"), key("a", 1), source(1), 7, Instant::now());
        assert_eq!(cache.find(&room("news"), &key("a", 1), source(99), Instant::now()), Lookup::Repeated(7));
        assert_eq!(cache.find(&room("news"), &key("a", 2), source(99), Instant::now()), Lookup::Reused);
        assert_eq!(cache.find(&room("news"), &key("b", 1), source(99), Instant::now()), Lookup::New);
        assert_eq!(cache.find(&room("sport"), &key("a", 1), source(99), Instant::now()), Lookup::New);
    }

    #[test]
    fn a_key_is_held_for_its_window_whatever_comes() {
        let (mut cache, mut now) = (IdempotencyCache::new(100, WINDOW), Instant::now());
        cache.remember(room("news"), key("order", 1), source(1), 7, now);
        for second in 1..60 {
            now += Duration::from_secs(1);
            fills(&mut cache, second, now);
            assert!(knows(&mut cache, "order") && cache.len() <= 100, "after {second} s");
        }
        for _ in 0..3 {
            now += WINDOW;
            (1..100).for_each(|last| assert!(fills(&mut cache, last, now) <= 100));
        }
        assert!(!knows(&mut cache, "order"), "it made space at last");
        assert_eq!(cache.held.len() + cache.lapsed.len(), cache.len());
    }

    #[test]
    fn a_source_that_has_used_up_its_share_is_refused_and_others_are_not() {
        let (mut cache, now) = (IdempotencyCache::new(1000, WINDOW), Instant::now());
        let share = fills(&mut cache, 1, now);
        assert!((100..=250).contains(&share), "{share}");
        assert!(fills(&mut cache, 2, now) > 50);
        assert!(!cache.fits(source(1), now) && cache.fits(Source::new(None, true), now));
        assert!(cache.fits(source(1), now + WINDOW), "after its time a key takes no share");
    }

    #[test]
    fn the_oldest_keys_are_forgotten_first_when_their_time_is_over() {
        let (mut cache, now) = (IdempotencyCache::new(2, Duration::ZERO), Instant::now());
        for name in ["a", "b", "c"] {
            assert!(cache.fits(source(1), now));
            cache.remember(room("news"), key(name, 1), source(1), 7, now);
        }
        assert_eq!(["a", "b", "c"].map(|name| knows(&mut cache, name)), [false, true, true]);
        let mut nothing = IdempotencyCache::<u8>::new(0, WINDOW);
        assert!(nothing.fits(source(1), now));
        nothing.remember(room("news"), key("a", 1), source(1), 7, now);
        assert!(nothing.results.is_empty());
    }
}
