//! Reading from a client's socket.

use rustix::net::{RecvFlags, recv};
use std::{
    cell::RefCell,
    io,
    task::{Context, Poll, ready},
};
use tokio::{io::Interest, net::TcpStream};

/// Reads when there is something, into a buffer that all sessions of a thread share, and hands over what came; ready
/// with 0 at the end of the stream.
pub fn poll_read(
    socket: &TcpStream,
    cx: &mut Context<'_>,
    take: impl FnOnce(&[u8]),
) -> Poll<io::Result<usize>> {
    const READ_SIZE: usize = 16 << 10;
    thread_local!(static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_SIZE]));

    BUFFER.with_borrow_mut(|buffer| {
        loop {
            ready!(socket.poll_read_ready(cx))?; // yields by itself when a peer floods
            match read_once(socket, buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                read => {
                    if let Ok(length @ 1..) = read {
                        take(&buffer[..length]);
                    }
                    return Poll::Ready(read);
                }
            }
        }
    })
}

/// A short read has emptied the socket (epoll(7)), so its readiness ends here, as in tokio's own `poll_read`; the end
/// of the stream stays ready. Only urgent data, which WebSocket does not know, would wait for what comes next.
fn read_once(socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let mut short = None;
    let read = socket.try_io(Interest::READABLE, || {
        let length = recv(socket, &mut *buffer, RecvFlags::DONTWAIT)?.0;
        match length > 0 && length < buffer.len() {
            true => {
                short = Some(length);
                Err(io::ErrorKind::WouldBlock.into())
            }
            false => Ok(length),
        }
    });
    short.map_or(read, Ok)
}
