//! The promises, after everything has come to rest.

use super::{
    client::text_of,
    world::{PROCESSES, World},
};
use crate::{
    config::RoomName,
    history::{Offset, Position},
    ids::SpeakerId,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

/// Rounds in which calls at one moment come to an end; more are a storm.
const ROUNDS: usize = 2000;

/// The time that is watched for calls at rest, in minutes.
const REST: u64 = 5;

impl World {
    /// Lets everything come to rest.
    pub fn settle(&mut self) {
        self.is_troubled = false;
        self.note(|| "the end: everything comes to rest".into());
        for _ in 0..3 {
            (0..PROCESSES).for_each(|at| self.tick(at)); // before they connect: rooms may close
            for at in 0..PROCESSES {
                if !self.is_connected_to_master(at) {
                    self.connect(at);
                }
            }
            self.reap_dead();
            for seconds in [0, 2, 2, 6] {
                self.rest_for(Duration::from_secs(seconds));
            }
            if !self.was_emptied && !self.splits {
                self.check_promptness(); // the sweep has repaired at most a part
            }
            self.rest_for(Duration::from_secs(61));
        }
        for number in 0..self.clients.len() {
            if self.clients[number].process.is_none() {
                self.join(number, number % PROCESSES);
            }
        }
        (0..10).for_each(|_| self.rest_for(Duration::from_millis(300)));
        self.rest_for(Duration::from_secs(61));
        self.rest_for(Duration::from_secs(2));
        let calls = self.processes.iter().map(|process| process.calls).collect::<Vec<_>>();
        (0..REST * 60).for_each(|_| self.rest_for(Duration::from_secs(1)));
        for (at, before) in calls.into_iter().enumerate() {
            let calls = self.processes[at].calls - before;
            let sweeps = self.processes[at].rooms.len() * (REST as usize + 1);
            assert!(calls <= sweeps, "node {at} makes {calls} calls at rest, the sweep needs {sweeps}");
        }
    }

    /// Lets time pass, and handles everything that is due then.
    fn rest_for(&mut self, time: Duration) {
        self.pass(time);
        (0..PROCESSES).for_each(|at| self.tick(at));
        let mut rounds = 0;
        while !self.is_quiet() {
            for at in 0..PROCESSES {
                self.carry_out(at);
                self.deliver(at, false);
                self.deliver(at, true);
            }
            rounds += 1;
            assert!(rounds < ROUNDS, "the nodes do not stop calling");
        }
    }

    fn is_quiet(&self) -> bool {
        let mut connections = self.processes.iter().filter_map(|process| process.connection.as_ref());
        connections.all(|connection| connection.is_quiet())
    }

    /// Checks what clients, publishers and members know against Redis.
    pub fn check(&mut self) {
        for room in self.rooms.clone() {
            let appended = self.appended(&room);
            self.check_clients(&room, &appended, self.top(&room));
            self.check_presence(&room);
        }
        self.check_posts();
        for (at, process) in self.processes.iter_mut().enumerate() {
            for slot in process.rooms.keys() {
                assert!(!process.node.is_pending(*slot), "node {at} has something pending");
            }
            assert_eq!(process.node.waiting(), 0, "publications of node {at} that nobody waits for");
            self.tally.restored += process.node.take_counts().restored;
        }
        self.tally.told = self.clients.iter().map(|client| client.told).sum();
    }

    /// Checks that clients have come to the end of their room, and know its members.
    fn check_promptness(&self) {
        for client in self.clients.iter().filter(|client| client.process.is_some()) {
            let top = self.top(&client.room);
            let offset = client.position.map(|position| position.offset);
            assert_eq!(offset, Some(top), "{} is not at the end of {} in time", client.who, client.room);
        }
        self.rooms.iter().for_each(|room| self.check_presence(room));
    }

    /// The offset of the last message of a room.
    fn top(&self, room: &RoomName) -> Offset {
        self.servers[self.master()].redis.position(room).unwrap_or(Position::FOREIGN).offset
    }

    /// Every message of a room since it began, also those that the history has forgotten.
    fn appended(&self, room: &RoomName) -> BTreeMap<Offset, (Position, String)> {
        let (mut all, mut texts) = (BTreeMap::new(), HashSet::new());
        for entry in self.servers[self.master()].redis.appended(room) {
            let mut offset = entry.until.offset.back(entry.messages.len());
            for message in &entry.messages {
                offset = offset.next();
                let text = text_of(&message.payload);
                let is_new = texts.insert(text.clone());
                assert!(is_new || self.may_repeat(&text), "{room} has {text} twice");
                let before = all.insert(offset, (Position { offset, ..entry.until }, text));
                assert_eq!(before, None, "{room} has two messages at {offset}");
            }
        }
        all
    }

    fn check_clients(&self, room: &RoomName, appended: &BTreeMap<Offset, (Position, String)>, top: Offset) {
        let is_true = |message: &(Position, String)| match appended.get(&message.0.offset) {
            Some(truth) => truth == message,
            None => message.0.offset <= top, // Redis was given back only what mirrors had
        };
        for (number, client) in self.clients.iter().enumerate().filter(|(_, client)| client.room == *room) {
            for message in &client.received {
                assert!(is_true(message), "client {number} received {message:?}, and was not told");
            }
            for message in client.confirmed.iter().filter(|_| client.told == 0) {
                assert!(is_true(message), "{message:?} was confirmed to client {number} and is gone");
            }
            assert!(client.is_admitted, "client {number} is not admitted");
            let offset = client.position.map(|position| position.offset);
            assert_eq!(offset, Some(top), "client {number} is not at the end of {room}");
            assert!(client.unanswered.is_empty(), "client {number} waits for {:?}", client.unanswered);
        }
    }

    fn check_presence(&self, name: &RoomName) {
        let rooms: Vec<_> = self
            .processes
            .iter()
            .filter_map(|process| Some((process, process.slot_of(name)?)))
            .map(|(process, slot)| (process, slot, &process.rooms[&slot]))
            .collect();
        let everyone: BTreeSet<SpeakerId> =
            rooms.iter().flat_map(|(_, _, room)| room.speakers.iter().copied()).collect();
        let clients: usize = rooms.iter().map(|(_, _, room)| room.members.len()).sum();
        for (process, slot, room) in rooms.iter().filter(|(_, _, room)| !room.members.is_empty()) {
            let id = process.id;
            assert_eq!(room.present, everyone, "presence of {name} at node {id}");
            let elsewhere = process.node.clients_elsewhere(*slot);
            assert_eq!(
                elsewhere + room.members.len(),
                clients,
                "clients of {name}, as node {id} counts them"
            );
        }
    }

    /// Every request is answered, unless its process has died.
    fn check_posts(&mut self) {
        for post in std::mem::take(&mut self.posts).iter_mut() {
            let (at, generation) = post.process;
            if self.processes[at].generation == generation {
                let answer = post.answer.try_recv();
                assert!(answer.is_ok(), "{:?} in {} is not answered: {answer:?}", post.texts, post.room);
            }
        }
    }
}
