//! How far one client has heard its room.

use super::{
    Breach, ClientId, Promise, Utterance,
    order::{Order, Placed},
    words::Label,
};
use std::{collections::VecDeque, time::Duration};

/// As what a client enters a room.
#[derive(Clone, Copy, Debug)]
pub struct Entrance {
    /// Whether it hears itself.
    pub echo: bool,
}

pub struct Hearer {
    me: ClientId,
    echo: bool,
    place: Place,
    /// Heard, but not yet found in the order, which others make.
    ahead: VecDeque<Utterance>,
    pub is_gone: bool,
}

/// Where in the order a hearer is.
#[derive(Clone, Copy)]
enum Place {
    /// Nobody can tell before it has heard something that others have heard too.
    Unknown {
        /// What the order held when the client began to connect: none of it may be heard.
        entered: usize,
        /// When it was greeted: all that was said from then on must be heard.
        greeted: Option<u64>,
        /// How far the order was searched for its first message.
        searched: usize,
    },
    /// It hears what is at this position next.
    Next(usize),
    /// So far behind that what it hears next was forgotten.
    TooFarBehind,
}

/// What came of comparing a hearer with the order.
pub enum Settled {
    /// It has heard what the order holds; how long ago the last was said.
    UpToDate(Option<Duration>),
    /// It has heard something that the order does not hold.
    Ahead(Utterance),
    /// It waits until others have made more of the order.
    Waiting,
}

impl Hearer {
    pub fn new(me: ClientId, Entrance { echo }: Entrance, end: usize) -> Self {
        let place = Place::Unknown { entered: end, greeted: None, searched: end };
        Self { me, echo, place, ahead: VecDeque::new(), is_gone: false }
    }

    /// `alone`: nobody else is there who could know the order.
    pub fn is_greeted(&mut self, now: u64, end: usize, alone: bool) {
        match &mut self.place {
            place if alone => *place = Place::Next(end),
            Place::Unknown { greeted, .. } => *greeted = Some(now),
            _ => {}
        }
    }

    pub fn was_greeted(&self) -> bool {
        !matches!(self.place, Place::Unknown { greeted: None, .. })
    }

    pub fn hears(&mut self, heard: Utterance) -> Result<(), Breach> {
        let mine = !self.echo && Label::read(&heard.payload).is_some_and(|label| label.speaker == self.me);
        if mine {
            return Err(Breach::of(Promise::NotToTheSpeaker, self.me, "only what others say", heard));
        }
        self.ahead.push_back(heard);
        Ok(())
    }

    /// Compares what was heard with the order, as far as both go.
    pub fn settle(&mut self, order: &Order) -> Result<Settled, Breach> {
        self.find_place(order)?;
        let mut age = None;
        while let Some(heard) = self.ahead.front() {
            let Place::Next(position) = self.place else { return Ok(self.without_place()) };
            if order.is_forgotten(position) {
                self.place = Place::TooFarBehind;
                continue;
            }
            match order.at(position) {
                Some(own) if self.skips(own) => {}
                Some(next) if next.utterance == *heard => {
                    age = Some(next.said.elapsed());
                    self.ahead.pop_front();
                }
                Some(next) => return Err(self.wrong(order, position, next, heard)),
                None if self.echo => return Ok(Settled::Ahead(heard.clone())),
                None => return Ok(Settled::Waiting),
            }
            self.place = Place::Next(position + 1);
        }
        Ok(Settled::UpToDate(age))
    }

    /// What it must still hear of the order.
    pub fn missing<'o>(&self, order: &'o Order) -> Option<&'o Placed> {
        match self.place {
            Place::Next(position) => self.owed(order, position, order.end(), 0),
            Place::Unknown { greeted, entered, .. } => self.owed(order, entered, order.end(), greeted?),
            Place::TooFarBehind => None,
        }
    }

    /// The oldest message that it may still hear.
    pub fn needs_from(&self) -> Option<usize> {
        match self.place {
            Place::Unknown { entered, .. } => Some(entered),
            Place::Next(position) => Some(position),
            Place::TooFarBehind => None,
        }
    }

    /// Whether all that it heard has its place.
    pub fn is_settled(&self) -> bool {
        self.ahead.is_empty()
    }

    /// Whether it has surely heard its own last message, if that was accepted.
    pub fn knows_its_own(&self) -> bool {
        self.echo && self.ahead.is_empty() && matches!(self.place, Place::Next(_))
    }

    pub fn first_ahead(&self) -> Option<&Utterance> {
        self.ahead.front()
    }

    fn without_place(&mut self) -> Settled {
        if matches!(self.place, Place::TooFarBehind) {
            self.ahead.clear();
            return Settled::UpToDate(None);
        }
        Settled::Waiting
    }

    /// Looks for the first message it heard, and whether one before it should have been heard.
    fn find_place(&mut self, order: &Order) -> Result<(), Breach> {
        let Place::Unknown { entered, greeted: Some(greeted), searched } = self.place else { return Ok(()) };
        let Some(first) = self.ahead.front() else { return Ok(()) };
        let is_first = |at: &usize| order.at(*at).is_some_and(|placed| placed.utterance == *first);
        let found = (searched..order.end()).find(is_first);
        let Some(position) = found else {
            self.place = Place::Unknown { entered, greeted: Some(greeted), searched: order.end() };
            return Ok(());
        };
        if let Some(skipped) = self.owed(order, entered, position, greeted) {
            return Err(Breach::of(Promise::NothingSkipped, self.me, &skipped.utterance, first));
        }
        self.place = Place::Next(position);
        Ok(())
    }

    /// The first message from `from` on and before `to` that was said later than `since` and is for this hearer.
    fn owed<'o>(&self, order: &'o Order, from: usize, to: usize, since: u64) -> Option<&'o Placed> {
        let placed = (from..to).filter_map(|position| order.at(position));
        placed.filter(|placed| placed.at > since).find(|placed| !self.skips(placed))
    }

    fn skips(&self, placed: &Placed) -> bool {
        !self.echo && placed.label.speaker == self.me
    }

    fn wrong(&self, order: &Order, position: usize, next: &Placed, heard: &Utterance) -> Breach {
        let place = |mut positions: std::ops::Range<usize>| {
            positions.any(|at| order.at(at).is_some_and(|placed| placed.utterance == *heard))
        };
        let promise = match () {
            () if place(position..order.end()) => Promise::NothingSkipped,
            () if place(0..position) => Promise::ExactlyOnce,
            () => Promise::OneOrder,
        };
        Breach::of(promise, self.me, &next.utterance, heard)
    }
}
