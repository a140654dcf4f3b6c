//! One room: who speaks, who hears, and in which order.

pub use super::hearer::Entrance;

use super::{
    Breach, ClientId, Parting, Promise, RoomId, Utterance, Verdict,
    hearer::{Hearer, Settled},
    order::Order,
    speaker::{Said, Speaker},
    words::Label,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

pub struct Room {
    id: RoomId,
    order: Order,
    hearers: BTreeMap<ClientId, Hearer>,
    speakers: BTreeMap<ClientId, Speaker>,
    /// Hearers who have heard something that has no place in the order yet.
    ahead: BTreeSet<ClientId>,
}

impl Room {
    pub fn new(id: RoomId) -> Self {
        Self {
            id,
            order: Order::default(),
            hearers: BTreeMap::new(),
            speakers: BTreeMap::new(),
            ahead: BTreeSet::new(),
        }
    }

    pub fn enters(&mut self, client: ClientId, entrance: Entrance) {
        self.hearers.insert(client, Hearer::new(client, entrance, self.order.end()));
    }

    pub fn is_greeted(&mut self, client: ClientId, now: u64) {
        let alone = self.hearers.iter().all(|(other, hearer)| *other == client || hearer.is_gone);
        let end = self.order.end();
        if let Some(hearer) = self.hearers.get_mut(&client) {
            hearer.is_greeted(now, end, alone);
        }
    }

    pub fn says(&mut self, client: ClientId, now: u64, length: usize, binary: bool) -> Utterance {
        let speaker = self.speakers.entry(client).or_default();
        let label = Label { room: self.id, speaker: client, number: speaker.next_number() };
        let utterance = label.utterance(length, binary);
        speaker.says(Said { label, utterance: utterance.clone(), when: Instant::now(), at: now });
        utterance
    }

    /// Judges what `client` heard; how long ago it was said, if that is known yet.
    pub fn hears(&mut self, client: ClientId, heard: Utterance) -> Result<Duration, Breach> {
        let hearer = self.hearers.get_mut(&client).expect("who hears has entered");
        hearer.hears(heard)?;
        match hearer.settle(&self.order)? {
            Settled::UpToDate(age) => Ok(age.unwrap_or_default()),
            Settled::Waiting => {
                self.ahead.insert(client);
                Ok(Duration::ZERO)
            }
            Settled::Ahead(news) => {
                let age = self.place(client, news)?;
                self.ahead.insert(client);
                self.settle_those_ahead()?;
                Ok(age)
            }
        }
    }

    pub fn leaves(&mut self, client: ClientId, parting: Parting) -> Verdict {
        let Some(hearer) = self.hearers.get_mut(&client) else { return Ok(()) };
        let parting = match parting {
            Parting::Dismissed if !hearer.knows_its_own() => Parting::Sudden,
            parting => parting,
        };
        hearer.is_gone = true;
        if hearer.is_settled() {
            self.hearers.remove(&client);
        }
        if let Some(speaker) = self.speakers.get_mut(&client) {
            speaker.is_gone(parting);
        }
        self.nobody_is_left_ahead()
    }

    pub fn clients(&self) -> usize {
        self.hearers.values().filter(|hearer| !hearer.is_gone).count()
    }

    pub fn greeted(&self) -> usize {
        self.hearers.values().filter(|hearer| !hearer.is_gone && hearer.was_greeted()).count()
    }

    pub fn has_begun(&self) -> bool {
        self.hearers.values().any(Hearer::knows_its_own)
    }

    /// How many messages have their place.
    pub fn accepted(&self) -> u64 {
        self.order.end() as u64
    }

    pub fn unheard_bytes(&self) -> usize {
        self.speakers.values().map(Speaker::unheard_bytes).sum()
    }

    /// What somebody must still hear.
    pub fn unsettled(&self) -> Option<Breach> {
        let owed = self.speakers.values().find_map(Speaker::owed).map(|said| {
            let who = format!("everybody in {}", self.id);
            Breach::of(Promise::AcceptedIsDelivered, who, &said.utterance, "silence")
        });
        let missing = self.hearers.iter().find_map(|(client, hearer)| {
            let missing = hearer.missing(&self.order)?;
            let who = format!("{client} in {}", self.id);
            Some(Breach::of(Promise::NothingSkipped, who, &missing.utterance, "silence"))
        });
        owed.or(missing)
    }

    pub fn tidy(&mut self, now: Instant) {
        self.speakers.retain(|_, speaker| !speaker.is_forgotten(now));
        let needed = self.hearers.values().filter_map(Hearer::needs_from).min();
        self.order.forget_before(needed.unwrap_or(self.order.end()));
    }

    /// Whether the room may begin anew.
    pub fn is_forgotten(&self) -> bool {
        self.hearers.is_empty() && self.speakers.is_empty()
    }

    /// Puts what `client` was the first to hear at the end of the order.
    fn place(&mut self, client: ClientId, heard: Utterance) -> Result<Duration, Breach> {
        let who = format!("{client} in {}", self.id);
        let stranger = || Breach::of(Promise::NothingInvented, &who, "something that was said here", &heard);
        let label = Label::read(&heard.payload).filter(|label| label.room == self.id).ok_or_else(stranger)?;
        let speaker = self.speakers.get_mut(&label.speaker).ok_or_else(stranger)?;
        let said = speaker.is_heard(label, &heard, &who)?;
        let age = said.when.elapsed();
        self.order.push(label, said);
        Ok(age)
    }

    /// The order has grown: compares it with what others have heard, until nobody adds to it.
    fn settle_those_ahead(&mut self) -> Verdict {
        let mut end = 0;
        while end != self.order.end() {
            end = self.order.end();
            for client in self.ahead.clone() {
                self.settle(client)?;
            }
        }
        Ok(())
    }

    fn settle(&mut self, client: ClientId) -> Verdict {
        while let Some(hearer) = self.hearers.get_mut(&client) {
            match hearer.settle(&self.order)? {
                Settled::Waiting => return Ok(()),
                Settled::Ahead(news) => drop(self.place(client, news)?),
                Settled::UpToDate(_) => {
                    self.ahead.remove(&client);
                    if hearer.is_gone {
                        self.hearers.remove(&client);
                    }
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// What somebody heard must have its place when nobody is left who could give it one.
    fn nobody_is_left_ahead(&self) -> Verdict {
        if self.hearers.values().any(|hearer| !hearer.is_gone) {
            return Ok(());
        }
        match self.hearers.iter().find_map(|(client, hearer)| Some((client, hearer.first_ahead()?))) {
            None => Ok(()),
            Some((client, heard)) => {
                let who = format!("{client} in {}", self.id);
                Err(Breach::of(Promise::OneOrder, who, "something that others heard too", heard))
            }
        }
    }
}
