//! About what the kernel alone costs on this machine: one thread, one epoll, no protocol.
//!
//! It shakes hands blindly, takes the first frame that comes for the only one there will ever be,
//! prepares it once, and writes it to every socket as often as it came in one turn of the loop.

use crate::frame;
use anyhow::Context;
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
    /// In the order in which they came, side by side in memory.
    clients: Vec<Option<Client>>,
    buffer: Vec<u8>,
    only: Option<Only>,
}

struct Client {
    socket: TcpStream,
    /// What came since the last whole frame, while the only frame is not known.
    begun: Vec<u8>,
    /// How much came since the last whole frame.
    bytes: usize,
}

/// The only frame there is.
struct Only {
    /// Its length as it comes from a client.
    length: usize,
    /// As it goes to a client.
    prepared: Vec<u8>,
}

/// Serves until it is killed.
pub fn serve(port: u16) -> anyhow::Result<()> {
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
        let mut said = 0;
        for event in events {
            match event.data.u64() {
                LISTENER => self.accept()?,
                client => said += self.hear(client as usize)?,
            }
        }
        match &self.only {
            Some(only) if said > 0 => self.tell_all(&only.prepared.repeat(said)),
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

    /// Reads once; how many frames are whole.
    fn hear(&mut self, number: usize) -> anyhow::Result<usize> {
        let client = self.clients[number].as_mut().context("nobody knows this client")?;
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

    fn tell_all(&self, frames: &[u8]) -> anyhow::Result<()> {
        self.clients.iter().flatten().try_for_each(|client| Ok(write_all(&client.socket, frames)?))
    }
}

impl Only {
    fn of(begun: &[u8]) -> Option<Self> {
        let (payload, length) = frame::unmask(begun)?;
        Some(Self { length, prepared: frame::prepared(&payload) })
    }
}

/// Waits for a client that does not read: nobody is deaf here.
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
