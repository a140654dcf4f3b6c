//! An order whose arrivals come when a test releases them, as those of a backplane on another
//! machine.

use super::{Arrival, Asker, IdempotencyBounds, NoticeList, Ordered, Single, Submission, Waiter};
use crate::{history::HistoryRequest, ids::RoomSlot};
use smallvec::SmallVec;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The order of one node, held back.
pub struct Delayed {
    pub(super) single: Single,
    waiting: VecDeque<Waiting>,
}

enum Waiting {
    Submission(Submission),
    Notices(NoticeList),
    Recall(RoomSlot, HistoryRequest, Asker),
    Waiter(Waiter),
}

impl Default for Delayed {
    /// An order without rooms, of which nothing has arrived.
    fn default() -> Self {
        let idempotency = IdempotencyBounds { keys: 100, window: Duration::from_secs(60) };
        Self { single: Single::new(1 << 20, idempotency), waiting: VecDeque::new() }
    }
}

impl Delayed {
    pub(super) fn submit(&mut self, submission: Submission) {
        self.waiting.push_back(Waiting::Submission(submission));
    }

    pub(super) fn announce(&mut self, notices: NoticeList) {
        self.waiting.push_back(Waiting::Notices(notices));
    }

    pub(super) fn recall(&mut self, slot: RoomSlot, request: HistoryRequest, asker: Asker) {
        self.waiting.push_back(Waiting::Recall(slot, request, asker));
    }

    pub(super) fn settle(&mut self, waiter: Waiter) {
        self.waiting.push_back(Waiting::Waiter(waiter));
    }

    pub(super) fn is_pending(&self, slot: RoomSlot) -> bool {
        self.waiting.iter().any(|waiting| match waiting {
            Waiting::Submission(submission) => submission.room == slot,
            Waiting::Notices(notices) => notices.room == slot,
            Waiting::Recall(room, ..) => *room == slot,
            Waiting::Waiter(_) => false,
        })
    }

    /// Gives up every request; they never arrive.
    pub fn lose_all(&mut self) {
        self.waiting.clear();
    }

    /// Lets the first `count` requests arrive.
    pub fn release(&mut self, count: usize, now: Instant, arrived: &mut VecDeque<Arrival>) {
        for waiting in self.waiting.drain(..count.min(self.waiting.len())) {
            match waiting {
                Waiting::Submission(submission) => {
                    let key = submission.key.as_ref();
                    let answer =
                        key.and_then(|used| self.single.find_answer(&used.room, &used.key, used.source, now));
                    arrived.push_back(Arrival::Messages(match answer {
                        None => self.single.publish(submission, now),
                        Some(answer) => Ordered {
                            room: submission.room,
                            messages: SmallVec::new(),
                            answer,
                            pending: Some(submission.pending),
                        },
                    }));
                }
                Waiting::Notices(notices) => arrived.push_back(Arrival::Notices(notices)),
                Waiting::Recall(slot, request, asker) => {
                    arrived.push_back(self.single.recall(slot, request, asker));
                }
                Waiting::Waiter(waiter) => arrived.push_back(Arrival::Settled(waiter)),
            }
        }
    }
}
