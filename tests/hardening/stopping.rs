//! Signals, and what they promise to clients and supervisors.

use crate::{
    process::Launch,
    support::{Client, get, within},
};
use std::{net::SocketAddr, time::Duration};

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
async fn is_ready(admin: SocketAddr) -> bool {
    let answer = get(admin, "/ready").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") || answer.starts_with("HTTP/1.1 503 "), "{answer}");
    answer.starts_with("HTTP/1.1 200 ")
}
