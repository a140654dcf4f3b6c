//! A request that never ends is cut off, at every place where one may dawdle.

use crate::{
    process::{Launch, Server},
    support::within,
};
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::interval,
};

const HANDSHAKE_WITHIN: Duration = Duration::from_secs(1);

/// Tolerance of a deadline on a busy machine.
const LATE: Duration = Duration::from_millis(1500);

fn start() -> Server {
    Launch::with(&[("session.handshake_within", "1s"), ("session.close_within", "1s")]).start()
}

/// The time for which a client stays connected that sends `opening`, then a byte of `rest` every
/// tenth of a second.
async fn stays(server: &Server, opening: &str, rest: &str) -> Duration {
    let mut socket = TcpStream::connect(server.listeners[0]).await.expect("a connection");
    let began = Instant::now();
    socket.write_all(opening.as_bytes()).await.expect("a connection");
    let (mut read, mut write) = socket.split();
    let mut beat = interval(Duration::from_millis(100));
    let dribble = async {
        for byte in rest.bytes() {
            beat.tick().await;
            let _ = write.write_all(&[byte]).await; // the reading half notices the end
        }
        std::future::pending::<()>().await
    };
    let mut answer = Vec::new();
    let ended = async {
        tokio::select! {
            ended = read.read_to_end(&mut answer) => drop(ended), // a reset is an end too
            () = dribble => unreachable!("it never ends"),
        }
    };
    within("the end of a connection", ended).await;
    began.elapsed()
}

#[tokio::test]
async fn a_slow_request_ends_at_handshake_within() {
    let server = start();
    let endless = "Dawdling: yes\r\n".repeat(20);
    let upgrade = "GET /websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n";
    for (opening, rest) in [("", ""), ("", &*endless), ("GET / HTTP/1.1\r\n", &endless), (upgrade, &endless)]
    {
        let stayed = stays(&server, opening, rest).await;
        assert!(stayed >= HANDSHAKE_WITHIN / 2, "{opening:?}: cut off after {stayed:?}");
        assert!(stayed <= HANDSHAKE_WITHIN + LATE, "{opening:?}: cut off after {stayed:?}");
    }
}

#[tokio::test]
async fn a_slow_second_request_or_body_ends_too() {
    let server = start();
    let endless = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}", "Dawdling: yes\r\n".repeat(20));
    let first = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n";
    let body = "POST /websocket HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n";
    for opening in [first, body] {
        let stayed = stays(&server, opening, &endless).await;
        assert!(stayed <= 2 * HANDSHAKE_WITHIN + LATE, "{opening:?}: cut off after {stayed:?}");
    }
}
