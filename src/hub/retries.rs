//! What was published under which idempotency key, so that a request that comes again is not said twice.

use super::messages::Posted;
use crate::room::RoomName;
use std::collections::{HashMap, VecDeque};

/// What a publisher calls one request, however often it sends it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RetryKey {
    /// 1 to 128 visible ASCII characters.
    pub key: String,
    /// Of what it says: another request under the same key is a mistake.
    pub fingerprint: u64,
}

/// The last keys, over all rooms.
pub struct Retries {
    most: usize,
    posted: HashMap<(RoomName, String), (u64, Posted)>,
    oldest_first: VecDeque<(RoomName, String)>,
}

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
    pub fn new(most: usize) -> Self {
        Self { most, posted: HashMap::new(), oldest_first: VecDeque::new() }
    }

    pub fn find(&self, room: &RoomName, key: &RetryKey) -> Known {
        match self.posted.get(&(room.clone(), key.key.clone())) {
            None => Known::Nothing,
            Some((fingerprint, posted)) if *fingerprint == key.fingerprint => Known::Posted(posted.clone()),
            Some(_) => Known::Other,
        }
    }

    pub fn remember(&mut self, room: RoomName, RetryKey { key, fingerprint }: RetryKey, posted: Posted) {
        if self.most == 0 {
            return;
        }
        if self.posted.len() >= self.most
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.posted.remove(&oldest);
        }
        self.oldest_first.push_back((room.clone(), key.clone()));
        self.posted.insert((room, key), (fingerprint, posted));
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

    #[test]
    fn a_key_stands_for_one_request_in_one_room() {
        let (mut retries, posted) = (Retries::new(10), posted());
        retries.remember(room("news"), key("a", 1), posted.clone());
        assert_eq!(retries.find(&room("news"), &key("a", 1)), Known::Posted(posted));
        assert_eq!(retries.find(&room("news"), &key("a", 2)), Known::Other);
        assert_eq!(retries.find(&room("news"), &key("b", 1)), Known::Nothing);
        assert_eq!(retries.find(&room("sport"), &key("a", 1)), Known::Nothing);
    }

    #[test]
    fn the_oldest_keys_are_forgotten_first() {
        let mut retries = Retries::new(2);
        for name in ["a", "b", "c"] {
            retries.remember(room("news"), key(name, 1), posted());
        }
        let known = ["a", "b", "c"].map(|name| retries.find(&room("news"), &key(name, 1)) != Known::Nothing);
        assert_eq!(known, [false, true, true]);
        assert_eq!((retries.posted.len(), retries.oldest_first.len()), (2, 2));
        let mut nothing = Retries::new(0);
        nothing.remember(room("news"), key("a", 1), posted());
        assert!(nothing.posted.is_empty());
    }
}
