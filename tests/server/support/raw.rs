//! A client of bare bytes, for everything that a library would not do.

use super::within;
use std::{io, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub struct Raw {
    pub socket: TcpStream,
}

/// The greeting as it comes: the text frame `world`.
const GREETING: &str = "81 05 77 6f 72 6c 64";

impl Raw {
    pub async fn connect(address: SocketAddr) -> Self {
        let socket = within("a connection", TcpStream::connect(address)).await.expect("a connection");
        socket.set_nodelay(true).expect("a socket");
        Self { socket }
    }

    /// The opening handshake, and the greeting behind it.
    pub async fn joins(&mut self, room: &str) {
        self.sends(handshake(&format!("/websocket/{room}")).as_bytes()).await;
        let head = self.reads_head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        self.receives(GREETING).await;
    }

    pub async fn sends(&mut self, bytes: &[u8]) {
        within("the server to take some bytes", self.socket.write_all(bytes)).await.expect("a connection");
    }

    /// The next bytes are these, in hex.
    pub async fn receives(&mut self, expected: &str) {
        let mut bytes = vec![0; hex(expected).len()];
        let read = within(format!("the bytes {expected}"), self.socket.read_exact(&mut bytes)).await;
        read.unwrap_or_else(|error| panic!("{error} instead of {expected}"));
        assert_eq!(bytes, hex(expected));
    }

    /// The head of an answer, up to its empty line.
    pub async fn reads_head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within("the head of an answer", self.socket.read_u8()).await.expect("a head"));
        }
        String::from_utf8(head).expect("text")
    }

    /// All that comes until the server closes.
    pub async fn reads_to_the_end(&mut self) -> Vec<u8> {
        self.tries_to_read_to_the_end().await.expect("an orderly end")
    }

    pub async fn tries_to_read_to_the_end(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        within("the end of the connection", self.socket.read_to_end(&mut bytes)).await?;
        Ok(bytes)
    }

    /// The FIN of somebody who may still listen.
    pub async fn half_closes(&mut self) {
        self.socket.shutdown().await.expect("a connection");
    }

    /// The RST of a process that was killed with unread input, or of a machine that came back.
    pub fn resets(self) {
        let linger = socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
        linger.expect("a socket");
    }
}

/// A flawless opening handshake (the key of RFC 6455 §1.3).
pub fn handshake(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
}

/// A client's frame (RFC 6455 §5.2) whose first byte is `first`, under a mask of zeros.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ ..126 => frame.push(0x80 | short as u8),
        medium @ ..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend((medium as u16).to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// A whole text message in one frame.
pub fn text(text: &str) -> Vec<u8> {
    frame(0x81, text.as_bytes())
}

/// The bytes that `digits` spell.
pub fn hex(digits: &str) -> Vec<u8> {
    let byte = |digits| u8::from_str_radix(digits, 16).expect("two hexadecimal digits");
    digits.split_whitespace().map(byte).collect()
}
