//! What was published under which idempotency key, so that a request that comes again is not said twice.

use super::messages::Posted;
use crate::{
    room::RoomName,
    shares::{Ledger, Source},
};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

/// What a publisher calls one request, however often it sends it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RetryKey {
    /// 1 to 128 visible ASCII characters.
    pub key: String,
    /// Of what it says: another request under the same key is a mistake.
    pub fingerprint: u64,
}

/// The last keys, over all rooms.
///
/// Each is held for the window, whatever comes. Who would need more than its share of the keys that are held is
/// refused, so nobody pushes out what another relies on; keys beyond the window make space for new ones.
pub struct Retries {
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
pub enum Known {
    /// The request is new.
    Nothing,
    Posted(Posted),
    /// The key was used for something else.
    Other,
}

impl Retries {
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

    pub fn find(&self, room: &RoomName, key: &RetryKey) -> Known {
        match self.posted.get(&(room.clone(), key.key.clone())) {
            None => Known::Nothing,
            Some((fingerprint, posted)) if *fingerprint == key.fingerprint => Known::Posted(posted.clone()),
            Some(_) => Known::Other,
        }
    }

    /// Whether one more key of `source` can be held.
    pub fn fits(&mut self, source: Source, now: Instant) -> bool {
        self.lapse(now);
        self.most == 0 || self.shares.fits(source, 1)
    }

    /// Remembers a key that [`Retries::fits`].
    pub fn remember(
        &mut self,
        room: RoomName,
        retry: RetryKey,
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
        let id = Arc::new((room, retry.key));
        self.held.push_back((now, source, id.clone()));
        self.posted.insert(id, (retry.fingerprint, posted));
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
    use crate::room::{Epoch, Offset};

    fn key(key: &str, fingerprint: u64) -> RetryKey {
        RetryKey { key: key.to_owned(), fingerprint }
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
    fn fills(retries: &mut Retries, last: u8, now: Instant) -> usize {
        let fit = |number: &usize| {
            let fits = retries.fits(source(last), now);
            if fits {
                let key = key(&format!("{now:?} {last} {number}"), 1);
                retries.remember(room("news"), key, source(last), posted(), now);
            }
            fits
        };
        (0..1000).take_while(fit).count()
    }

    fn knows(retries: &Retries, name: &str) -> bool {
        retries.find(&room("news"), &key(name, 1)) != Known::Nothing
    }

    #[test]
    fn a_key_stands_for_one_request_in_one_room() {
        let (mut retries, posted) = (Retries::new(10, WINDOW), posted());
        retries.remember(room("news"), key("a", 1), source(1), posted.clone(), Instant::now());
        assert_eq!(retries.find(&room("news"), &key("a", 1)), Known::Posted(posted));
        assert_eq!(retries.find(&room("news"), &key("a", 2)), Known::Other);
        assert_eq!(retries.find(&room("news"), &key("b", 1)), Known::Nothing);
        assert_eq!(retries.find(&room("sport"), &key("a", 1)), Known::Nothing);
    }

    #[test]
    fn a_key_is_held_for_its_window_whatever_comes() {
        let (mut retries, mut now) = (Retries::new(100, WINDOW), Instant::now());
        retries.remember(room("news"), key("order", 1), source(1), posted(), now);
        for second in 1..60 {
            now += Duration::from_secs(1);
            fills(&mut retries, second, now);
            assert!(knows(&retries, "order") && retries.len() <= 100, "after {second} s");
        }
        for _ in 0..3 {
            now += WINDOW;
            (1..100).for_each(|last| assert!(fills(&mut retries, last, now) <= 100));
        }
        assert!(!knows(&retries, "order"), "it made space at last");
        assert_eq!(retries.held.len() + retries.lapsed.len(), retries.len());
    }

    #[test]
    fn who_has_used_up_its_share_is_refused_and_others_are_not() {
        let (mut retries, now) = (Retries::new(1000, WINDOW), Instant::now());
        let share = fills(&mut retries, 1, now);
        assert!((100..=250).contains(&share), "{share}");
        assert!(fills(&mut retries, 2, now) > 50);
        assert!(!retries.fits(source(1), now) && retries.fits(Source::new(None, true), now));
        assert!(retries.fits(source(1), now + WINDOW), "after its time a key takes no share");
    }

    #[test]
    fn the_oldest_keys_are_forgotten_first_when_their_time_is_over() {
        let (mut retries, now) = (Retries::new(2, Duration::ZERO), Instant::now());
        for name in ["a", "b", "c"] {
            assert!(retries.fits(source(1), now));
            retries.remember(room("news"), key(name, 1), source(1), posted(), now);
        }
        assert_eq!(["a", "b", "c"].map(|name| knows(&retries, name)), [false, true, true]);
        let mut nothing = Retries::new(0, WINDOW);
        assert!(nothing.fits(source(1), now));
        nothing.remember(room("news"), key("a", 1), source(1), posted(), now);
        assert!(nothing.posted.is_empty());
    }
}
