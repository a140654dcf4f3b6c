//! One client: a socket and what it has heard.

use crate::{
    frame::{self, Heard, Reader},
    peer::Peer,
};
use anyhow::{Context, bail, ensure};
use socket2::{Domain, Socket, Type};
use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    thread,
    time::Duration,
};

pub struct Client {
    pub socket: TcpStream,
    reader: Reader,
    /// Messages that have come since `Crowd::forget`.
    pub heard: usize,
}

/// Below the 28,000 ports that each of the addresses 127.x.x.x has.
pub const FROM_ONE_ADDRESS: usize = 20_000;

/// How a client begins.
#[derive(Clone, Copy)]
pub struct Greeting {
    pub peer: Peer,
    pub room: usize,
    pub compressed: bool,
}

impl Greeting {
    /// The request of the opening handshake (RFC 6455 §4.1).
    fn request(self, server: SocketAddr) -> String {
        let path = self.peer.path(self.room);
        let offer = if self.compressed { "Sec-WebSocket-Extensions: permessage-deflate\r\n" } else { "" };
        format!(
            "GET {path} HTTP/1.1\r\nHost: {server}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{offer}\r\n"
        )
    }
}

impl Client {
    /// Connects and asks for the upgrade, as the client of this number; [`Client::is_admitted`] comes next.
    pub fn knock(server: SocketAddr, greeting: Greeting, number: usize) -> anyhow::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let neighbour = number / FROM_ONE_ADDRESS;
        if neighbour > 0 {
            let address = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + neighbour as u32);
            socket.set_linger(Some(Duration::ZERO))?; // its port is free again as soon as it is closed
            socket.bind(&SocketAddr::from((address, 0)).into())?;
        }
        socket.connect(&server.into())?;
        Self::ask(socket.into(), server, greeting)
    }

    /// A client that takes as little as possible: the kernel keeps only 4 KiB for it.
    pub fn deaf(server: SocketAddr, greeting: Greeting) -> anyhow::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_recv_buffer_size(4 << 10)?;
        socket.connect(&server.into())?;
        Self::ask(socket.into(), server, greeting)
    }

    fn ask(mut socket: TcpStream, server: SocketAddr, greeting: Greeting) -> anyhow::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        socket.write_all(greeting.request(server).as_bytes())?;
        Ok(Self { socket, reader: Reader::default(), heard: 0 })
    }

    /// Reads the answer; from then on the socket does not block.
    pub fn is_admitted(&mut self, greeting: Greeting) -> anyhow::Result<()> {
        let (mut answer, mut chunk) = (Vec::new(), [0; 1024]);
        let end = loop {
            if let Some(at) = answer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            let length = self.socket.read(&mut chunk).context("no answer to the handshake")?;
            ensure!(length > 0, "the server hung up during the handshake");
            answer.extend(&chunk[..length]);
        };
        let head = String::from_utf8_lossy(&answer[..end]);
        ensure!(head.starts_with("HTTP/1.1 101"), "no upgrade: {head}");
        ensure!(head.contains("permessage-deflate") == greeting.compressed, "other terms: {head}");
        self.socket.set_nonblocking(true)?;
        if let Some(hello) = greeting.peer.hello() {
            self.say(&frame::text(hello.as_bytes()))?;
        }
        self.reader.take(&answer[end..], |_| ());
        Ok(())
    }

    /// Sends all of `frames`.
    pub fn say(&mut self, mut frames: &[u8]) -> anyhow::Result<()> {
        while !frames.is_empty() {
            match self.say_some(frames)? {
                0 => thread::yield_now(),
                written => frames = &frames[written..],
            }
        }
        Ok(())
    }

    /// Sends what the socket takes.
    pub fn say_some(&mut self, frames: &[u8]) -> anyhow::Result<usize> {
        match self.socket.write(frames) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            written => written.context("the server does not listen to a client any more"),
        }
    }

    /// Reads once; whether anything came. Of every message that is whole now, `is_right` judges the length.
    pub fn hear(
        &mut self,
        buffer: &mut [u8],
        mut is_right: impl FnMut(usize) -> bool,
    ) -> anyhow::Result<bool> {
        let length = match self.socket.read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            read => read.context("a connection broke")?,
        };
        ensure!(length > 0, "the server closed a connection");
        let (heard, mut pinged, mut wrong) = (&mut self.heard, false, None);
        self.reader.take(&buffer[..length], |frame| match frame {
            Heard::Message(length) => {
                *heard += 1;
                if !is_right(length) {
                    wrong = Some(length);
                }
            }
            Heard::Ping => pinged = true,
            Heard::Other => {}
        });
        if let Some(length) = wrong {
            bail!("a message that was not said so: {length} bytes");
        }
        if pinged {
            self.say(&frame::PONG)?;
        }
        Ok(true)
    }
}
