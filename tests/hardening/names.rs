//! The server refuses names that others have changed to resolve to it, whichever address it listens
//! on.

use crate::{
    process::{Launch, Server, handshake},
    support::{get_with, within},
};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The status of the answer to these bytes.
async fn status(address: SocketAddr, request: &[u8]) -> u16 {
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    socket.write_all(request).await.expect("a connection");
    let mut line = [0; 12];
    within("an answer", socket.read_exact(&mut line)).await.expect("an answer");
    String::from_utf8_lossy(&line[9..]).parse().expect("a status")
}

async fn status_under_host(server: &Server, host: &str) -> u16 {
    let page = get_with(server.listeners[0], "/rooms/news/messages", &format!("Host: {host}")).await;
    let status_of_page: u16 = page[9..12].parse().expect("a status");
    let opening = handshake("/websocket", &format!("Host: {host}\r\n"));
    let opened = status(server.listeners[0], opening.as_bytes()).await;
    assert_eq!(opened == 101, status_of_page == 200, "the same for both: {host}");
    status_of_page
}

#[tokio::test]
async fn a_listener_for_the_network_refuses_names_that_were_changed_to_resolve_to_it() {
    let server = Launch::with(&[("listen", "0.0.0.0:0,127.0.0.1:0")]).start();
    for own in ["localhost", "192.0.2.1:8080", "[::1]:3000", "box", "box.local:8080"] {
        assert_eq!(status_under_host(&server, own).await, 200, "{own}");
    }
    for foreign in ["rebound.example", "rebound.example:8080", "localhost.rebound.example"] {
        assert_eq!(status_under_host(&server, foreign).await, 403, "{foreign}");
    }
    let listed = [("listen", "0.0.0.0:0,127.0.0.1:0"), ("origins.hosts", "chat.example,*.chat.example")];
    let server = Launch::with(&listed).start();
    for (host, status) in
        [("chat.example", 200), ("a.chat.example:8080", 200), ("box", 403), ("rebound.example", 403)]
    {
        assert_eq!(status_under_host(&server, host).await, status, "{host}");
    }
}

#[tokio::test]
async fn a_host_that_is_no_name_is_refused() {
    let server = Launch::with::<&str>(&[]).start();
    for (host, expected) in [
        (&b"Host: rebound\xff.example\r\n"[..], 403),
        (b"Host: \xff\r\n", 403),
        (b"Host: user@localhost\r\n", 403),
        (b"Host: \r\n", 403),
        (b"", 400),
        (b"Host: localhost\r\nHost: rebound.example\r\n", 400),
        (b"Host: localhost\r\n", 200),
    ] {
        let request = [&b"GET /rooms/news HTTP/1.1\r\n"[..], host, b"\r\n"].concat();
        let found = status(server.listeners[0], &request).await;
        assert_eq!(found, expected, "{}", String::from_utf8_lossy(host));
    }
    let absolute = b"GET http://rebound.example/rooms/news HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(status(server.listeners[0], absolute).await, 403);
}

#[tokio::test]
async fn an_admin_listener_on_loopback_stays_strict_beside_one_for_the_network() {
    let server = Launch::with(&[
        ("admin.listen", "0.0.0.0:0,127.0.0.1:0"),
        ("origins.allowed", "*,https://a.example"),
    ])
    .start(); // `admin` is the last
    for page in ["rebound.example", "a.example"] {
        let answer = get_with(server.admin, "/metrics", &format!("Host: {page}")).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{page}: {answer}");
    }
    let answer = get_with(server.admin, "/metrics", "Host: localhost").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
