//! The transport of one connection: everything that the server asks of a socket.
//!
//! Another kind of socket is an arm of [`Transport`] and of [`Detached`], and a file beside tcp.rs.
//! No other module names a kind of socket, except for those that accept connections.

mod tcp; // sockets of TCP

pub use tcp::local_address;

use bytes::BytesMut;
use std::{
    io::{self, IoSlice},
    net,
    task::{Context, Poll},
};
use tokio::net::TcpStream;

/// The bytes of the largest read from a session's socket.
pub const READ_SIZE: usize = 16 << 10;

/// The socket of one connection, registered with the event loop of this thread.
pub enum Transport {
    /// A socket of TCP.
    Tcp(TcpStream),
}

/// A socket on its way to another thread, registered with no event loop.
pub enum Detached {
    /// A socket of TCP.
    Tcp(net::TcpStream),
}

impl From<TcpStream> for Transport {
    fn from(socket: TcpStream) -> Self {
        Self::Tcp(socket)
    }
}

impl Transport {
    /// Offers `bytes` to the kernel; returns how many of them it accepts, 0 if none now.
    ///
    /// This does not check tokio's readiness of the socket, which is elsewhere in memory: the
    /// caller queues the rest, and [`Transport::offer_queued`] updates the readiness.
    ///
    /// # Errors
    /// Those of the socket, such as a reset by the peer.
    pub fn offer(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => tcp::offer(socket, bytes),
        }
    }

    /// Offers the bytes of `slices` to the kernel; returns how many of them it accepts, 0 if the
    /// socket is not writable. [`Transport::poll_writable`] tells when it is.
    ///
    /// # Errors
    /// Those of the socket, such as a reset by the peer.
    pub fn offer_queued(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => tcp::offer_queued(socket, slices),
        }
    }

    /// Registers the waker of `cx` until the socket is writable.
    ///
    /// # Errors
    /// Fails if the runtime shuts down.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => socket.poll_write_ready(cx),
        }
    }

    /// Reads once into `buffer`. Resolves to the number of bytes, 0 at the end of the stream.
    ///
    /// # Errors
    /// Resolves to the error of the socket, such as a reset by the peer.
    pub fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(socket) => tcp::poll_read(socket, cx, buffer),
        }
    }

    /// Reads once into the spare capacity of `buffer`, without filling it with zeros before.
    /// Resolves to the number of bytes, 0 at the end of the stream.
    ///
    /// # Errors
    /// Resolves to the error of the socket, such as a reset by the peer.
    pub fn poll_read_buf(&self, cx: &mut Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(socket) => tcp::poll_read_buf(socket, cx, buffer),
        }
    }

    /// Half-closes the connection: sends FIN, after which the peer may still send. It fails if the
    /// peer has reset the connection, which then needs no FIN.
    pub fn half_close(&self) {
        match self {
            Self::Tcp(socket) => tcp::half_close(socket),
        }
    }

    /// Makes the drop of the socket reset the connection, which discards all bytes that are not
    /// delivered.
    pub fn reset_on_drop(&self) {
        match self {
            Self::Tcp(socket) => tcp::reset_on_drop(socket),
        }
    }

    /// Detaches the socket from the event loop of this thread, for another thread.
    ///
    /// # Errors
    /// Fails if the event loop does.
    pub fn detach(self) -> io::Result<Detached> {
        match self {
            Self::Tcp(socket) => socket.into_std().map(Detached::Tcp),
        }
    }
}

impl Detached {
    /// Registers the socket with the event loop of the calling thread.
    ///
    /// # Errors
    /// Fails if the kernel has no memory for one more.
    pub fn attach(self) -> io::Result<Transport> {
        match self {
            Self::Tcp(socket) => TcpStream::from_std(socket).map(Transport::Tcp),
        }
    }
}
