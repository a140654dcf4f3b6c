//! One room: its publishers, its subscribers, and its order.

pub use super::subscriber::SubscribeOptions;

use super::{
    Breach, ClientId, Departure, Message, Promise, RoomId, Verdict,
    order::Order,
    payload::Label,
    publisher::{Published, Publisher},
    subscriber::{Settled, Subscriber},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

pub struct Room {
    id: RoomId,
    order: Order,
    subscribers: BTreeMap<ClientId, Subscriber>,
    publishers: BTreeMap<ClientId, Publisher>,
    /// Subscribers that have received a message that has no place in the order yet.
    ahead: BTreeSet<ClientId>,
}

impl Room {
    pub fn new(id: RoomId) -> Self {
        Self {
            id,
            order: Order::default(),
            subscribers: BTreeMap::new(),
            publishers: BTreeMap::new(),
            ahead: BTreeSet::new(),
        }
    }

    pub fn enters(&mut self, client: ClientId, options: SubscribeOptions) {
        self.subscribers.insert(client, Subscriber::new(client, options, self.order.end()));
    }

    pub fn is_greeted(&mut self, client: ClientId, now: u64) {
        let alone = self.subscribers.iter().all(|(other, subscriber)| *other == client || subscriber.is_gone);
        let end = self.order.end();
        if let Some(subscriber) = self.subscribers.get_mut(&client) {
            subscriber.is_greeted(now, end, alone);
        }
    }

    pub fn publishes(&mut self, client: ClientId, now: u64, length: usize, binary: bool) -> Message {
        let publisher = self.publishers.entry(client).or_default();
        let label = Label { room: self.id, publisher: client, number: publisher.next_number() };
        let message = label.message(length, binary);
        publisher.publishes(Published { label, message: message.clone(), when: Instant::now(), at: now });
        message
    }

    /// Judges a message that `client` received; returns its age, if that is known yet.
    pub fn receives(&mut self, client: ClientId, received: Message) -> Result<Duration, Breach> {
        let subscriber = self.subscribers.get_mut(&client).expect("a subscriber has entered");
        subscriber.receives(received)?;
        match subscriber.settle(&self.order)? {
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

    pub fn leaves(&mut self, client: ClientId, departure: Departure) -> Verdict {
        let Some(subscriber) = self.subscribers.get_mut(&client) else { return Ok(()) };
        let departure = match departure {
            Departure::Closed if !subscriber.knows_its_own() => Departure::Sudden,
            departure => departure,
        };
        subscriber.is_gone = true;
        if subscriber.is_settled() {
            self.subscribers.remove(&client);
        }
        if let Some(publisher) = self.publishers.get_mut(&client) {
            publisher.is_gone(departure);
        }
        self.nobody_is_left_ahead()
    }

    pub fn clients(&self) -> usize {
        self.subscribers.values().filter(|subscriber| !subscriber.is_gone).count()
    }

    pub fn greeted(&self) -> usize {
        self.subscribers.values().filter(|subscriber| !subscriber.is_gone && subscriber.was_greeted()).count()
    }

    /// True if a client has its place, and so has every other that has received the greeting.
    pub fn is_placed(&self) -> bool {
        let mut here = self.subscribers.values().filter(|one| !one.is_gone && one.was_greeted()).peekable();
        here.peek().is_some() && here.all(Subscriber::has_place)
    }

    pub fn has_begun(&self) -> bool {
        self.subscribers.values().any(Subscriber::knows_its_own)
    }

    /// The number of messages that have their place.
    pub fn accepted(&self) -> u64 {
        self.order.end() as u64
    }

    pub fn undelivered_bytes(&self) -> usize {
        self.publishers.values().map(Publisher::undelivered_bytes).sum()
    }

    /// A message that a client must still receive.
    pub fn unsettled(&self) -> Option<Breach> {
        let owed = self.publishers.values().find_map(Publisher::owed).map(|published| {
            let who = format!("all clients in {}", self.id);
            Breach::of(Promise::AcceptedIsDelivered, who, &published.message, "silence")
        });
        let missing = self.subscribers.iter().find_map(|(client, subscriber)| {
            let missing = subscriber.missing(&self.order)?;
            let who = format!("{client} in {}", self.id);
            Some(Breach::of(Promise::NothingSkipped, who, &missing.message, "silence"))
        });
        owed.or(missing)
    }

    pub fn tidy(&mut self, now: Instant) {
        self.publishers.retain(|_, publisher| !publisher.is_forgotten(now));
        let needed = self.subscribers.values().filter_map(Subscriber::needs_from).min();
        self.order.forget_before(needed.unwrap_or(self.order.end()));
    }

    /// True if the room may begin anew.
    pub fn is_forgotten(&self) -> bool {
        self.subscribers.is_empty() && self.publishers.is_empty()
    }

    /// Appends a message to the order that `client` was the first to receive.
    fn place(&mut self, client: ClientId, received: Message) -> Result<Duration, Breach> {
        let who = format!("{client} in {}", self.id);
        let stranger =
            || Breach::of(Promise::NothingInvented, &who, "a message that was published here", &received);
        let label =
            Label::read(&received.payload).filter(|label| label.room == self.id).ok_or_else(stranger)?;
        let publisher = self.publishers.get_mut(&label.publisher).ok_or_else(stranger)?;
        let published = publisher.is_delivered(label, &received, &who)?;
        let age = published.when.elapsed();
        self.order.push(label, published);
        Ok(age)
    }

    /// The order has grown: compares it with the messages of other clients, until none adds to it.
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
        while let Some(subscriber) = self.subscribers.get_mut(&client) {
            match subscriber.settle(&self.order)? {
                Settled::Waiting => return Ok(()),
                Settled::Ahead(news) => drop(self.place(client, news)?),
                Settled::UpToDate(_) => {
                    self.ahead.remove(&client);
                    if subscriber.is_gone {
                        self.subscribers.remove(&client);
                    }
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Every received message must have its place when no client is left that could settle it.
    fn nobody_is_left_ahead(&self) -> Verdict {
        if self.subscribers.values().any(|subscriber| !subscriber.is_gone) {
            return Ok(());
        }
        match self
            .subscribers
            .iter()
            .find_map(|(client, subscriber)| Some((client, subscriber.first_ahead()?)))
        {
            None => Ok(()),
            Some((client, received)) => {
                let who = format!("{client} in {}", self.id);
                Err(Breach::of(Promise::OneOrder, who, "something that others received too", received))
            }
        }
    }
}
