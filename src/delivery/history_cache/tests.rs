//! Histories encoded once, in steps, and what they cost.

use super::{
    segment::{Piece, encoded},
    *,
};
use crate::{
    history::{Audience, History, HistoryLimits, HistoryRequest, NewMessage},
    policy::Policy,
    protocol::{Framing, Protocol},
    testing::{HISTORY, slot, slots},
    wire::Payload,
};
use proptest::prelude::*;

const RAW: Encoding = Encoding { protocol: Protocol::Raw, window: None };
const V1: Encoding = Encoding { protocol: Protocol::V1, window: None };
const EVENTS: Encoding = Encoding { protocol: Protocol::Events(Framing::Chunked), window: None };

fn backlog() -> Arc<Backlog> {
    let policy = Policy::default();
    Arc::new(Backlog::new(policy.session.outbox, policy.limits.outbox_bytes_total))
}

fn cache(capacity: usize) -> HistoryCache {
    HistoryCache::new(capacity, Arc::default(), backlog())
}

/// Encodes all of `slice`; returns the frames in parts, and the number of messages.
fn parts(
    cache: &mut HistoryCache,
    room: RoomSlot,
    encoding: Encoding,
    slice: &HistorySlice,
    who: SpeakerId,
) -> (Vec<Bytes>, usize) {
    while !cache.encode_some(room, encoding, slice) {}
    cache.frames(room, encoding, slice, who)
}

/// Encodes all of `slice`; returns the frames in one piece, and the number of messages.
fn frames(
    cache: &mut HistoryCache,
    encoding: Encoding,
    slice: &HistorySlice,
    who: SpeakerId,
) -> (Vec<u8>, usize) {
    let (parts, messages) = parts(cache, slot(), encoding, slice, who);
    (parts.concat(), messages)
}

fn history() -> History {
    History::new(HISTORY)
}

fn append(history: &mut History, text: &str, audience: Audience) {
    let message = NewMessage { payload: Payload::Text(text.into()), who: None, audience };
    history.append(message, Instant::now());
}

fn last(history: &History, last: usize) -> HistorySlice {
    history.slice(HistoryRequest { since: None, last })
}

/// The same without a cache.
fn plainly(encoding: Encoding, slice: &HistorySlice, who: SpeakerId) -> Vec<u8> {
    let messages = slice.messages.iter().filter(|message| message.is_for(who));
    messages.flat_map(|message| encoded(message, encoding)).collect()
}

#[test]
fn a_history_is_encoded_once_for_all_newcomers_in_every_form() {
    let (mut cache, mut history, who) = (cache(1 << 20), history(), SpeakerId::next());
    (0..100).for_each(|number| append(&mut history, &format!("{number}"), Audience::Everyone));
    for encoding in [RAW, V1, EVENTS] {
        let slice = last(&history, 100);
        let (first, messages) = parts(&mut cache, slot(), encoding, &slice, who);
        assert_eq!((first.concat(), messages), (plainly(encoding, &slice, who), 100));
        let since = history.slice(HistoryRequest { since: Some(slice.from), last: 0 });
        for again in [slice, since] {
            let (second, _) = parts(&mut cache, slot(), encoding, &again, SpeakerId::next());
            assert_eq!(second[0].as_ptr(), first[0].as_ptr(), "{encoding:?}");
        }
        let (part, messages) = parts(&mut cache, slot(), encoding, &last(&history, 80), who);
        assert!(first[0].as_ptr_range().contains(&part[0].as_ptr()) && messages == 80, "{encoding:?}");
    }
}

#[test]
fn a_long_history_is_encoded_in_steps_of_one_piece() {
    let (mut cache, mut history) = (cache(0), history());
    (0..256).for_each(|_| append(&mut history, &"\n".repeat(2000), Audience::Everyone));
    let slice = last(&history, 256);
    let mut steps = 1;
    while !cache.encode_some(slot(), EVENTS, &slice) {
        steps += 1;
        let piece = cache.segments.values().flat_map(|cached| &cached.segment.pieces).last();
        assert!(piece.unwrap().bytes.len() < Piece::SIZE + 16_000, "a piece and a message");
    }
    assert!((40..=60).contains(&steps), "{steps} steps for some 3.5 MB");
    let who = SpeakerId::next();
    assert_eq!(cache.frames(slot(), EVENTS, &slice, who).0.concat(), plainly(EVENTS, &slice, who));
    assert!(cache.encode_some(slot(), EVENTS, &slice), "it is kept whatever its size");

    append(&mut history, "news", Audience::Everyone);
    let steps = (1..).find(|_| cache.encode_some(slot(), EVENTS, &last(&history, 256)));
    assert_eq!(steps, Some(1), "only the news is encoded");
}

