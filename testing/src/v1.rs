//! A usual client of worldcast.v1.

use crate::{Client, End};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tungstenite::Message;

/// A client that offers the subprotocol and reads JSON.
pub struct V1 {
    client: Client,
    /// The welcome.
    pub welcome: Value,
}

impl V1 {
    /// A client at `path` that was welcomed.
    pub async fn connect(address: SocketAddr, path: &str) -> Self {
        Self::try_connect(address, path).await.unwrap_or_else(|| panic!("{address}{path}: no session"))
    }

    /// A client at `path` that was welcomed; `None` if the server is gone, refuses it, or ends the
    /// session first.
    pub async fn try_connect(address: SocketAddr, path: &str) -> Option<Self> {
        let offer = [("Sec-WebSocket-Protocol", "worldcast.v1")];
        let (mut client, answer) = Client::try_connect_with(address, path, &offer).await.ok()?;
        assert_eq!(answer.headers()["sec-websocket-protocol"], "worldcast.v1");
        let Message::Text(welcome) = client.next().await? else { return None };
        let welcome = parse(&welcome);
        assert_eq!(welcome["type"], "welcome");
        Some(Self { client, welcome })
    }

    /// The query to resume after the message at `offset`.
    pub fn since(&self, offset: u64) -> String {
        let text = |key: &str| self.welcome[key].as_str().expect(key);
        format!("since={}-{offset}&session={}", text("epoch"), text("session"))
    }

    /// The query to resume after the welcome.
    pub fn since_welcome(&self) -> String {
        self.since(self.welcome["offset"].as_u64().expect("an offset"))
    }

    /// Sends a request.
    pub async fn sends(&mut self, request: Value) {
        self.client.publishes(request.to_string()).await;
    }

    /// Publishes a text, without a `ref`.
    pub async fn publishes(&mut self, text: &str) {
        self.sends(json!({"type": "publish", "text": text})).await;
    }

    /// Receives the next object.
    pub async fn receives(&mut self) -> Value {
        parse(&self.client.receives().await)
    }

    /// The next object; `None` at the end of the session.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            match self.client.next().await? {
                Message::Text(text) => return Some(parse(&text)),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// The offset and the text of the next message; a new epoch before it is ignored.
    pub async fn receives_message(&mut self) -> (u64, String) {
        let mut message = self.receives().await;
        while message["type"] == "epoch" {
            message = self.receives().await;
        }
        assert_eq!(message["type"], "message", "{message}");
        let text = message["text"].as_str().expect("text").to_owned();
        (message["offset"].as_u64().expect("an offset"), text)
    }

    /// Sends a close frame with 1000 and waits for the end.
    pub async fn closes(self) -> End {
        self.client.closes(1000).await
    }

    /// The client beneath, for what is no worldcast.v1.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
