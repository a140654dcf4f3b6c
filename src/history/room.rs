//! The history of one room: its last messages, without a gap between them.

use super::{Epoch, Message, NewMessage, Offset, Position, accounts::AccountId};
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

/// The bounds of the history of one room, inclusive. Beyond a bound the oldest messages are
/// forgotten; if one bound is zero, the room keeps no message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HistoryLimits {
    /// Messages in the history.
    pub messages: usize,
    /// The age at which a message is forgotten.
    pub age: Duration,
    /// Bytes in the history; each message counts with its [`Message::cost`].
    pub bytes: usize,
}

impl HistoryLimits {
    /// Returns the interval in which expired messages are removed: a quarter of the age, but from 5
    /// ms to 1 s.
    pub fn expiry_interval(&self) -> Duration {
        (self.age / 4).clamp(Duration::from_millis(5), Duration::from_secs(1))
    }
}

/// The part of a history that a client requests when it joins.
#[derive(Clone, Copy, Debug, Default)]
pub struct HistoryRequest {
    /// All messages after this position.
    pub since: Option<Position>,
    /// The number of latest messages, if there is no `since` or not every message after it is in
    /// the history.
    pub last: usize,
}

impl HistoryRequest {
    /// Returns true if messages are requested.
    pub fn wants_anything(self) -> bool {
        self.since.is_some() || self.last > 0
    }
}

/// The answer to a [`HistoryRequest`].
#[derive(Debug)]
pub struct HistorySlice {
    /// The messages, oldest first, for every member of the room.
    pub messages: Vec<Arc<Message>>,
    /// The position before `messages`; after it, `messages` and the live messages have no gap.
    pub from: Position,
    /// The position after `messages`, at which live messages begin.
    pub until: Position,
    /// The offset of the last message that the room has forgotten.
    pub forgotten: Offset,
    /// True if `messages` holds every message after the requested `since`; `None` if there was no
    /// `since`.
    pub complete: Option<bool>,
}

impl HistorySlice {
    /// Removes all messages, and marks the slice as incomplete if there was a `since`.
    pub fn discard(&mut self) {
        self.messages.clear();
        self.from = self.until;
        self.complete = self.complete.map(|_| false);
    }
}

/// The history of one room.
#[derive(Debug)]
pub struct History {
    limits: HistoryLimits,
    epoch: Epoch,
    last: Offset,
    /// The ends of earlier epochs that this one continues, the oldest first.
    forks: Vec<Position>,
    messages: VecDeque<Arc<Message>>,
    bytes: usize,
}

impl History {
    /// Creates an empty history with a new epoch.
    pub fn new(limits: HistoryLimits) -> Self {
        Self::at(limits, Position { epoch: Epoch::begin(), offset: Offset::default() })
    }

    /// Creates a history that has forgotten every message up to `position`.
    pub(super) fn at(limits: HistoryLimits, Position { epoch, offset: last }: Position) -> Self {
        Self { limits, epoch, last, forks: Vec::new(), messages: VecDeque::new(), bytes: 0 }
    }

    /// A history that holds what `limits` allow of `messages`, which end at `until`.
    pub fn of(
        limits: HistoryLimits,
        until: Position,
        forks: Vec<Position>,
        messages: Vec<Message>,
        now: Instant,
    ) -> Self {
        let mut history = Self { forks, ..Self::at(limits, until) };
        messages.into_iter().for_each(|message| history.insert(Arc::new(message)));
        history.last = until.offset;
        while history.forget_excess(now).is_some() {}
        history
    }

    /// Returns the ends of earlier epochs that this one continues, the oldest first.
    pub fn forks(&self) -> &[Position] {
        &self.forks
    }

    /// Goes on after `offset`, once every message is forgotten.
    pub(super) fn go_on_after(&mut self, offset: Offset) {
        self.last = offset;
    }

