//! A client of Server-Sent Events, chunk by chunk.

use crate::{Raw, within};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::TcpStream,
};

/// A connection that receives events.
pub struct Events {
    socket: BufReader<TcpStream>,
    /// Taken out of their chunks, not yet whole.
    unread: String,
}

/// The fields of an event; those that are missing are empty.
#[derive(Debug, Default, PartialEq)]
pub struct Event {
    /// `id`
    pub id: String,
    /// `event`
    pub name: String,
    /// The lines of `data`.
    pub data: String,
}

impl Events {
    /// An admitted client; the welcome is still to come.
    pub async fn connect(address: SocketAddr, path: &str, last_event: &str) -> Self {
        let mut raw = Raw::connect(address).await;
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: {last_event}\r\n\r\n");
        raw.sends(head).await;
        let head = raw.reads_head().await.to_lowercase();
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        assert!(head.contains("\r\ncontent-type: text/event-stream\r\n"), "{head}");
        assert!(head.contains("\r\ntransfer-encoding: chunked\r\n"), "{head}");
        Self { socket: raw.into_buffered(), unread: String::new() }
    }

    /// The next event; `None` at the end of the stream.
    pub async fn receives(&mut self) -> Option<Event> {
        loop {
            let block = self.receives_block().await?;
            if !block.starts_with(':') {
                return Some(Event::parse(&block));
            }
        }
    }

    /// The data of the next event.
    pub async fn receives_data(&mut self) -> String {
        self.receives().await.expect("an event").data
    }

    /// The next event or comment.
    pub async fn receives_block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.unread.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.unread = rest;
                return Some(block);
            }
            let chunk = within("a chunk", self.chunk()).await?;
            self.unread.push_str(&chunk);
        }
    }

    /// `None` for the last, or when the connection is lost.
    async fn chunk(&mut self) -> Option<String> {
        let mut size = String::new();
        self.socket.read_line(&mut size).await.ok()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        self.socket.read_exact(&mut chunk).await.ok()?;
        chunk.truncate(size);
        Some(String::from_utf8(chunk).expect("text")).filter(|chunk| !chunk.is_empty())
    }
}

impl Event {
    fn parse(block: &str) -> Self {
        let mut event = Self::default();
        let mut data = Vec::new();
        for line in block.lines() {
            let (field, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?}"));
            match field {
                "id" => event.id = value.to_owned(),
                "event" => event.name = value.to_owned(),
                "data" => data.push(value),
                other => panic!("{other}"),
            }
        }
        event.data = data.join("\n");
        event
    }
}
