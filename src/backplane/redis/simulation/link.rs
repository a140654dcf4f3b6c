//! The steps of links to Redis, and the ways in which Redis fails.

use super::{
    super::{
        call::{Call, LinkEvent, Members, Outgoing, Push, Reply},
        entry::{NodeId, Sequence},
        fake::FakeRedis,
    },
    connection::{Connection, Server},
    world::{PROCESSES, World},
};
use crate::config::RoomName;
use std::collections::{BTreeSet, VecDeque};

impl World {
    /// The index of the server that new connections reach.
    pub fn master(&self) -> usize {
        self.servers.len() - 1
    }

    pub fn is_connected_to_master(&self, at: usize) -> bool {
        let connection = self.processes[at].connection.as_ref();
        connection.is_some_and(|connection| connection.server == self.master())
    }

    pub fn connect(&mut self, at: usize) {
        self.cut(at);
        let server = self.master();
        let (life, restore) = self.servers[server].redis.life(self.unix);
        self.processes[at].connection = Some(Connection {
            server,
            calls: VecDeque::new(),
            replies: VecDeque::new(),
            pushes: VecDeque::new(),
            subscribed: BTreeSet::new(),
        });
        self.note(|| format!("node {at} connects"));
        self.handle(at, LinkEvent::Connected { life, restore });
    }

    pub fn cut(&mut self, at: usize) {
        if self.processes[at].connection.take().is_some() {
            self.note(|| format!("node {at} is cut"));
            self.handle(at, LinkEvent::Disconnected);
        }
    }

    /// Hands the calls of a node to its link.
    pub fn send(&mut self, at: usize) {
        let process = &mut self.processes[at];
        let calls = process.node.take_calls(self.now);
        process.calls += calls.len();
        match &mut process.connection {
            Some(connection) => connection.calls.extend(calls),
            None => assert!(calls.is_empty(), "node {at} calls without a connection"),
        }
    }

    /// Lets Redis carry out the next call of a node.
    pub fn carry_out(&mut self, at: usize) {
        let loses_answer = self.is_troubled && self.chance(0.03);
        let process = &mut self.processes[at];
        let (id, Some(connection)) = (process.id, &mut process.connection) else { return };
        let server = connection.server;
        if !self.servers[server].is_up {
            return self.cut(at);
        }
        let Some(Outgoing { id: call_id, call }) = connection.calls.pop_front() else { return };
        let redis = &mut self.servers[server].redis;
        let reply = match &call {
            Call::Subscribe(rooms) => {
                connection.subscribed.extend(rooms.iter().cloned());
                Reply::Done
            }
            Call::Unsubscribe(rooms) => {
                connection.subscribed.retain(|room| !rooms.contains(room));
                Reply::Done
            }
            Call::GetLife => {
                let (life, restore) = redis.life(self.unix);
                Reply::Life(life, restore)
            }
            call => {
                let (reply, pushes) = redis.call(id, call, self.unix);
                self.push_all(server, pushes);
                reply
            }
        };
        self.note(|| format!("node {at} calls {call:?}: {reply:?}"));
        if let Some(connection) = &mut self.processes[at].connection {
            connection.replies.push_back(LinkEvent::Replied(call_id, reply));
        }
        if loses_answer {
            self.cut(at);
        }
    }

    fn push_all(&mut self, server: usize, pushes: Vec<(RoomName, Push)>) {
        for (room, push) in pushes {
            let connections = self.processes.iter_mut().filter_map(|process| process.connection.as_mut());
            for connection in connections.filter(|connection| connection.server == server) {
                if connection.subscribed.contains(&room) {
                    connection.pushes.push_back(LinkEvent::Pushed(room.clone(), push.clone()));
                }
            }
        }
    }

    /// Lets the next reply, or the next publication, reach a node.
    pub fn deliver(&mut self, at: usize, is_push: bool) {
        let Some(connection) = &mut self.processes[at].connection else { return };
        let stream = if is_push { &mut connection.pushes } else { &mut connection.replies };
        let Some(event) = stream.pop_front() else { return };
        self.note(|| format!("node {at} receives {event:?}"));
        self.handle(at, event);
    }

    /// Redis ends a subscription by itself.
    pub fn end_subscription(&mut self, at: usize) {
        let Some(connection) = &mut self.processes[at].connection else { return };
        let Some(room) = connection.subscribed.pop_first() else { return };
        connection.pushes.push_back(LinkEvent::Unsubscribed(room));
        self.note(|| format!("node {at} loses a subscription"));
    }

    /// Another server takes the place of the master, which ends, or goes on for its nodes.
    fn replace(&mut self, redis: FakeRedis, splits: bool) {
        self.tally.failures += 1;
        let old = self.master();
        self.servers[old].is_up = splits;
        self.servers.push(Server { redis, is_up: true });
        for at in (0..PROCESSES).filter(|_| !splits) {
            if self.processes[at].connection.as_ref().is_some_and(|connection| connection.server == old) {
                self.cut(at);
            }
        }
    }

    /// A replica takes over that lags by a few changes.
    pub fn fail_over(&mut self) {
        let mut replica = self.servers[self.master()].redis.clone();
        let (lost, splits) = (self.random.usize(..8), self.splits && self.chance(0.3));
        replica.fail_over(lost);
        self.note(|| format!("a replica that lags by {lost} takes over, split: {splits}"));
        self.replace(replica, splits);
    }

    /// Redis restarts without its data.
    pub fn wipe(&mut self) {
        let mut empty = self.servers[self.master()].redis.clone();
        empty.wipe();
        self.note(|| "Redis begins empty".into());
        self.replace(empty, false);
    }

    /// The data are removed while the connections stay.
    pub fn flush(&mut self) {
        let master = self.master();
        self.servers[master].redis.flush();
        self.was_emptied = true;
        self.tally.failures += 1;
        self.note(|| "Redis is emptied".into());
    }

    /// Removes the members of a node that is taken for dead.
    pub fn reap(&mut self, id: NodeId) {
        let master = self.master();
        for room in self.rooms.clone() {
            let call = Call::Members(Members::none(room, Sequence(0)));
            let (_, pushes) = self.servers[master].redis.call(id, &call, self.unix);
            self.push_all(master, pushes);
        }
    }

    /// A node that lives is taken for dead by another.
    pub fn reap_living(&mut self, at: usize) {
        if !self.is_connected_to_master(at) {
            return;
        }
        self.note(|| format!("node {at} is taken for dead"));
        self.reap(self.processes[at].id);
        if let Some(connection) = &mut self.processes[at].connection {
            connection.replies.push_back(LinkEvent::Reaped);
        }
    }
}
