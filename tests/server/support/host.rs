//! What can be asked of a server, whichever process it runs in.

use super::{Client, Raw, handshake, within};
use serde_json::Value;
use std::net::SocketAddr;

pub trait Host {
    fn address(&self) -> SocketAddr;

    /// A client in `room` that has heard the greeting, and so hears all that is said from now on.
    async fn join(&self, room: &str) -> Client {
        let mut client = self.connect(&format!("/websocket/{room}")).await;
        assert_eq!(client.hears().await, "world");
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

    /// A client at `path`, which has heard nothing yet.
    async fn connect(&self, path: &str) -> Client {
        Client::connect(self.address(), path).await
    }

    /// A client of bare bytes in `room` that has heard the greeting.
    async fn join_raw(&self, room: &str) -> Raw {
        let mut raw = self.connect_raw(room).await;
        raw.is_greeted().await;
        raw
    }

    /// A client of bare bytes that is let into `room`; the greeting is still to come.
    async fn connect_raw(&self, room: &str) -> Raw {
        let mut raw = Raw::connect(self.address()).await;
        raw.sends(handshake(&format!("/websocket/{room}"))).await;
        raw.is_let_in().await;
        raw
    }

    /// The whole answer to a plain request.
    async fn get(&self, path: &str) -> String {
        let mut raw = Raw::connect(self.address()).await;
        raw.sends(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await;
        String::from_utf8(raw.reads_to_the_end().await).expect("text")
    }

    /// How many clients the server counts in `room`.
    async fn clients_in(&self, room: &str) -> u64 {
        let answer = self.get(&format!("/rooms/{room}")).await;
        let (_, facts) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let facts: Value = serde_json::from_str(facts).expect("JSON");
        facts["clients"].as_u64().expect("a number of clients")
    }

    /// Waits until `room` has exactly so many clients.
    async fn comes_to(&self, room: &str, clients: u64) {
        let what = format!("{room} to have {clients} clients");
        within(what, async { while self.clients_in(room).await != clients {} }).await;
    }
}
