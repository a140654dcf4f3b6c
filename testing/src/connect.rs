//! Connections whose options are set before they connect.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};
use tokio::net::{TcpSocket, TcpStream};

/// Connects to `address` with a receive buffer of `bytes`, of which the kernel allocates twice as
/// many; `from` is an address of this machine.
///
/// The buffer has its size before the handshake of TCP, which tells the peer how to scale windows.
/// A buffer that shrinks later can stall the connection in both directions.
///
/// # Errors
/// If the system has no socket or nothing listens.
pub async fn connect_with_buffer(
    address: SocketAddr,
    from: Option<Ipv4Addr>,
    bytes: u32,
) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_recv_buffer_size(bytes)?;
    if let Some(from) = from {
        socket.bind((from, 0).into())?;
    }
    let socket = socket.connect(address).await?;
    socket.set_nodelay(true)?;
    Ok(socket)
}
