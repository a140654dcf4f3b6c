//! A proxy that serves another server below a path of its own.

use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

/// Passes on what is asked for below `path` (`/live/`), one request for each connection; to all
/// else it gives no answer.
pub async fn proxy_below(path: &'static str, server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass_on(client, path, server));
        }
    });
    address
}

async fn pass_on(mut client: TcpStream, path: &str, server: SocketAddr) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let (method, rest) = head.split_once(' ')?;
    let rest = rest.strip_prefix(path)?.replace("Connection: keep-alive", "Connection: close");
    let mut server = TcpStream::connect(server).await.ok()?;
    server.write_all(format!("{method} /{rest}").as_bytes()).await.ok()?;
    copy_bidirectional(&mut client, &mut server).await.ok()?;
    Some(())
}
