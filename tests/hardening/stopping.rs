//! Signals, and what they promise to clients and supervisors.

use crate::{
    process::Launch,
    support::{Client, within},
};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_second_signal_ends_the_process_at_once_with_a_code_of_its_own() {
    let mut server = Launch::with(&[("shutdown.drain", "1h")]).start();
    let _client = Client::joins(&server, "/").await;
    server.terminate();
    within("the first signal to be taken", async { while is_ready(server.admin).await {} }).await;
    server.terminate();
    let status = server.exit(PATIENCE).await.expect("it ends");
    assert_eq!(status.code(), Some(130));
}

#[tokio::test]
async fn a_signal_sends_everybody_away_with_1012_and_ends_the_process_with_0() {
    let mut server = Launch::with(&[("shutdown.drain", "0s")]).start();
    let clients = [Client::joins(&server, "/").await, Client::joins(&server, "/websocket/news").await];
    server.terminate();
    for client in clients {
        assert_eq!(client.ends_with().await, Some(1012));
    }
    assert_eq!(server.exit(PATIENCE).await.expect("it ends").code(), Some(0));
}

/// Whether a load balancer would send clients there.
async fn is_ready(admin: std::net::SocketAddr) -> bool {
    let mut socket = TcpStream::connect(admin).await.expect("the admin listener stops last");
    let request = "GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    socket.write_all(request.as_bytes()).await.expect("a connection");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    answer.contains(" 200 ")
}
