//! One client: a socket and the number of messages that it has received.

use super::frame::{self, Reader, Received};
use crate::peers::Peer;
use anyhow::{Context, bail, ensure};
use socket2::{Domain, Socket, Type};
use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    thread,
    time::Duration,
};
use testing::handshake;

pub struct Client {
    pub socket: TcpStream,
    reader: Reader,
    /// Messages received since `Clients::reset_counts`.
    pub received: usize,
}

/// The maximum of clients with one source address: each of 127.x.x.x has 28,000 ports.
pub const MAX_PER_ADDRESS: usize = 20_000;

/// The parts of an opening handshake that differ.
#[derive(Clone, Copy)]
pub struct Opening {
    pub peer: Peer,
    pub room: usize,
    pub compressed: bool,
}

impl Opening {
    /// The request of the opening handshake (RFC 6455 §4.1).
    fn request(self, server: SocketAddr) -> String {
        let path = self.peer.path(self.room);
        let offer = if self.compressed { "Sec-WebSocket-Extensions: permessage-deflate\r\n" } else { "" };
        handshake(&path, &format!("Host: {server}\r\n{offer}"))
    }
}

impl Client {
    /// Connects and requests the upgrade, as the client with this number;
    /// [`Client::finish_handshake`] comes next.
    pub fn connect(server: SocketAddr, opening: Opening, number: usize) -> anyhow::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let neighbour = number / MAX_PER_ADDRESS;
        if neighbour > 0 {
            let address = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + neighbour as u32);
            // Its port is free again as soon as it is closed.
            socket.set_linger(Some(Duration::ZERO))?;
            socket.bind(&SocketAddr::from((address, 0)).into())?;
        }
        socket.connect(&server.into())?;
        Self::request_upgrade(socket.into(), server, opening)
    }

    /// A client that never reads; the kernel buffers only 4 KiB for it.
    pub fn non_reading(server: SocketAddr, opening: Opening) -> anyhow::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_recv_buffer_size(4 << 10)?;
        socket.connect(&server.into())?;
        Self::request_upgrade(socket.into(), server, opening)
    }

    fn request_upgrade(mut socket: TcpStream, server: SocketAddr, opening: Opening) -> anyhow::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        socket.write_all(opening.request(server).as_bytes())?;
        Ok(Self { socket, reader: Reader::default(), received: 0 })
    }

    /// Reads the response; from then on the socket does not block.
    pub fn finish_handshake(&mut self, opening: Opening) -> anyhow::Result<()> {
        let (mut answer, mut chunk) = (Vec::new(), [0; 1024]);
        let end = loop {
            if let Some(at) = answer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            let length = self.socket.read(&mut chunk).context("no answer to the handshake")?;
            ensure!(length > 0, "the server closed the connection during the handshake");
            answer.extend(&chunk[..length]);
        };
        let head = String::from_utf8_lossy(&answer[..end]);
        ensure!(head.starts_with("HTTP/1.1 101"), "no upgrade: {head}");
        ensure!(head.contains("permessage-deflate") == opening.compressed, "an unexpected extension: {head}");
        self.socket.set_nonblocking(true)?;
        if let Some(first_message) = opening.peer.first_message() {
            self.send(&frame::text(first_message.as_bytes()))?;
        }
        self.reader.take(&answer[end..], |_| ());
        Ok(())
    }

    /// Sends all of `frames`.
    pub fn send(&mut self, mut frames: &[u8]) -> anyhow::Result<()> {
        while !frames.is_empty() {
            match self.send_some(frames)? {
                0 => thread::yield_now(),
                written => frames = &frames[written..],
            }
        }
        Ok(())
    }

    /// Sends as much as the socket accepts, and returns the number of bytes.
    pub fn send_some(&mut self, frames: &[u8]) -> anyhow::Result<usize> {
        match self.socket.write(frames) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            written => written.context("a client cannot send any more"),
        }
    }

    /// Reads once, and returns false if there was nothing. `is_expected` judges the length of each
    /// complete message.
    pub fn receive(
        &mut self,
        buffer: &mut [u8],
        mut is_expected: impl FnMut(usize) -> bool,
    ) -> anyhow::Result<bool> {
        let length = match self.socket.read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            read => read.context("a connection broke")?,
        };
        ensure!(length > 0, "the server closed a connection");
        let (received, mut pinged, mut wrong) = (&mut self.received, false, None);
        self.reader.take(&buffer[..length], |frame| match frame {
            Received::Message(length) => {
                *received += 1;
                if !is_expected(length) {
                    wrong = Some(length);
                }
            }
            Received::Ping => pinged = true,
            Received::Other => {}
        });
        if let Some(length) = wrong {
            bail!("a message of an unexpected length: {length} bytes");
        }
        if pinged {
            self.send(&frame::PONG)?;
        }
        Ok(true)
    }
}