    /// Goes on in `epoch` after the last message: offsets rise further, and positions of the
    /// epochs of `forks` are good up to these.
    pub(super) fn fork(&mut self, epoch: Epoch, forks: Vec<Position>) {
        (self.epoch, self.forks) = (epoch, forks);
    }

    /// Returns true if `position` is one of this history: of its epoch, or of an earlier one before
    /// its end.
    pub fn has_reached(&self, position: Position) -> bool {
        let mut ends = self.forks.iter().copied().chain([self.position()]);
        ends.any(|end| end.epoch == position.epoch && position.offset <= end.offset)
    }

    /// Returns the position after the last message.
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch, offset: self.last }
    }

    /// Numbers `message`, keeps it, and forgets the messages that are beyond the bounds now.
    pub fn append(&mut self, message: NewMessage, now: Instant) -> Arc<Message> {
        let message = self.push(message, AccountId::default(), now);
        while self.forget_excess(now).is_some() {}
        message
    }

    /// Numbers `message`, which counts for `account`, and keeps it, also beyond the bounds.
    pub(super) fn push(&mut self, message: NewMessage, account: AccountId, now: Instant) -> Arc<Message> {
        let position = Position { offset: self.last.next(), ..self.position() };
        let message = Arc::new(Message { account, ..Message::new(message, position, now) });
        self.insert(message.clone());
        message
    }

    /// Keeps a message that has the next position, also beyond the bounds.
    pub(super) fn insert(&mut self, message: Arc<Message>) {
        self.last = message.position.offset;
        if self.keeps_messages() {
            self.bytes += message.cost();
            self.messages.push_back(message);
        }
    }

    /// Forgets the newest message if it is after `offset`, as if it had never been, and returns it.
    pub(super) fn take_back(&mut self, offset: Offset) -> Option<Arc<Message>> {
        let newest = self.messages.back()?;
        if newest.position.offset <= offset {
            return None;
        }
        let newest = self.messages.pop_back()?;
        self.last = self.last.back(1);
        self.bytes -= newest.cost();
        Some(newest)
    }

    /// Returns the offset of the last message that it has forgotten.
    pub fn forgotten(&self) -> Offset {
        self.messages.front().map_or(self.last, |oldest| oldest.position.offset.back(1))
    }

    /// Returns false if the bound of messages is zero.
    pub(super) fn keeps_messages(&self) -> bool {
        self.limits.messages > 0
    }

    /// Forgets the oldest message if it is beyond a bound at `now`, and returns it.
    pub(super) fn forget_excess(&mut self, now: Instant) -> Option<Arc<Message>> {
        let is_full = self.messages.len() > self.limits.messages || self.bytes > self.limits.bytes;
        let is_excess = is_full || self.expires().is_some_and(|expires| expires <= now);
        if is_excess { self.forget_oldest() } else { None }
    }

    /// Returns the requested messages, for every audience.
    pub fn slice(&self, HistoryRequest { since, last }: HistoryRequest) -> HistorySlice {
        let missed = since.map(|since| self.after(since));
        let complete = missed.as_ref().map(Option::is_some);
        let messages = missed.flatten().unwrap_or_else(|| self.newest(last));
        let until = self.position();
        let from = Position { offset: until.offset.back(messages.len()), ..until };
        HistorySlice { messages, from, until, forgotten: until.offset.back(self.messages.len()), complete }
    }

    /// Returns all messages after `since`; `None` if some of them are forgotten, or if `since` is
    /// of another epoch or of the future.
    pub fn after(&self, since: Position) -> Option<Vec<Arc<Message>>> {
        let missed = self.last.since(since.offset)?;
        (self.has_reached(since) && missed <= self.messages.len()).then(|| self.newest(missed))
    }

    /// Returns the last `count` messages, or fewer if the history is shorter.
    pub fn newest(&self, count: usize) -> Vec<Arc<Message>> {
        let from = self.messages.len().saturating_sub(count);
        self.messages.range(from..).cloned().collect()
    }

    /// Forgets the oldest message, if there is one, and returns it.
    pub(super) fn forget_oldest(&mut self) -> Option<Arc<Message>> {
        let oldest = self.messages.pop_front()?;
        self.bytes -= oldest.cost();
        if self.messages.is_empty() {
            self.messages = VecDeque::new(); // releases the memory of the list
        }
        Some(oldest)
    }

    /// Iterates over the messages, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Message>> {
        self.messages.iter()
    }

    /// Returns the time at which the oldest message expires; `None` if there is no message.
    pub fn expires(&self) -> Option<Instant> {
        self.messages.front().map(|oldest| oldest.received + self.limits.age)
    }

    /// Returns the number of messages.
    pub fn messages(&self) -> usize {
        self.messages.len()
    }

    /// Returns the sum of the messages' [`Message::cost`], in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::message;
    use proptest::prelude::*;

    const LIMITS: HistoryLimits = HistoryLimits { messages: 5, age: Duration::from_secs(10), bytes: 1000 };

    fn offsets(messages: Vec<Arc<Message>>) -> Vec<String> {
        messages.iter().map(|message| message.position.offset.to_string()).collect()
    }

    #[test]
    fn messages_are_numbered_from_1_and_found_by_position() {
        let (mut history, now) = (History::new(LIMITS), Instant::now());
        let beginning = history.position();
        (0..3).for_each(|_| drop(history.append(message(1), now)));
        assert_eq!(offsets(history.after(beginning).unwrap()), ["1", "2", "3"]);
        assert_eq!(offsets(history.newest(2)), ["2", "3"]);
        assert_eq!(offsets(history.newest(9)), ["1", "2", "3"]);
        assert_eq!(offsets(history.after(history.position()).unwrap()), [""; 0]);
    }

    #[test]
    fn positions_of_another_epoch_or_of_the_future_are_unknown() {
        let (mut history, now) = (History::new(LIMITS), Instant::now());
        let mut other = History::new(LIMITS);
        other.append(message(1), now);
        assert!(history.after(Position { offset: Offset::default(), ..other.position() }).is_none());
        let future = Position { offset: Offset::default().next(), ..history.position() };
        assert!(history.after(future).is_none());
        history.append(message(1), now);
        assert!(history.after(future).is_some());
    }

    #[test]
    fn a_message_that_is_too_large_for_the_history_is_reported_missing() {
        let (mut history, now) = (History::new(LIMITS), Instant::now());
        history.append(message(1), now);
        let before = history.position();
        history.append(message(1001), now);
        assert!(history.after(before).is_none(), "the history does not hold it, and so it is missing");
        assert_eq!((history.messages(), history.bytes()), (0, 0));
    }

    proptest! {
        /// The model is a list that forgets nothing.
        #[test]
        fn a_position_returns_all_later_messages_or_none(
            steps in prop::collection::vec((0..400_usize, 0..4000_u64), 1..60),
            asked in 0..70_usize,
        ) {
            let mut history = History::new(LIMITS);
            let (beginning, mut now) = (history.position(), Instant::now());
            let mut everything = Vec::new();
            for (bytes, pause) in steps {
                now += Duration::from_millis(pause);
                everything.push(history.append(message(bytes), now));
                prop_assert!(history.messages() <= LIMITS.messages && history.bytes() <= LIMITS.bytes);
                prop_assert_eq!(history.bytes(), history.newest(99).iter().map(|message| message.cost()).sum::<usize>());
                prop_assert!(history.newest(99).iter().all(|message| message.received + LIMITS.age > now));
            }
            let mut since = beginning;
            (0..asked).for_each(|_| since.offset = since.offset.next());
            match history.after(since) {
                Some(missed) => prop_assert_eq!(offsets(missed), offsets(everything.split_off(asked))),
                None => prop_assert!(asked > everything.len() || everything.len() - asked > history.messages()),
            }
        }
    }
}
