//! The metrics of the program, from its admin listener.

use std::collections::HashMap;
use std::{io, net::SocketAddr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// One answer of `/metrics`, by name (with labels, as written).
pub struct Metrics(HashMap<String, f64>);

impl Metrics {
    /// Reads the metrics from the admin listener.
    pub async fn read(admin: SocketAddr) -> io::Result<Self> {
        let mut socket = TcpStream::connect(admin).await?;
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        socket.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await?;
        Ok(Self::parse(&answer))
    }

    /// The value of `worldcast_{name}`; 0 for what has never been counted.
    pub fn value(&self, name: &str) -> u64 {
        self.0.get(&format!("worldcast_{name}")).map_or(0, |value| *value as u64)
    }

    /// Those of the gauges of what a server holds for its clients that are not zero.
    pub fn left(&self) -> Vec<String> {
        [
            "sessions",
            "rooms",
            "newcomers_waiting",
            "outbox_bytes",
            "in_flight_bytes",
            "body_bytes",
            "answer_bytes",
        ]
        .iter()
        .filter(|name| self.0.get(&format!("worldcast_{name}")) != Some(&0.0))
        .map(|name| format!("worldcast_{name} {:?}", self.0.get(&format!("worldcast_{name}"))))
        .collect()
    }

    fn parse(answer: &str) -> Self {
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Self(answer.lines().filter_map(sample).collect())
    }
}
