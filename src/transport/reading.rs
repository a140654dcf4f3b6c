//! Reads from the socket of a client.

use rustix::net::{RecvFlags, recv};
use std::{
    cell::RefCell,
    io,
    task::{Context, Poll, ready},
};
use tokio::{io::Interest, net::TcpStream};

/// Reads up to 16 KiB into a buffer that all sessions of a thread share, and passes the bytes to
/// `take`. Resolves to the number of bytes, 0 at the end of the stream, where `take` is not called.
///
/// # Errors
/// Resolves to the error of the socket, such as a reset by the peer.
pub fn poll_read(
    socket: &TcpStream,
    cx: &mut Context<'_>,
    take: impl FnOnce(&[u8]),
) -> Poll<io::Result<usize>> {
    const READ_SIZE: usize = 16 << 10;
    thread_local!(static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_SIZE]));

    BUFFER.with_borrow_mut(|buffer| {
        loop {
            ready!(socket.poll_read_ready(cx))?; // tokio's budget makes it yield when a peer floods
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

/// Reads once. A read that fills only a part of `buffer` has emptied the socket (epoll(7)), so it
/// clears the readiness, as tokio's own `poll_read` does; the end of the stream stays ready. Only
/// urgent data, which WebSocket does not use, would be delayed until the next bytes arrive.
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
