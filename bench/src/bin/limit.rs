//! The peer named limit: about the cost of the kernel alone, with one thread, one epoll and no
//! protocol.
//!
//! It answers every handshake without reading it, expects the first frame that it receives again
//! and again, encodes that frame once, and writes it to every socket once for each time that it was
//! received in a turn of the loop.

use anyhow::Context;
use bench::clients::frame;
use rustix::{
    buffer::spare_capacity,
    event::{PollFd, PollFlags, epoll, poll},
};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::fd::OwnedFd,
};

const UPGRADE: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
const LISTENER: u64 = u64::MAX;

struct Limit {
    epoll: OwnedFd,
    listener: TcpListener,
    /// In the order of their connections.
    clients: Vec<Option<Client>>,
    buffer: Vec<u8>,
    only: Option<Only>,
}

struct Client {
    socket: TcpStream,
    /// The bytes received since the last complete frame, until the only frame is known.
    begun: Vec<u8>,
    /// The number of bytes received since the last complete frame.
    bytes: usize,
}

/// The frame that every client sends.
struct Only {
    /// Its length in bytes as a client sends it.
    length: usize,
    /// The frame as the server sends it.
    prepared: Vec<u8>,
}

fn main() -> anyhow::Result<()> {
    let port = std::env::args().nth(1).context("a port is needed")?;
    serve(port.parse().context("the port is no number")?)
}

/// Serves until it is killed.
fn serve(port: u16) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)?;
    let (clients, buffer) = (Vec::new(), vec![0; 256 << 10]);
    let mut limit = Limit { epoll, listener, clients, buffer, only: None };
    let mut events = Vec::with_capacity(1024);
    loop {
        events.clear();
        epoll::wait(&limit.epoll, spare_capacity(&mut events), None)?;
        limit.turn(&events)?;
    }
}

impl Limit {
    fn turn(&mut self, events: &[epoll::Event]) -> anyhow::Result<()> {
        let mut sent = 0;
        for event in events {
            match event.data.u64() {
                LISTENER => self.accept()?,
                client => sent += self.receive(client as usize)?,
            }
        }
        match &self.only {
            Some(only) if sent > 0 => self.send_all(&only.prepared.repeat(sent)),
            _ => Ok(()),
        }
    }

    fn accept(&mut self) -> anyhow::Result<()> {
        while let Ok((socket, _)) = self.listener.accept() {
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            let number = epoll::EventData::new_u64(self.clients.len() as u64);
            epoll::add(&self.epoll, &socket, number, epoll::EventFlags::IN)?;
            self.clients.push(Some(Client { socket, begun: Vec::new(), bytes: 0 }));
        }
        Ok(())
    }

    /// Reads once, and returns the number of complete frames.
    fn receive(&mut self, number: usize) -> anyhow::Result<usize> {
        let client = self.clients[number].as_mut().context("an unknown client")?;
        let Ok(length @ 1..) = client.socket.read(&mut self.buffer) else {
            self.clients[number] = None;
            return Ok(0);
        };
        let read = &self.buffer[..length];
        if read.starts_with(b"GET ") {
            client.socket.write_all(UPGRADE)?;
            return Ok(0);
        }
        if self.only.is_none() {
            client.begun.extend(read);
            self.only = Only::of(&client.begun);
        }
        client.bytes += length;
        let frame = self.only.as_ref().map_or(usize::MAX, |only| only.length);
        let whole = client.bytes / frame;
        client.bytes %= frame;
        Ok(whole)
    }

    fn send_all(&self, frames: &[u8]) -> anyhow::Result<()> {
        self.clients.iter().flatten().try_for_each(|client| Ok(write_all(&client.socket, frames)?))
    }
}

impl Only {
    fn of(begun: &[u8]) -> Option<Self> {
        let (payload, length) = frame::unmask(begun)?;
        Some(Self { length, prepared: frame::prepared(&payload) })
    }
}

/// Writes all of `frames`, and waits where the socket is full: every client of this peer reads.
fn write_all(mut socket: &TcpStream, mut frames: &[u8]) -> io::Result<()> {
    while !frames.is_empty() {
        match socket.write(frames) {
            Ok(written) => frames = &frames[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                poll(&mut [PollFd::new(socket, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
