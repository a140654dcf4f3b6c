//! Where frames go: into a socket, or into the body of an answer, which takes them when it is polled.

use rustix::net::{SendFlags, send};
use std::{
    cell::RefCell,
    io::{self, IoSlice},
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::net::TcpStream;

pub enum Way {
    Socket(TcpStream),
    /// Holds whom to wake when something waits.
    Body(RefCell<Option<Waker>>),
}

impl Way {
    pub fn body() -> Self {
        Self::Body(RefCell::default())
    }

    /// Does not look whether tokio takes the socket for writable, which lies elsewhere in memory: what the kernel does
    /// not take is queued, and [`Way::try_write_vectored`] lets tokio know.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => Ok(send(socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?),
            Self::Body(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => socket.try_write_vectored(slices),
            Self::Body(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Socket(socket) => socket.poll_write_ready(cx),
            Self::Body(_) => Poll::Pending,
        }
    }

    /// Remembers whom to wake when there is something to take.
    pub fn remember(&self, cx: &Context<'_>) {
        if let Self::Body(waker) = self {
            *waker.borrow_mut() = Some(cx.waker().clone());
        }
    }

    /// There is something to take, or the end.
    pub fn wake(&self) {
        if let Self::Body(waker) = self
            && let Some(waker) = waker.borrow_mut().take()
        {
            waker.wake();
        }
    }

    /// Whatever is still under way is thrown away when the socket is dropped.
    pub fn cut(&self) {
        if let Self::Socket(socket) = self {
            let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
        }
    }
}