#[test]
fn a_cache_stays_within_its_capacity_and_gives_back_what_is_not_used() {
    let metrics = Arc::new(Metrics::new());
    let mut cache = HistoryCache::new(10_000, metrics.clone(), backlog());
    let mut history = history();
    for number in 0..200 {
        append(&mut history, &format!("{number:>1000}"), Audience::Everyone);
        let slice = last(&history, number);
        for encoding in [RAW, V1, EVENTS] {
            let (part, _) = frames(&mut cache, encoding, &slice, SpeakerId::next());
            assert_eq!(part, plainly(encoding, &slice, SpeakerId::next()));
            assert!(cache.held <= 10_000 || cache.segments.len() == 1, "{}", cache.held);
        }
    }
    assert_eq!(metrics.history_cache_bytes.get(), cache.held as i64);
    cache.drop_unused(Instant::now());
    assert!(cache.held > 0, "it was just used");
    cache.drop_unused(Instant::now() + HistoryCache::LIFETIME);
    assert_eq!((cache.held, metrics.history_cache_bytes.get(), cache.order.len()), (0, 0, 0));
    assert_eq!(cache.backlog.held(), 0);
}

#[test]
fn a_history_counts_once_for_all_outboxes_and_only_after_it_has_left_the_cache() {
    let (mut cache, mut history) = (cache(1 << 20), history());
    append(&mut history, &"x".repeat(1000), Audience::Everyone);
    append(&mut history, "y", Audience::Everyone);
    let slice = last(&history, 2);
    let outboxes: Vec<_> =
        (0..9).map(|_| parts(&mut cache, slot(), RAW, &slice, SpeakerId::next()).0).collect();
    assert_eq!(cache.backlog.held(), 0);
    let (copied, _) = parts(&mut cache, slot(), RAW, &last(&history, 1), SpeakerId::next());
    assert_eq!(cache.backlog.held(), copied.concat().len(), "a small part is a copy of its own");
    drop(copied);
    cache.drop_unused(Instant::now() + HistoryCache::LIFETIME);
    assert_eq!(cache.backlog.held(), outboxes[0].concat().len());
    drop(outboxes);
    assert_eq!(cache.backlog.held(), 0);
}

#[test]
fn the_room_that_was_asked_for_longest_ago_makes_way() {
    let (mut cache, mut history, who) = (cache(5000), history(), SpeakerId::next());
    append(&mut history, &"x".repeat(1000), Audience::Everyone);
    let (slots, slice) = (slots(5), last(&history, 1));
    let kept = |cache: &HistoryCache| {
        slots.iter().map(|slot| cache.segments.contains_key(&(*slot, RAW))).collect::<Vec<_>>()
    };
    for slot in &slots[..3] {
        parts(&mut cache, *slot, RAW, &slice, who);
    }
    parts(&mut cache, slots[0], RAW, &slice, who);
    parts(&mut cache, slots[3], RAW, &slice, who);
    assert_eq!(kept(&cache), [true, false, true, true, false]);
}

#[test]
fn the_next_room_in_the_same_slot_has_a_history_of_its_own() {
    let (mut cache, who) = (cache(1 << 20), SpeakerId::next());
    for text in ["before", "after"] {
        let mut history = history();
        append(&mut history, text, Audience::Everyone);
        let slice = last(&history, 9);
        assert_eq!(frames(&mut cache, RAW, &slice, who).0, plainly(RAW, &slice, who));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// However newcomers and messages alternate, a newcomer receives what it would receive
    /// without a cache.
    #[test]
    fn a_cached_history_is_the_history(
        steps in prop::collection::vec((0..4_usize, 0..60_usize, 0..12_usize, any::<bool>()), 1..40),
        capacity in 0..200_000_usize,
    ) {
        let limits = HistoryLimits { messages: 20, ..HISTORY };
        let (mut cache, mut history) = (cache(capacity), History::new(limits));
        let (anna, bert) = (SpeakerId::next(), SpeakerId::next());
        let mut earlier = Vec::new();
        for (encoding, length, messages, is_published) in steps {
            let audience = [Audience::Everyone, Audience::Except(anna)][length % 2];
            if is_published {
                (0..messages).for_each(|_| append(&mut history, &"x".repeat(length * 100), audience));
            }
            let encoding = [RAW, V1, EVENTS, RAW][encoding];
            earlier.push(last(&history, length / 2));
            let waited = &earlier[earlier.len().saturating_sub(1 + messages % 3)]; // perhaps an old one
            for slice in [waited, &last(&history, length / 3)] {
                for who in [anna, bert] {
                    if slice.messages.is_empty() {
                        continue;
                    }
                    let (part, count) = frames(&mut cache, encoding, slice, who);
                    prop_assert_eq!(part, plainly(encoding, slice, who));
                    prop_assert_eq!(count, slice.messages.iter().filter(|message| message.is_for(who)).count());
                }
            }
            let held = cache.segments.values().map(|cached| cached.segment.cost()).sum::<usize>();
            prop_assert!(cache.held == held && (held <= capacity || cache.segments.len() == 1));
            prop_assert!(cache.order.len() == cache.segments.len());
        }
        let backlog = cache.backlog.clone();
        drop(cache);
        prop_assert_eq!(backlog.held(), 0);
    }
}
