//! A client of worldcast.v1 that resumes at any node, as the protocol tells it to.

use super::{V1, within};
use serde_json::Value;
use std::{cell::RefCell, net::SocketAddr, rc::Rc, time::Duration};
use tokio::time::sleep;

/// The pause after a node was not to be reached.
const PAUSE: Duration = Duration::from_millis(20);

/// The nodes that clients know, which may change meanwhile.
#[derive(Clone)]
pub struct Addresses(Rc<RefCell<Vec<SocketAddr>>>);

/// A client that holds its position over connections.
pub struct Follower {
    nodes: Addresses,
    /// The place of its node in the list.
    node: usize,
    room: String,
    connection: V1,
    epoch: String,
    last: u64,
    /// The number of times that it was told of lost history.
    pub told: usize,
}

impl Addresses {
    pub fn new(addresses: Vec<SocketAddr>) -> Self {
        Self(Rc::new(RefCell::new(addresses)))
    }

    /// Writes the new address of a node that was started again.
    pub fn replace(&self, node: usize, address: SocketAddr) {
        self.0.borrow_mut()[node] = address;
    }

    pub fn at(&self, node: usize) -> SocketAddr {
        let addresses = self.0.borrow();
        addresses[node % addresses.len()]
    }
}

impl Follower {
    /// A client that begins with the next message of `room`.
    pub async fn joins(nodes: &Addresses, node: usize, room: &str) -> Self {
        let connection = V1::connect(nodes.at(node), &format!("/websocket/{room}")).await;
        let text = connection.welcome["epoch"].as_str().expect("an epoch").to_owned();
        let last = connection.welcome["offset"].as_u64().expect("an offset");
        Self { nodes: nodes.clone(), node, room: room.to_owned(), connection, epoch: text, last, told: 0 }
    }

    /// The text of the next message; it resumes at the next node whenever its session ends.
    pub async fn receives(&mut self) -> String {
        loop {
            match self.connection.next().await {
                None => self.resumes().await,
                Some(received) => match received["type"].as_str() {
                    Some("message") => return self.takes(&received),
                    Some("epoch") => self.begins_epoch(&received),
                    _ => panic!("{received} instead of a message"),
                },
            }
        }
    }

    /// The texts of the next messages.
    pub async fn receives_many(&mut self, count: usize) -> Vec<String> {
        let mut received = Vec::with_capacity(count);
        for _ in 0..count {
            received.push(self.receives().await);
        }
        received
    }

    /// Drops its connection, with what it has not read, and resumes at the next node.
    pub async fn resumes(&mut self) {
        let session = self.connection.welcome["session"].as_str().expect("a session").to_owned();
        let path = format!("/websocket/{}?since={}-{}&session={session}", self.room, self.epoch, self.last);
        self.connection = within(format!("a node to take {path}"), async {
            loop {
                self.node += 1;
                if let Some(connection) = V1::try_connect(self.nodes.at(self.node), &path).await {
                    return connection;
                }
                sleep(PAUSE).await;
            }
        })
        .await;
        let welcome = &self.connection.welcome;
        if welcome["recovered"] != true {
            self.told += 1;
            self.last = welcome["offset"].as_u64().expect("an offset");
            self.epoch = welcome["epoch"].as_str().expect("an epoch").to_owned();
        }
    }

    fn takes(&mut self, message: &Value) -> String {
        let offset = message["offset"].as_u64().expect("an offset");
        assert_eq!(offset, self.last + 1, "{message}: the message after {} was expected", self.last);
        self.last = offset;
        message["text"].as_str().expect("text").to_owned()
    }

    fn begins_epoch(&mut self, notice: &Value) {
        let kept = notice["kept"].as_u64().expect("an offset");
        self.epoch = notice["epoch"].as_str().expect("an epoch").to_owned();
        if kept < self.last {
            self.told += 1;
            self.last = kept;
        }
    }
}
