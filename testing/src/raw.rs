//! A client of bare bytes, for everything that a library would not do.

use crate::{Client, connect_with_buffer, handshake, hex, within};
use std::{io, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// A connection whose bytes the test writes and reads itself.
pub struct Raw {
    socket: BufReader<TcpStream>,
}

/// The bytes of the greeting: the text frame `world`.
const GREETING: &str = "81 05 77 6f 72 6c 64";

/// Small, because a test may have thousands of these clients.
const BUFFER: usize = 512;

impl Raw {
    /// Connects to `address`.
    pub async fn connect(address: SocketAddr) -> Self {
        let socket = within("a connection", TcpStream::connect(address)).await.expect("a connection");
        socket.set_nodelay(true).expect("a socket");
        Self::on(socket)
    }

    /// Connects to `address` with a kernel that keeps little of what is not read: 64 KiB instead of
    /// megabytes.
    pub async fn connect_with_a_small_buffer(address: SocketAddr) -> Self {
        let connected = connect_with_buffer(address, None, 32 << 10);
        Self::on(within("a connection", connected).await.expect("a connection"))
    }

    fn on(socket: TcpStream) -> Self {
        Self { socket: BufReader::with_capacity(BUFFER, socket) }
    }

    /// Returns the address of this side.
    pub fn local_address(&self) -> SocketAddr {
        self.socket.get_ref().local_addr().expect("it is connected")
    }

    /// The opening handshake, and the greeting after it.
    pub async fn joins(&mut self, room: &str) {
        self.sends(handshake(&format!("/websocket/{room}"), "")).await;
        self.is_admitted().await;
        self.is_greeted().await;
    }

    /// The response that opens a session; the greeting follows it.
    pub async fn is_admitted(&mut self) {
        let head = self.reads_head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    }

    /// Receives the greeting.
    pub async fn is_greeted(&mut self) {
        self.receives(GREETING).await;
    }

    /// Sends bytes.
    pub async fn sends(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = within("the server to take some bytes", self.socket.write_all(bytes.as_ref())).await;
        sent.expect("a connection");
    }

    /// Sends without a deadline, while the server may not read.
    pub async fn sends_in_its_own_time(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.expect("a connection");
    }

    /// The next bytes are these, in hex.
    pub async fn receives(&mut self, expected: &str) {
        let mut bytes = vec![0; hex(expected).len()];
        let read = within(format!("the bytes {expected}"), self.socket.read_exact(&mut bytes)).await;
        read.unwrap_or_else(|error| panic!("{error} instead of {expected}"));
        assert_eq!(bytes, hex(expected));
    }

    /// The next frame is this text of less than 126 bytes.
    pub async fn receives_text(&mut self, text: &str) {
        assert_eq!(self.reads_text().await, text);
    }

    /// The next frame, a text of less than 126 bytes.
    pub async fn reads_text(&mut self) -> String {
        let (first, payload) = self.reads_frame().await;
        assert_eq!(first, 0x81, "a whole text message");
        String::from_utf8(payload).expect("text")
    }

    /// Reads until a ping arrives.
    pub async fn is_pinged(&mut self) {
        while self.reads_frame().await.0 != 0x89 {}
    }

    /// The first byte and the payload, of less than 126 bytes, of the next frame.
    pub async fn reads_frame(&mut self) -> (u8, Vec<u8>) {
        let mut header = [0; 2];
        within("a frame", self.socket.read_exact(&mut header)).await.expect("a frame");
        let mut payload = vec![0; header[1].into()];
        within("the payload of a frame", self.socket.read_exact(&mut payload)).await.expect("a payload");
        (header[0], payload)
    }

    /// The head of an answer, up to its empty line.
    pub async fn reads_head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let line = within("the head of an answer", self.socket.read_line(&mut head)).await;
            assert_ne!(line.expect("text"), 0, "the head ended after {head:?}");
        }
        head
    }

    /// The body after this `head`, which has its length.
    pub async fn reads_body(&mut self, head: &str) -> String {
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        let mut body = vec![0; length.parse().expect("a number")];
        within("a body", self.socket.read_exact(&mut body)).await.expect("a body");
        String::from_utf8(body).expect("text")
    }

    /// All bytes until an orderly end of the connection.
    pub async fn reads_to_the_end(&mut self) -> Vec<u8> {
        self.tries_to_read_to_the_end().await.expect("an orderly end")
    }

    /// Reads all bytes until the connection ends.
    pub async fn tries_to_read_to_the_end(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        within("the end of the connection", self.socket.read_to_end(&mut bytes)).await?;
        Ok(bytes)
    }

    /// Sends a FIN; the client may still read.
    pub async fn half_closes(&mut self) {
        self.socket.shutdown().await.expect("a connection");
    }

    /// Resets the connection.
    pub fn resets(self) {
        let linger = socket2::SockRef::from(self.socket.get_ref()).set_linger(Some(Duration::ZERO));
        linger.expect("a socket");
    }

    /// Converts it into a client of the library.
    pub async fn becomes_a_client(self) -> Client {
        assert!(self.socket.buffer().is_empty(), "nothing may be lost");
        Client::on(self.socket.into_inner()).await
    }

    /// The connection, with what was read of it ahead.
    pub fn into_buffered(self) -> BufReader<TcpStream> {
        self.socket
    }

    /// Returns the socket.
    pub fn into_socket(self) -> TcpStream {
        assert!(self.socket.buffer().is_empty(), "nothing may be lost");
        self.socket.into_inner()
    }
}
