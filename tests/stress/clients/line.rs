//! One connection: bytes out that wait for the kernel, bytes in that wait to become frames.

use super::{end::End, frames::Frames};
use bytes::BufMut;
use std::{io, net::Shutdown, time::Duration};
use tokio::{io::Interest, net::TcpStream};

pub struct Line {
    pub frames: Frames,
    socket: TcpStream,
    outgoing: Vec<u8>,
    /// Bytes of `outgoing` that the kernel has taken.
    sent: usize,
}

impl Line {
    /// `frames` is what came after the answer to the handshake.
    pub fn new(socket: TcpStream, frames: Frames) -> Self {
        Self { frames, socket, outgoing: Vec::new(), sent: 0 }
    }

    /// Sends what `append` appends, now or as soon as the kernel takes it.
    pub fn sends(&mut self, append: impl FnOnce(&mut Vec<u8>)) {
        append(&mut self.outgoing);
        self.flush();
    }

    /// Bytes that the kernel has not taken.
    pub fn unsent(&self) -> usize {
        self.outgoing.len() - self.sent
    }

    /// Waits until there is something to read or room to write, and does either; `false` at the end
    /// of the stream.
    pub async fn moves(&mut self) -> Result<bool, End> {
        let both = Interest::READABLE | Interest::WRITABLE;
        let interest = if self.unsent() > 0 { both } else { Interest::READABLE };
        let ready = self.socket.ready(interest).await.map_err(|_| End::Reset)?;
        if ready.is_writable() {
            self.flush();
        }
        if ready.is_readable() { self.reads(16 << 10) } else { Ok(true) }
    }

    /// Reads once, at most so many bytes; `false` at the end of the stream.
    pub fn reads(&mut self, most: usize) -> Result<bool, End> {
        self.frames.unread.reserve(most);
        match self.socket.try_read_buf(&mut (&mut self.frames.unread).limit(most)) {
            Ok(read) => Ok(read > 0),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(_) => Err(End::Reset),
        }
    }

    /// Sends a FIN; the client may still read.
    pub fn half_closes(&mut self) {
        // It may be closed already.
        let _ = socket2::SockRef::from(&self.socket).shutdown(Shutdown::Write);
    }

    /// From now on a drop resets the connection.
    pub fn will_reset(&mut self) {
        // It may be closed already.
        let _ = socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
    }

    /// A lost peer accepts nothing; its last bytes can still be read.
    fn flush(&mut self) {
        while self.unsent() > 0 {
            match self.socket.try_write(&self.outgoing[self.sent..]) {
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.sent = self.outgoing.len(),
            }
        }
        self.outgoing.clear();
        self.sent = 0;
    }
}
