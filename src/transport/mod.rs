//! The socket of one connection: reading, writing, half-close and reset.

mod reading;

pub use reading::poll_read;

use rustix::net::{SendFlags, send};
use std::{
    io::{self, IoSlice},
    net::Shutdown,
    task::{Context, Poll},
    time::Duration,
};
use tokio::net::TcpStream;

pub struct Transport(TcpStream);

impl Transport {
    pub fn new(socket: TcpStream) -> Self {
        Self(socket)
    }

    pub fn socket(&self) -> &TcpStream {
        &self.0
    }

    /// Does not look whether tokio takes the socket for writable, which lies elsewhere in memory: the bytes that the
    /// kernel does not take are queued, and [`Transport::try_write_vectored`] lets tokio know.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(send(&self.0, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?)
    }

    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_write_ready(cx)
    }

    /// Sends FIN: the peer may go on sending, this side does not.
    pub fn half_close(&self) {
        let _ = socket2::SockRef::from(&self.0).shutdown(Shutdown::Write); // a peer that is gone needs none
    }

    /// Lets the drop of the socket reset the connection: everything still under way is thrown away.
    pub fn reset_on_drop(&self) {
        reset_on_drop(&self.0);
    }
}

/// Lets the drop of `socket` reset its connection, instead of leaving what was written to the kernel.
pub fn reset_on_drop(socket: &TcpStream) {
    let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO)); // a socket that is closed needs none
}
