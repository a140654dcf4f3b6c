//! Plain requests over a socket of their own.

use crate::{Raw, within};
use serde_json::Value;
use std::{fmt::Write, io, net::SocketAddr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A request; every connection gets one answer.
#[derive(Clone)]
pub struct Http {
    address: SocketAddr,
    head: String,
    body: Vec<u8>,
}

/// The whole answer.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The status line and the headers, in small letters.
    pub head: String,
    /// The body, as it was sent.
    pub body: String,
}

impl Http {
    /// A GET of `path`.
    pub fn get(address: SocketAddr, path: &str) -> Self {
        Self::new(address, "GET", path)
    }

    /// A POST to `path`.
    pub fn post(address: SocketAddr, path: &str) -> Self {
        Self::new(address, "POST", path)
    }

    /// A request of any method.
    pub fn new(address: SocketAddr, method: &str, path: &str) -> Self {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        Self { address, head, body: Vec::new() }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        write!(self.head, "{name}: {value}\r\n").expect("memory");
        self
    }

    /// With a body of plain text.
    pub fn text(self, text: &str) -> Self {
        self.bytes("text/plain", text.as_bytes())
    }

    /// With a body of JSON.
    pub fn json(self, json: Value) -> Self {
        self.bytes("application/json", json.to_string().as_bytes())
    }

    /// With a body of this type.
    pub fn bytes(mut self, content_type: &str, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self.header("Content-Type", content_type).header("Content-Length", &body.len().to_string())
    }

    /// A body as it is on the wire.
    pub fn raw(mut self, body: &str) -> Self {
        self.body = body.as_bytes().to_vec();
        self
    }

    /// Sends the request and reads the answer to the end of the connection.
    pub async fn reply(&self) -> Reply {
        Self::raw_request(self.address, &self.to_bytes()).await
    }

    /// The same; `None` if the server is gone, or the connection ends before the whole answer.
    pub async fn try_reply(&self) -> Option<Reply> {
        let answer = async {
            let mut socket = TcpStream::connect(self.address).await?;
            socket.write_all(&self.to_bytes()).await?;
            let mut answer = String::new();
            socket.read_to_string(&mut answer).await?;
            io::Result::Ok(answer)
        };
        let answer = within("an answer, or the end of the connection", answer).await.ok()?;
        Reply::parse(&answer)
    }

    /// The request as it is on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.head.as_bytes(), b"\r\n", &self.body].concat()
    }

    /// Sends these bytes and reads the answer to the end of the connection.
    pub async fn raw_request(address: SocketAddr, bytes: &[u8]) -> Reply {
        let mut raw = Raw::connect(address).await;
        raw.sends(bytes).await;
        let answer = String::from_utf8(raw.reads_to_the_end().await).expect("text");
        Reply::parse(&answer).unwrap_or_else(|| panic!("no whole answer: {answer:?}"))
    }
}

impl Reply {
    fn parse(answer: &str) -> Option<Self> {
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
    }

    /// The body as JSON, taken out of its chunks.
    pub fn json(&self) -> Value {
        let is_chunked = self.head.contains("\r\ntransfer-encoding: chunked");
        let body = if is_chunked { unchunked(&self.body) } else { Some(self.body.clone()) };
        let body = body.unwrap_or_else(|| panic!("malformed chunks: {self:?}"));
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The status and the code that programs rely on.
    pub fn refusal(&self) -> (u16, String) {
        assert!(self.head.contains("content-type: application/json"), "{self:?}");
        let json = self.json();
        assert!(json["message"].is_string(), "{self:?}");
        (self.status, json["error"].as_str().expect("a code").to_owned())
    }
}

/// A body without its chunks (RFC 9112 §7.1); `None` if it is malformed, or cut off.
fn unchunked(mut body: &str) -> Option<String> {
    let mut whole = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        whole.push_str(rest.get(..size)?);
        body = rest.get(size..)?.strip_prefix("\r\n")?;
    }
}
