//! What was published under which idempotency key, so that a request that comes again is not said twice.

use super::messages::Posted;
use crate::{
    config::RoomName,
    limits::{Ledger, Source},
};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

/// What a publisher calls one request, however often it sends it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    /// 1 to 128 visible ASCII characters.
    pub key: String,
    /// Of what it says: another request under the same key is a mistake.
    pub fingerprint: u64,
}

/// The last keys, over all rooms.
///
/// Each is held for the window, whatever comes. Who would need more than its share of the keys that are held is
/// refused, so nobody pushes out what another relies on; keys beyond the window make space for new ones.
pub struct IdempotencyCache {
    most: usize,
    window: Duration,
    posted: HashMap<Id, (u64, Posted)>,
    /// Within the window, the oldest first.
    held: VecDeque<(Instant, Source, Id)>,
    /// Beyond it, the oldest first.
    lapsed: VecDeque<Id>,
    /// How many are held by whom.
    shares: Ledger,
}

/// A key and its room, in memory once.
type Id = Arc<(RoomName, String)>;

/// What is known about a key.
#[derive(Debug, PartialEq)]
pub enum Lookup {
    /// The request is new.
    New,
    Repeated(Posted),
    /// The key was used for something else.
    Reused,
}

impl IdempotencyCache {
    /// At most `most` keys, each held for `window`.
    pub fn new(most: usize, window: Duration) -> Self {
        Self {
            most,
            window,
            posted: HashMap::new(),
            held: VecDeque::new(),
            lapsed: VecDeque::new(),
            shares: Ledger::new(most),
        }
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.posted.len()
    }

    pub fn find(&self, room: &RoomName, key: &IdempotencyKey) -> Lookup {
        match self.posted.get(&(room.clone(), key.key.clone())) {
            None => Lookup::New,
            Some((fingerprint, posted)) if *fingerprint == key.fingerprint => {
                Lookup::Repeated(posted.clone())
            }
            Some(_) => Lookup::Reused,
        }
    }

    /// Whether one more key of `source` can be held.
    pub fn fits(&mut self, source: Source, now: Instant) -> bool {
        self.lapse(now);
        self.most == 0 || self.shares.fits(source, 1)
    }

    /// Remembers a key that [`IdempotencyCache::fits`].
    pub fn remember(
        &mut self,
        room: RoomName,
        key: IdempotencyKey,
        source: Source,
        posted: Posted,
        now: Instant,
    ) {
        self.lapse(now);
        if self.most == 0 || !self.shares.take(source, 1) {
            return;
        }
        if self.posted.len() >= self.most
            && let Some(oldest) = self.lapsed.pop_front()
        {
            self.posted.remove(&oldest);
        }
        let id = Arc::new((room, key.key));
        self.held.push_back((now, source, id.clone()));
        self.posted.insert(id, (key.fingerprint, posted));
    }

    /// Those that were held for the window may be forgotten from now on.
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
    use crate::history::{Epoch, Offset};

    fn key(key: &str, fingerprint: u64) -> IdempotencyKey {
        IdempotencyKey { key: key.to_owned(), fingerprint }
    }

    fn room(name: &str) -> RoomName {
        name.parse().unwrap()
    }

    fn posted() -> Posted {
        Posted {
            room: room("news"),
            epoch: Epoch::begin(),
            offset: Offset::default(),
            messages: 1,
            received: 0,
        }
    }

    const WINDOW: Duration = Duration::from_secs(60);

    fn source(last: u8) -> Source {
        Source::new(Some([10, 0, 0, last].into()), false)
    }

    /// Remembers as many keys of `source` as it may at `now`, all in the room "news", and says how many those were.
    fn fills(cache: &mut IdempotencyCache, last: u8, now: Instant) -> usize {
        let fit = |number: &usize| {
            let fits = cache.fits(source(last), now);
            if fits {
                let key = key(&format!("{now:?} {last} {number}"), 1);
                cache.remember(room("news"), key, source(last), posted(), now);
            }
            fits
        };
        (0..1000).take_while(fit).count()
    }

    fn knows(cache: &IdempotencyCache, name: &str) -> bool {
        cache.find(&room("news"), &key(name, 1)) != Lookup::New
    }

    #[test]
    fn a_key_stands_for_one_request_in_one_room() {
        let (mut cache, posted) = (IdempotencyCache::new(10, WINDOW), posted());
        cache.remember(room("news"), key("a", 1), source(1), posted.clone(), Instant::now());
        assert_eq!(cache.find(&room("news"), &key("a", 1)), Lookup::Repeated(posted));
        assert_eq!(cache.find(&room("news"), &key("a", 2)), Lookup::Reused);
        assert_eq!(cache.find(&room("news"), &key("b", 1)), Lookup::New);
        assert_eq!(cache.find(&room("sport"), &key("a", 1)), Lookup::New);
    }

    #[test]
    fn a_key_is_held_for_its_window_whatever_comes() {
        let (mut cache, mut now) = (IdempotencyCache::new(100, WINDOW), Instant::now());
        cache.remember(room("news"), key("order", 1), source(1), posted(), now);
        for second in 1..60 {
            now += Duration::from_secs(1);
            fills(&mut cache, second, now);
            assert!(knows(&cache, "order") && cache.len() <= 100, "after {second} s");
        }
        for _ in 0..3 {
            now += WINDOW;
            (1..100).for_each(|last| assert!(fills(&mut cache, last, now) <= 100));
        }
        assert!(!knows(&cache, "order"), "it made space at last");
        assert_eq!(cache.held.len() + cache.lapsed.len(), cache.len());
    }

    #[test]
    fn who_has_used_up_its_share_is_refused_and_others_are_not() {
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
            cache.remember(room("news"), key(name, 1), source(1), posted(), now);
        }
        assert_eq!(["a", "b", "c"].map(|name| knows(&cache, name)), [false, true, true]);
        let mut nothing = IdempotencyCache::new(0, WINDOW);
        assert!(nothing.fits(source(1), now));
        nothing.remember(room("news"), key("a", 1), source(1), posted(), now);
        assert!(nothing.posted.is_empty());
    }
}
