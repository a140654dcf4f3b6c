//! Signals, and what they promise to clients and supervisors.

use crate::{
    process::{Launch, handshake},
    support::{Client, eventually, get, within},
};
use rustix::process::Signal;
use std::{net::SocketAddr, time::Duration};
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
async fn a_signal_closes_every_session_with_1012_and_ends_the_process_with_0() {
    let mut server = Launch::with(&[("shutdown.drain", "0s")]).start();
    let clients = [Client::joins(&server, "/").await, Client::joins(&server, "/websocket/news").await];
    server.terminate();
    for client in clients {
        assert_eq!(client.ends_with().await, Some(1012));
    }
    assert_eq!(server.exit(PATIENCE).await.expect("it ends").code(), Some(0));
}

#[tokio::test]
async fn every_stop_signal_closes_sessions_with_close_frames() {
    for signal in [Signal::INT, Signal::TERM, Signal::QUIT] {
        let mut server = Launch::with(&[("shutdown.drain", "0s")]).start();
        let client = Client::joins(&server, "/").await;
        server.signal(signal);
        assert_eq!(client.ends_with().await, Some(1012), "{signal:?}");
        assert_eq!(server.exit(PATIENCE).await.expect("it ends").code(), Some(0), "{signal:?}");
    }
}

#[tokio::test]
async fn other_signals_end_no_session_and_are_logged() {
    let mut server = Launch::with(&[("shutdown.drain", "0s"), ("log.level", "debug")]).start();
    let mut client = Client::joins(&server, "/").await;
    let others = [
        (Signal::HUP, "INFO  worldcast] SIGHUP"),
        (Signal::USR1, "DEBUG worldcast] SIGUSR1"),
        (Signal::USR2, "DEBUG worldcast] SIGUSR2"),
    ];
    for (signal, line) in others {
        server.signal(signal);
        eventually(format!("{line} in the log"), || server.log.count(line) == 1).await;
    }
    server.signal(Signal::PIPE); // the kernel's signal for a write to a pipe without a reader
    client.receives_its_echo("still here").await;
    server.terminate();
    assert_eq!(client.ends_with().await, Some(1012));
    assert_eq!(server.exit(PATIENCE).await.expect("it ends").code(), Some(0));
}

#[tokio::test]
async fn only_a_second_stop_signal_cuts_a_drain_short() {
    let mut server = Launch::with(&[("shutdown.drain", "1h")]).start();
    let client = Client::joins(&server, "/").await;
    server.terminate();
    within("the first signal to be taken", async { while is_ready(server.admin).await {} }).await;
    for signal in [Signal::HUP, Signal::USR1, Signal::USR2] {
        server.signal(signal);
    }
    eventually("a line about SIGHUP", || server.log.count("SIGHUP") == 1).await;
    server.signal(Signal::QUIT);
    assert_eq!(server.exit(PATIENCE).await.expect("it ends").code(), Some(130));
    drop(client);
}

#[tokio::test]
async fn a_client_that_connects_before_a_signal_is_answered_and_not_reset() {
    const CLIENTS: usize = 600;
    let mut server = Launch::with(&[("shutdown.drain", "1s")]).start();
    server.signal(Signal::STOP);
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let mut socket = TcpStream::connect(server.listeners[number % 2]).await.expect("the kernel takes it");
        socket.write_all(handshake("/", "").as_bytes()).await.expect("the kernel takes it");
        clients.push(socket);
    }
    server.terminate();
    server.signal(Signal::CONT);
    for mut socket in clients {
        let mut received = Vec::new();
        within("the end", socket.read_to_end(&mut received)).await.expect("an orderly end");
        let received = String::from_utf8_lossy(&received);
        assert!(received.starts_with("HTTP/1.1 101 ") && received.contains("restart"), "{received}");
    }
    assert_eq!(server.exit(PATIENCE).await.expect("it ends").code(), Some(0));
}

#[tokio::test]
async fn a_server_that_stops_tells_load_balancers_why_it_is_not_ready() {
    let mut server = Launch::with(&[("shutdown.drain", "1h")]).start();
    let _client = Client::joins(&server, "/").await;
    assert!(is_ready(server.admin).await);
    server.terminate();
    within("the signal to be taken", async { while is_ready(server.admin).await {} }).await;
    let answer = get(server.admin, "/ready").await;
    assert!(answer.to_lowercase().contains("\r\ncontent-type: application/json\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n{\"reasons\":[\"draining\"]}"), "{answer}");
    server.terminate();
    server.exit(PATIENCE).await.expect("it ends");
}

/// Returns true if a load balancer would send clients there.
async fn is_ready(admin: SocketAddr) -> bool {
    let answer = get(admin, "/ready").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") || answer.starts_with("HTTP/1.1 503 "), "{answer}");
    answer.starts_with("HTTP/1.1 200 ")
}
