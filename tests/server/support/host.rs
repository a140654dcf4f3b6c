//! Requests to a server, in this process or in another.

use super::{Client, Raw, handshake, within};
use serde_json::Value;
use std::net::SocketAddr;

pub trait Host {
    fn address(&self) -> SocketAddr;

    /// A client in `room` that has received the greeting, and so receives every later message.
    async fn join(&self, room: &str) -> Client {
        let mut client = self.connect(&format!("/websocket/{room}")).await;
        assert_eq!(client.receives().await, "world");
        client
    }

    /// As many clients in `room`.
    async fn join_many(&self, room: &str, count: usize) -> Vec<Client> {
        let mut clients = Vec::with_capacity(count);
        for _ in 0..count {
            clients.push(self.join(room).await);
        }
        clients
    }

    /// A client at `path`, which has read nothing yet.
    async fn connect(&self, path: &str) -> Client {
        Client::connect(self.address(), path).await
    }

    /// A client of bare bytes in `room` that has received the greeting.
    async fn join_raw(&self, room: &str) -> Raw {
        let mut raw = self.connect_raw(room).await;
        raw.is_greeted().await;
        raw
    }

    /// A client of bare bytes that is admitted to `room`; the greeting is still to come.
    async fn connect_raw(&self, room: &str) -> Raw {
        let mut raw = Raw::connect(self.address()).await;
        raw.sends(handshake(&format!("/websocket/{room}"), "")).await;
        raw.is_admitted().await;
        raw
    }

    /// The whole answer to a plain request.
    async fn get(&self, path: &str) -> String {
        let mut raw = Raw::connect(self.address()).await;
        raw.sends(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await;
        String::from_utf8(raw.reads_to_the_end().await).expect("text")
    }

    /// The number of clients in `room`, as the server counts.
    async fn clients_in(&self, room: &str) -> u64 {
        let answer = self.get(&format!("/rooms/{room}")).await;
        let (_, facts) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let facts: Value = serde_json::from_str(facts).expect("JSON");
        facts["clients"].as_u64().expect("a number of clients")
    }

    /// Waits until `room` has exactly so many clients.
    async fn has_clients(&self, room: &str, clients: u64) {
        let what = format!("{room} to have {clients} clients");
        within(what, async { while self.clients_in(room).await != clients {} }).await;
    }
}
