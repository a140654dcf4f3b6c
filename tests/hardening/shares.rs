//! What strangers share has a share for each of them, and a promise takes nothing of it.

use crate::{
    process::{Launch, Server},
    support::{comes_to, deaf_client, get, head, post, within},
};
use serde_json::Value;
use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

const KEY: &str = "a-key-that-nobody-guesses";

/// How soon an answer comes that nobody delays; the server waits 10 s for a body, and for a share of the bounds.
const SOON: Duration = Duration::from_millis(2500);

/// A connection from 127.0.0.`last`, whose kernel takes little of what is not read.
async fn connect(server: &Server, last: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4 << 10).expect("a small buffer");
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0))).expect("an address of this machine");
    within("a connection", socket.connect(server.listeners[0])).await.expect("a connection")
}

/// Begins to post a batch, in chunks, and sends no more than `bytes` of it.
async fn begins_a_batch(server: &Server, last: u8, bytes: usize) -> TcpStream {
    let mut socket = connect(server, last).await;
    let head = "POST /rooms/attacked/batch HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    let begun = format!("{head}{bytes:x}\r\n{}\r\n", " ".repeat(bytes));
    within("the server to take some bytes", socket.write_all(begun.as_bytes())).await.expect("a connection");
    socket
}

/// The status of a request, and how long it took.
async fn asks(server: &Server, last: u8, request: String) -> (u16, Duration) {
    let (mut socket, asked) = (connect(server, last).await, Instant::now());
    socket.write_all(request.as_bytes()).await.expect("a connection");
    let mut answer = Vec::new();
    within("an answer", socket.read_to_end(&mut answer)).await.expect("an orderly end");
    let status = String::from_utf8_lossy(&answer[9..12]).parse().expect("a status");
    (status, asked.elapsed())
}

async fn posts(server: &Server, last: u8, bytes: usize, headers: &str) -> (u16, Duration) {
    let request = format!(
        "POST /rooms/news/messages HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\
         Content-Length: {bytes}\r\n\r\n{}",
        "x".repeat(bytes)
    );
    asks(server, last, request).await
}

#[tokio::test]
async fn bodies_that_never_come_delay_nobody() {
    let server = Launch::with::<&str>(&[]).start();
    let mut attack = Vec::new();
    for _ in 0..40 {
        attack.push(begins_a_batch(&server, 1, 1).await);
    }
    for (last, bytes) in [(1, 5), (2, 60_000)] {
        let (status, took) = posts(&server, last, bytes, "").await;
        assert!(status == 201 && took < SOON, "{status} after {took:?}");
    }
}

#[tokio::test]
async fn bodies_that_stand_still_hold_no_more_than_the_share_of_their_address() {
    let server = Launch::with::<&str>(&[]).start();
    let mut attack = Vec::new();
    for _ in 0..6 {
        attack.push(begins_a_batch(&server, 1, 900_000).await);
    }
    let (status, took) = posts(&server, 2, 60_000, "").await;
    assert!(status == 201 && took < SOON, "{status} after {took:?}");
    let held = server.metrics().await.value("body_bytes");
    assert!((900_000..=4 << 20).contains(&held), "a quarter of 16 MiB at most: {held}");
    drop(attack);
    comes_to(&server, "body_bytes", 0).await;
}

#[tokio::test]
async fn who_shows_a_key_publishes_while_others_hold_all_that_they_may() {
    let server = Launch::with(&[("limits.body_bytes", "1MiB"), ("publish.keys", KEY)]).start();
    let mut attack = Vec::new();
    for last in 1..=60 {
        attack.push(begins_a_batch(&server, last, 60_000).await);
    }
    let (status, took) = posts(&server, 1, 60_000, &format!("Authorization: Bearer {KEY}\r\n")).await;
    assert!(status == 201 && took < SOON, "{status} after {took:?}");
    let held = server.metrics().await.value("body_bytes");
    assert!(held <= 768 << 10, "a quarter is for who shows a key: {held}");
}

/// A room that remembers 1 MiB, which is 6 MiB of JSON.
async fn remembers_much(server: &Server) {
    for _ in 0..17 {
        let body = "\u{1}".repeat(60_000);
        let request = format!(
            "POST /rooms/news/messages HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(asks(server, 1, request).await.0, 201);
    }
}

const HISTORY: &str = "GET /rooms/news/messages HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Asks for the history and reads nothing but the head of the answer, which it returns.
async fn reads_nothing(server: &Server, last: u8) -> (TcpStream, String) {
    let mut socket = connect(server, last).await;
    socket.write_all(HISTORY.as_bytes()).await.expect("a connection");
    let head = head(&mut socket).await;
    (socket, head)
}

#[tokio::test]
async fn who_reads_history_slowly_costs_one_piece_and_keeps_nobody_from_it() {
    let server = Launch::with(&[("session.send_buffer", "16KiB")]).start();
    remembers_much(&server).await;
    assert_eq!(asks(&server, 1, HISTORY.to_owned()).await.0, 200);
    let before = server.memory();
    let mut slow = Vec::new();
    for _ in 0..8 {
        let (socket, head) = reads_nothing(&server, 1).await;
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("chunked"), "{head}");
        slow.push(socket);
    }
    for last in [1, 2].repeat(10) {
        assert_eq!(asks(&server, last, HISTORY.to_owned()).await.0, 200);
    }
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes for 8 answers of 6 MiB");
    drop(slow);
    comes_to(&server, "answer_bytes", 0).await;
}

