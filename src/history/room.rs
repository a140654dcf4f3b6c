//! What one room remembers: its last messages, without a gap between them.

use super::{Epoch, Message, NewMessage, Offset, Position};
use crate::config::HistorySettings;
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

/// How much one room may remember; nothing if any of them is zero.
#[derive(Clone, Copy, Debug)]
pub struct HistoryLimits {
    pub messages: usize,
    pub age: Duration,
    /// Each message counts with its [`Message::cost`].
    pub bytes: usize,
}

impl HistoryLimits {
    pub fn of(settings: &HistorySettings) -> Self {
        Self { messages: settings.messages, age: settings.age, bytes: settings.bytes.bytes() }
    }
}

/// What a newcomer wants to hear of what was said before it came.
#[derive(Clone, Copy, Debug, Default)]
pub struct HistoryRequest {
    /// Everything behind this position.
    pub since: Option<Position>,
    /// So many messages, if there is no such position or not all behind it is remembered.
    pub last: usize,
}

impl HistoryRequest {
    pub fn wants_anything(self) -> bool {
        self.since.is_some() || self.last > 0
    }
}

/// What it hears.
#[derive(Debug)]
pub struct HistorySlice {
    pub messages: Vec<Arc<Message>>,
    /// Behind this position, `messages` and then what is said live have no gap.
    pub from: Position,
    /// Behind `messages`.
    pub until: Position,
    /// Behind the last message that the room has forgotten.
    pub forgotten: Offset,
    /// Whether a position that was asked for could be gone back to.
    pub complete: Option<bool>,
}

impl HistorySlice {
    /// Nothing of it is heard, and that is said.
    pub fn give_up(&mut self) {
        self.messages.clear();
        self.from = self.until;
        self.complete = self.complete.map(|_| false);
    }
}

#[derive(Debug)]
pub struct History {
    limits: HistoryLimits,
    epoch: Epoch,
    last: Offset,
    messages: VecDeque<Arc<Message>>,
    bytes: usize,
}

impl History {
    pub fn new(limits: HistoryLimits) -> Self {
        Self { limits, epoch: Epoch::begin(), last: Offset::default(), messages: VecDeque::new(), bytes: 0 }
    }

    /// Behind the last message.
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch, offset: self.last }
    }

    /// Numbers the next message, remembers it, and forgets what is too much then.
    pub fn append(&mut self, message: NewMessage, now: Instant) -> Arc<Message> {
        self.last = self.last.next();
        let message = Arc::new(Message::new(message, self.position(), now));
        if self.limits.messages == 0 {
            return message;
        }
        self.bytes += message.cost();
        self.messages.push_back(message.clone());
        while self.messages.len() > self.limits.messages || self.bytes > self.limits.bytes {
            self.forget_oldest();
        }
        self.forget_expired(now);
        message
    }

    /// What was missed, for whomever it was.
    pub fn slice(&self, HistoryRequest { since, last }: HistoryRequest) -> HistorySlice {
        let missed = since.map(|since| self.after(since));
        let complete = missed.as_ref().map(Option::is_some);
        let messages = missed.flatten().unwrap_or_else(|| self.newest(last));
        let until = self.position();
        let from = Position { offset: until.offset.back(messages.len()), ..until };
        HistorySlice { messages, from, until, forgotten: until.offset.back(self.messages.len()), complete }
    }

    /// Everything that was said after `since`; `None` if that is not all remembered any more.
    pub fn after(&self, since: Position) -> Option<Vec<Arc<Message>>> {
        let missed = self.last.since(since.offset)?;
        (since.epoch == self.epoch && missed <= self.messages.len()).then(|| self.newest(missed))
    }

    /// The last `count` messages, or as many as are remembered.
    pub fn newest(&self, count: usize) -> Vec<Arc<Message>> {
        let from = self.messages.len().saturating_sub(count);
        self.messages.range(from..).cloned().collect()
    }

    pub fn forget_oldest(&mut self) {
        if let Some(oldest) = self.messages.pop_front() {
            self.bytes -= oldest.cost();
        }
        if self.messages.is_empty() {
            self.messages = VecDeque::new(); // gives its memory back
        }
    }

    /// Forgets what is as old as a message may become.
    pub fn forget_expired(&mut self, now: Instant) {
        while self.expires().is_some_and(|expires| expires <= now) {
            self.forget_oldest();
        }
    }

    /// When the oldest message will be forgotten.
    pub fn expires(&self) -> Option<Instant> {
        self.messages.front().map(|oldest| oldest.taken + self.limits.age)
    }

    /// How many messages are remembered.
    pub fn messages(&self) -> usize {
        self.messages.len()
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{history::Audience, wire::Payload};
    use proptest::prelude::*;

    fn message(bytes: usize) -> NewMessage {
        NewMessage {
            payload: Payload::Binary(vec![0; bytes].into()),
            who: None,
            audience: Audience::Everyone,
        }
    }

    const LIMITS: HistoryLimits = HistoryLimits { messages: 5, age: Duration::from_secs(10), bytes: 1000 };

    fn offsets(messages: Vec<Arc<Message>>) -> Vec<String> {
        messages.iter().map(|message| message.position.offset.to_string()).collect()
    }

    #[test]
    fn messages_are_numbered_from_1_and_found_again() {
        let (mut history, now) = (History::new(LIMITS), Instant::now());
        let beginning = history.position();
        (0..3).for_each(|_| drop(history.append(message(1), now)));
        assert_eq!(offsets(history.after(beginning).unwrap()), ["1", "2", "3"]);
        assert_eq!(offsets(history.newest(2)), ["2", "3"]);
        assert_eq!(offsets(history.newest(9)), ["1", "2", "3"]);
        assert_eq!(offsets(history.after(history.position()).unwrap()), [""; 0]);
    }

    #[test]
    fn positions_of_another_epoch_or_of_the_future_are_not_known() {
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
    fn a_message_that_is_too_large_leaves_no_gap_behind_it() {
        let (mut history, now) = (History::new(LIMITS), Instant::now());
        history.append(message(1), now);
        let before = history.position();
        history.append(message(1001), now);
        assert!(history.after(before).is_none(), "it is not remembered, and so it is missing");
        assert_eq!((history.messages(), history.bytes()), (0, 0));
    }

    proptest! {
        /// Against a list that forgets nothing.
        #[test]
        fn what_is_given_back_is_everything_after_a_position_or_nothing(
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
                prop_assert!(history.newest(99).iter().all(|message| message.taken + LIMITS.age > now));
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
