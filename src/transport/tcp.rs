//! Sockets of TCP.

use bytes::BytesMut;
use rustix::{
    io::Errno,
    net::{RecvFlags, SendFlags, recv, send},
};
use std::{
    io::{self, ErrorKind, IoSlice},
    net::Shutdown,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{io::Interest, net::TcpStream};

/// Neither wait nor signal; on other systems than Linux the runtime of Rust ignores SIGPIPE for the
/// process.
#[cfg(target_os = "linux")]
const SEND_FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
#[cfg(not(target_os = "linux"))]
const SEND_FLAGS: SendFlags = SendFlags::DONTWAIT;

pub fn offer(socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match send(socket, bytes, SEND_FLAGS) {
        Err(Errno::AGAIN) => Ok(0),
        sent => Ok(sent?),
    }
}

pub fn offer_queued(socket: &TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    match socket.try_write_vectored(slices) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        written => written,
    }
}

pub fn poll_read(socket: &TcpStream, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
    poll_read_with(socket, cx, || read_once(socket, buffer))
}

pub fn poll_read_buf(
    socket: &TcpStream,
    cx: &mut Context<'_>,
    buffer: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    poll_read_with(socket, cx, || socket.try_read_buf(buffer))
}

fn poll_read_with(
    socket: &TcpStream,
    cx: &mut Context<'_>,
    mut read: impl FnMut() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(socket.poll_read_ready(cx))?; // tokio's budget makes it yield when a peer floods
        match read() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            read => return Poll::Ready(read),
        }
    }
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
                Err(ErrorKind::WouldBlock.into())
            }
            false => Ok(length),
        }
    });
    short.map_or(read, Ok)
}

pub fn half_close(socket: &TcpStream) {
    let _ = socket2::SockRef::from(socket).shutdown(Shutdown::Write);
}

/// Sets linger 0; otherwise the kernel would still deliver the written bytes. It fails on a closed
/// socket, which needs no reset.
pub fn reset_on_drop(socket: &TcpStream) {
    let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
}