#[tokio::test]
async fn where_answers_are_scarce_each_address_has_one() {
    let server = Launch::with(&[
        ("limits.answer_bytes", "16MiB"),
        ("session.send_buffer", "16KiB"),
        ("session.stalled_write", "2s"),
    ])
    .start();
    remembers_much(&server).await;
    let mut slow = Vec::new();
    let refused = loop {
        let (mut socket, mut head) = reads_nothing(&server, 1).await;
        if !head.starts_with("HTTP/1.1 200 ") {
            within("the rest of a refusal", socket.read_to_string(&mut head)).await.expect("text");
            break head;
        }
        slow.push(socket);
        assert!(slow.len() <= 4, "a quarter of 16 MiB");
    };
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: 1"), "{refused}");
    assert!(refused.contains(r#""error":"busy""#), "{refused}");
    for last in 2..6 {
        let (status, took) = asks(&server, last, HISTORY.to_owned()).await;
        assert!(status == 200 && took < SOON, "{status} after {took:?}");
    }
    assert!(get(server.listeners[0], "/rooms/other/messages").await.starts_with("HTTP/1.1 200 "));
}

async fn orders(server: &Server, last: u8, room: &str, key: &str) -> u16 {
    let request = format!(
        "POST /rooms/{room}/messages HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Idempotency-Key: {key}\r\nContent-Length: 5\r\n\r\norder"
    );
    asks(server, last, request).await.0
}

/// How many messages `room` has seen.
async fn offset(server: &Server, room: &str) -> u64 {
    let answer = get(server.listeners[0], &format!("/rooms/{room}")).await;
    let (_, rest) = answer.split_once("\"offset\":").expect("a room that exists");
    rest.split(|c: char| !c.is_ascii_digit()).next().expect("a number").parse().expect("a number")
}

#[tokio::test]
async fn an_order_is_not_said_twice_however_many_keys_another_uses() {
    let server = Launch::with(&[("publish.retries", "100")]).start();
    assert_eq!(orders(&server, 1, "orders", "order-1").await, 201);
    let mut statuses = Vec::new();
    for number in 0..200 {
        statuses.push(orders(&server, 2, &format!("room-{}", number % 7), &number.to_string()).await);
    }
    assert_eq!(orders(&server, 1, "orders", "order-1").await, 201);
    assert_eq!(offset(&server, "orders").await, 1);
    assert!(statuses.contains(&503), "{statuses:?}");
    assert_eq!(orders(&server, 1, "orders", "order-2").await, 201, "its own share is free");
}

#[tokio::test]
async fn who_fills_rooms_makes_no_other_room_forget() {
    let server = Launch::with(&[("limits.history_bytes_total", "2MiB")]).start();
    assert_eq!(orders(&server, 1, "quiet", "order").await, 201);
    for number in 0..80 {
        let room = format!("/rooms/room-{}/messages", number % 5);
        let request = format!(
            "POST {room} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 60000\r\n\r\n{}",
            "x".repeat(60_000)
        );
        assert_eq!(asks(&server, 2, request).await.0, 201);
    }
    let quiet = get(server.listeners[0], "/rooms/quiet").await;
    assert!(quiet.ends_with("\"remembered\":1}"), "{quiet}");
    assert!(server.metrics().await.value("history_bytes") <= 2 << 20);
}

#[tokio::test]
async fn who_opens_rooms_without_end_ends_no_room_of_another() {
    let server = Launch::with(&[("limits.rooms", "20")]).start();
    for room in ["quiet", "quieter"] {
        assert_eq!(orders(&server, 1, room, "order").await, 201);
    }
    for number in 0..60 {
        assert_eq!(orders(&server, 2, &format!("room-{number}"), "order").await, 201);
    }
    assert_eq!(orders(&server, 3, "new", "order").await, 201);
    for room in ["quiet", "quieter", "new"] {
        assert_eq!(offset(&server, room).await, 1, "{room}");
    }
    assert_eq!(server.metrics().await.value("rooms"), 20);
}

#[tokio::test]
async fn slow_readers_of_one_history_use_up_the_backlog_of_nobody_else() {
    let settings =
        [("workers", "1"), ("limits.outbox_bytes_total", "16MiB"), ("limits.connections_per_ip", "200")];
    let server = Launch::with(&settings).start();
    let address = server.listeners[0];
    for room in ["attacked", "good"] {
        for _ in 0..16 {
            assert_eq!(
                status_of(&post(address, &format!("/rooms/{room}/messages"), &"x".repeat(50_000)).await),
                201
            );
        }
    }
    let mut attack = Vec::new();
    for _ in 0..100 {
        attack.push(deaf_client(&server, "attacked?last=16").await);
    }

    let (path, protocol) = ("/websocket/good?last=1", [("Sec-WebSocket-Protocol", "worldcast.v1")]);
    let welcome = welcome_at(&server, path, &protocol).await;
    let (epoch, offset) = (&welcome["epoch"], welcome["offset"].as_u64().expect("an offset"));
    let path = format!("/websocket/good?since={}-{}", epoch.as_str().expect("an epoch"), offset - 14);
    let welcome = welcome_at(&server, &path, &protocol).await;
    assert_eq!(
        welcome["recovered"], true,
        "{welcome}: 750 KB of history are more than a fair share of 16 MiB"
    );
    let held = server.metrics().await.value("outbox_bytes");
    assert!(held < 4 << 20, "100 clients wait for one history of 800 KB: {held}");
}

/// The first frame of a session at `path`.
async fn welcome_at(server: &Server, path: &str, headers: &[(&'static str, &str)]) -> Value {
    let connected = testing::Client::try_connect_with(server.listeners[0], path, headers).await;
    let (mut client, _) = connected.expect("a session");
    serde_json::from_str(&client.hears().await).expect("JSON")
}

fn status_of(response: &str) -> u16 {
    response[9..12].parse().expect("a status")
}
