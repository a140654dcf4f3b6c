//! Clients that read slowly cannot hold the publishers of a room for ever, however they take turns.

use crate::{
    process::{Launch, Server, handshake},
    support::{connect_from, head},
};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use testing::text;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{interval, sleep, timeout},
};

/// Bytes that each slow client reads in a second: less than half of the promised rate.
const BYTES_PER_SECOND: usize = 30_000;

/// Shorter than the time for which a room waits for one client.
const STAY: Duration = Duration::from_millis(800);

/// A part of the speed beside fast clients; a room that always waits has a tenth or less.
const PART: u64 = 3;

/// Three fifths of half of the promised rate under [`SMALL_OUTBOXES`].
const STEADY_BYTES_PER_SECOND: usize = 50_000;

/// The promised rate is 164 KB in a second.
const SMALL_OUTBOXES: [(&str, &str); 2] =
    [("session.outbox_bytes", "128KiB"), ("session.send_buffer", "16KiB")];

fn start(settings: &[(&str, &str)]) -> Server {
    let settings = [&[("workers", "2"), ("log.messages", "false")], settings].concat();
    Launch::with(&settings).start()
}

/// A client in the attacked room at 127.0.0.`last`, whose kernel takes little of what is not read.
async fn joins(address: SocketAddr, last: u8, query: &str) -> TcpStream {
    let mut socket = connect_from(address, last).await;
    let opening = handshake(&format!("/websocket/attacked{query}"), "");
    socket.write_all(opening.as_bytes()).await.expect("a connection");
    assert_eq!(&head(&mut socket).await[9..12], "101");
    socket
}

/// Publishes without end, in short messages, without echo.
async fn publishes_without_end(address: SocketAddr) {
    let mut socket = joins(address, 1, "?echo=false").await;
    let frames = text(&"x".repeat(22)).repeat(1000);
    while socket.write_all(&frames).await.is_ok() {}
}

/// Reads as fast as it can for so long; false if the session ended.
async fn reads_fast(socket: &mut TcpStream, how_long: Duration) -> bool {
    let mut buffer = vec![0; 64 << 10];
    let reads = async { while socket.read(&mut buffer).await.is_ok_and(|read| read > 0) {} };
    timeout(how_long, reads).await.is_err()
}

/// Reads little in a second for so long; false if the session ended.
async fn reads_slowly(socket: &mut TcpStream, bytes_per_second: usize, how_long: Duration) -> bool {
    let tick = Duration::from_millis(5);
    let (begin, mut ticks, mut buffer) = (Instant::now(), interval(tick), vec![0; 4 << 10]);
    let mut due = 0;
    while begin.elapsed() < how_long {
        ticks.tick().await;
        due += bytes_per_second / 200;
        let most = due.min(buffer.len());
        match timeout(tick, socket.read(&mut buffer[..most])).await {
            Ok(Ok(0) | Err(_)) => return false,
            Ok(Ok(read)) => due -= read,
            Err(_) => due = 0,
        }
    }
    true
}

/// Connects again and again, each time for less than the patience of a room.
async fn reconnects_again_and_again(address: SocketAddr, last: u8) {
    sleep(STAY / 8 * u32::from(last % 8)).await; // so that one of them is always slow
    loop {
        let mut socket = joins(address, last, "").await;
        let left = Instant::now() + STAY;
        if !reads_slowly(&mut socket, BYTES_PER_SECOND, STAY).await {
            // As a client that reconnects.
            sleep(left.saturating_duration_since(Instant::now()).min(STAY / 8)).await;
        }
    }
}

/// Stays, and is slow in turn with as fast as it can.
async fn slows_down_in_turn(address: SocketAddr, last: u8) {
    sleep(STAY / 4 * u32::from(last % 8)).await; // so that one of them is always slow
    loop {
        let mut socket = joins(address, last, "").await;
        while reads_slowly(&mut socket, BYTES_PER_SECOND, STAY).await
            && reads_fast(&mut socket, Duration::from_secs(1)).await
        {}
    }
}

/// Stays and reads steadily, below half of the promised rate; reconnects when it is closed.
async fn reads_too_slowly(address: SocketAddr, last: u8) {
    loop {
        let mut socket = joins(address, last, "").await;
        reads_slowly(&mut socket, STEADY_BYTES_PER_SECOND, Duration::from_secs(60)).await;
        sleep(STAY / 8).await; // as a client that reconnects
    }
}

/// Messages that the room takes in a second.
async fn speed(server: &Server) -> u64 {
    const SECONDS: u32 = 5;
    let received = async || server.metrics().await.value("messages_received_total");
    let (before, begin) = (received().await, Instant::now());
    sleep(Duration::from_secs(1) * SECONDS).await;
    ((received().await - before) as f64 / begin.elapsed().as_secs_f64()) as u64
}

/// Stays, and reads as fast as it can.
async fn keeps_up(address: SocketAddr, last: u8) {
    let mut socket = joins(address, last, "").await;
    reads_fast(&mut socket, Duration::MAX).await;
}

/// The speed of a room with a publisher and `count` clients that do as in `client`.
async fn speed_beside<F: Future<Output = ()> + Send + 'static>(
    settings: &[(&str, &str)],
    count: u8,
    client: fn(SocketAddr, u8) -> F,
) -> u64 {
    let server = start(settings);
    let address = server.listeners[0];
    let mut clients = JoinSet::new();
    for number in 0..count {
        clients.spawn(client(address, 2 + number));
    }
    clients.spawn(publishes_without_end(address));
    sleep(2 * STAY).await; // the first of them are waited for
    speed(&server).await
}

async fn is_not_held_by<F: Future<Output = ()> + Send + 'static>(
    settings: &[(&str, &str)],
    clients: u8,
    client: fn(SocketAddr, u8) -> F,
) {
    // Another program on the machine slows one side of a round; clients hold a room in all of them.
    const ROUNDS: usize = 3;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let fast = speed_beside(settings, clients, keeps_up).await;
        let slow = speed_beside(settings, clients, client).await;
        if slow > fast / PART {
            return;
        }
        rounds.push((slow, fast));
    }
    panic!("messages a second beside slow and fast clients, in {ROUNDS} rounds: {rounds:?}");
}

#[tokio::test]
async fn slow_clients_that_reconnect_again_and_again_do_not_hold_a_room() {
    is_not_held_by(&[], 8, reconnects_again_and_again).await;
}

#[tokio::test]
async fn slow_clients_that_take_turns_do_not_hold_a_room() {
    is_not_held_by(&[], 8, slows_down_in_turn).await;
}

#[tokio::test]
async fn a_client_that_reads_steadily_but_too_slowly_does_not_hold_a_room() {
    is_not_held_by(&SMALL_OUTBOXES, 1, reads_too_slowly).await;
}
