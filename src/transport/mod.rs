//! The socket of one connection: read, write, half-close and reset.

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

/// The socket of one connection.
pub struct Transport(TcpStream);

/// Neither wait nor signal; on other systems than Linux the runtime of Rust ignores SIGPIPE for the process.
#[cfg(target_os = "linux")]
const SEND_FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
#[cfg(not(target_os = "linux"))]
const SEND_FLAGS: SendFlags = SendFlags::DONTWAIT;

impl Transport {
    /// Wraps `socket`.
    pub fn new(socket: TcpStream) -> Self {
        Self(socket)
    }

    /// Returns the socket, for [`poll_read`].
    pub fn socket(&self) -> &TcpStream {
        &self.0
    }

    /// Writes as many of `bytes` as the kernel accepts; returns their number.
    ///
    /// This does not check tokio's readiness of the socket, which is elsewhere in memory: the
    /// caller queues the rest, and [`Transport::try_write_vectored`] updates the readiness.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if the kernel accepts nothing now, and any other error of
    /// `send`.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(send(&self.0, bytes, SEND_FLAGS)?)
    }

    /// Writes as much of `slices` as the kernel accepts; returns the number of bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if the socket is not writable, and any other error of
    /// `writev`.
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    /// Registers the waker of `cx` until the socket is writable.
    ///
    /// # Errors
    /// Fails if the runtime shuts down.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_write_ready(cx)
    }

    /// Half-closes the connection: sends FIN, after which the peer may still send. It fails if the
    /// peer has reset the connection, which then needs no FIN.
    pub fn half_close(&self) {
        let _ = socket2::SockRef::from(&self.0).shutdown(Shutdown::Write);
    }

    /// Makes the drop of the socket reset the connection, which discards all bytes that are not
    /// delivered.
    pub fn reset_on_drop(&self) {
        reset_on_drop(&self.0);
    }
}

/// Makes the drop of `socket` reset its connection (linger 0); otherwise the kernel would still
/// deliver the written bytes. It fails on a closed socket, which needs no reset.
pub fn reset_on_drop(socket: &TcpStream) {
    let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
}
