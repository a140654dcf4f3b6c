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

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        future::poll_fn,
        io::{Read, Write},
        thread,
    };
    use tokio::net::TcpListener;

    /// A transport, and the socket of its peer.
    async fn connected() -> (Transport, net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener.accept().await.unwrap().0.into(), peer)
    }

    #[tokio::test]
    async fn a_kernel_without_space_accepts_nothing_until_the_peer_reads() {
        let (transport, mut peer) = connected().await;
        let (piece, mut accepted) = (vec![7; 64 << 10], 0);
        poll_fn(|cx| transport.poll_writable(cx)).await.unwrap();
        while let more @ 1.. = transport.offer(&piece).unwrap() {
            accepted += more;
        }
        while let more @ 1.. = transport.offer_queued(&[IoSlice::new(&piece)]).unwrap() {
            accepted += more;
        }
        assert!(poll_fn(|cx| Poll::Ready(transport.poll_writable(cx))).await.is_pending());

        let reader = thread::spawn(move || {
            let mut received = Vec::new();
            peer.read_to_end(&mut received).map(|_| received.len())
        });
        poll_fn(|cx| transport.poll_writable(cx)).await.unwrap();
        accepted += transport.offer_queued(&[IoSlice::new(&piece), IoSlice::new(b"the end")]).unwrap();
        transport.half_close();
        assert_eq!(reader.join().unwrap().unwrap(), accepted);
    }

    #[tokio::test]
    async fn a_transport_goes_on_where_it_was_on_another_thread() {
        let (transport, mut peer) = connected().await;
        peer.write_all(b"before").unwrap();
        let detached = transport.detach().unwrap();
        let elsewhere = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (transport, mut buffer) = (detached.attach().unwrap(), [0; 16]);
                let length = poll_fn(|cx| transport.poll_read(cx, &mut buffer)).await.unwrap();
                transport.offer(&buffer[..length]).unwrap()
            })
        });
        assert_eq!(elsewhere.join().unwrap(), 6);
        let mut received = Vec::new();
        peer.read_to_end(&mut received).unwrap();
        assert_eq!(received, b"before");
    }

    #[tokio::test]
    async fn a_transport_that_resets_on_drop_ends_without_a_fin() {
        let (transport, mut peer) = connected().await;
        transport.offer(b"never read").unwrap();
        transport.reset_on_drop();
        drop(transport);
        let error = peer.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
