//! The position of one client in its room.

use super::{
    Breach, ClientId, Message, Promise,
    order::{Order, Placed},
    payload::Label,
};
use std::{collections::VecDeque, time::Duration};

/// The options with which a client joins a room.
#[derive(Clone, Copy, Debug)]
pub struct SubscribeOptions {
    /// True if the client receives its own messages.
    pub echo: bool,
}

pub struct Subscriber {
    me: ClientId,
    echo: bool,
    place: Position,
    /// Received, but not yet found in the order, which other clients settle.
    ahead: VecDeque<Message>,
    pub is_gone: bool,
}

/// The position of a subscriber in the order.
#[derive(Clone, Copy)]
enum Position {
    /// Unknown before it has received a message that others have received too.
    Unknown {
        /// The end of the order when the client began to connect: no earlier message may be
        /// received.
        entered: usize,
        /// The time of its greeting: every later message must be received.
        greeted: Option<u64>,
        /// The position up to which the order was searched for its first message.
        searched: usize,
    },
    /// The message at this position is next.
    Next(usize),
    /// So far behind that its next message was forgotten.
    TooFarBehind,
}

/// The result of comparing a subscriber with the order.
pub enum Settled {
    /// It has received the whole order; the age of the last message.
    UpToDate(Option<Duration>),
    /// It has received a message that the order does not have.
    Ahead(Message),
    /// It waits until other clients have settled more of the order.
    Waiting,
}

impl Subscriber {
    pub fn new(me: ClientId, SubscribeOptions { echo }: SubscribeOptions, end: usize) -> Self {
        let place = Position::Unknown { entered: end, greeted: None, searched: end };
        Self { me, echo, place, ahead: VecDeque::new(), is_gone: false }
    }

    /// `alone`: no other client could know the order.
    pub fn is_greeted(&mut self, now: u64, end: usize, alone: bool) {
        match &mut self.place {
            place if alone => *place = Position::Next(end),
            Position::Unknown { greeted, .. } => *greeted = Some(now),
            _ => {}
        }
    }

    pub fn was_greeted(&self) -> bool {
        !matches!(self.place, Position::Unknown { greeted: None, .. })
    }

    pub fn receives(&mut self, received: Message) -> Result<(), Breach> {
        let mine =
            !self.echo && Label::read(&received.payload).is_some_and(|label| label.publisher == self.me);
        if mine {
            return Err(Breach::of(Promise::NoEcho, self.me, "only what others say", received));
        }
        self.ahead.push_back(received);
        Ok(())
    }

    /// Compares the received messages with the order, as far as both go.
    pub fn settle(&mut self, order: &Order) -> Result<Settled, Breach> {
        self.find_place(order)?;
        let mut age = None;
        while let Some(received) = self.ahead.front() {
            let Position::Next(position) = self.place else { return Ok(self.without_place()) };
            if order.is_forgotten(position) {
                self.place = Position::TooFarBehind;
                continue;
            }
            match order.at(position) {
                Some(own) if self.skips(own) => {}
                Some(next) if next.message == *received => {
                    age = Some(next.published.elapsed());
                    self.ahead.pop_front();
                }
                Some(next) => return Err(self.wrong(order, position, next, received)),
                None if self.echo => return Ok(Settled::Ahead(received.clone())),
                None => return Ok(Settled::Waiting),
            }
            self.place = Position::Next(position + 1);
        }
        Ok(Settled::UpToDate(age))
    }

    /// The first message of the order that it must still receive.
    pub fn missing<'o>(&self, order: &'o Order) -> Option<&'o Placed> {
        match self.place {
            Position::Next(position) => self.owed(order, position, order.end(), 0),
            Position::Unknown { greeted, entered, .. } => self.owed(order, entered, order.end(), greeted?),
            Position::TooFarBehind => None,
        }
    }

    /// The oldest message that it may still receive.
    pub fn needs_from(&self) -> Option<usize> {
        match self.place {
            Position::Unknown { entered, .. } => Some(entered),
            Position::Next(position) => Some(position),
            Position::TooFarBehind => None,
        }
    }

    /// True if its next message is known.
    pub fn has_place(&self) -> bool {
        matches!(self.place, Position::Next(_))
    }

    /// True if every received message has its place.
    pub fn is_settled(&self) -> bool {
        self.ahead.is_empty()
    }

    /// True if it has certainly received its own last message, if that was accepted.
    pub fn knows_its_own(&self) -> bool {
        self.echo && self.ahead.is_empty() && matches!(self.place, Position::Next(_))
    }

    pub fn first_ahead(&self) -> Option<&Message> {
        self.ahead.front()
    }

    fn without_place(&mut self) -> Settled {
        if matches!(self.place, Position::TooFarBehind) {
            self.ahead.clear();
            return Settled::UpToDate(None);
        }
        Settled::Waiting
    }

    /// Looks for its first received message, and for an earlier one that it should have received.
    fn find_place(&mut self, order: &Order) -> Result<(), Breach> {
        let Position::Unknown { entered, greeted: Some(greeted), searched } = self.place else {
            return Ok(());
        };
        let Some(first) = self.ahead.front() else { return Ok(()) };
        let is_first = |at: &usize| order.at(*at).is_some_and(|placed| placed.message == *first);
        let found = (searched..order.end()).find(is_first);
        let Some(position) = found else {
            self.place = Position::Unknown { entered, greeted: Some(greeted), searched: order.end() };
            return Ok(());
        };
        if let Some(skipped) = self.owed(order, entered, position, greeted) {
            return Err(Breach::of(Promise::NothingSkipped, self.me, &skipped.message, first));
        }
        self.place = Position::Next(position);
        Ok(())
    }

    /// The first message in `from..to` that was published after `since` and is for this subscriber.
    fn owed<'o>(&self, order: &'o Order, from: usize, to: usize, since: u64) -> Option<&'o Placed> {
        let placed = (from..to).filter_map(|position| order.at(position));
        placed.filter(|placed| placed.at > since).find(|placed| !self.skips(placed))
    }

    fn skips(&self, placed: &Placed) -> bool {
        !self.echo && placed.label.publisher == self.me
    }

    fn wrong(&self, order: &Order, position: usize, next: &Placed, received: &Message) -> Breach {
        let place = |mut positions: std::ops::Range<usize>| {
            positions.any(|at| order.at(at).is_some_and(|placed| placed.message == *received))
        };
        let promise = match () {
            () if place(position..order.end()) => Promise::NothingSkipped,
            () if place(0..position) => Promise::ExactlyOnce,
            () => Promise::OneOrder,
        };
        Breach::of(promise, self.me, &next.message, received)
    }
}
