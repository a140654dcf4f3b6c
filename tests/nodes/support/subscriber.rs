//! Clients of all kinds, which receive the same messages.

use super::{Client, Events, V1};
use std::net::SocketAddr;

/// The ways in which a client receives messages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// WebSocket without a subprotocol.
    Bare,
    /// worldcast.v1
    V1,
    /// Server-Sent Events.
    Events,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Bare, Self::V1, Self::Events];
}

/// A client that was greeted, and so receives every later message.
pub enum Subscriber {
    Bare(Client),
    V1(V1),
    Events(Events),
}

impl Subscriber {
    pub async fn joins(address: SocketAddr, kind: Kind, room: &str) -> Self {
        let path = format!("/websocket/{room}");
        match kind {
            Kind::Bare => {
                let mut client = Client::connect(address, &path).await;
                assert_eq!(client.receives().await, "world");
                Self::Bare(client)
            }
            Kind::V1 => Self::V1(V1::connect(address, &path).await),
            Kind::Events => {
                let mut events = Events::connect(address, &format!("/rooms/{room}/events"), "").await;
                assert_eq!(events.receives().await.expect("an event").name, "welcome");
                Self::Events(events)
            }
        }
    }

    /// A client of each kind at each of these addresses.
    pub async fn of_all_kinds(addresses: &[SocketAddr], room: &str) -> Vec<Self> {
        let mut subscribers = Vec::new();
        for address in addresses {
            for kind in Kind::ALL {
                subscribers.push(Self::joins(*address, kind, room).await);
            }
        }
        subscribers
    }

    /// The text of the next message.
    pub async fn receives(&mut self) -> String {
        match self {
            Self::Bare(client) => client.receives().await,
            Self::V1(client) => client.receives_message().await.1,
            Self::Events(events) => {
                let event = events.receives().await.expect("an event");
                assert_eq!(event.name, "", "{event:?} instead of a message");
                event.data
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
}
