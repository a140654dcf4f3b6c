//! Common bounds have a share for each address, and announced bytes take nothing of it.

use crate::{
    process::{Launch, Server, handshake},
    support::{client_that_does_not_read, comes_to_at_least, connect_from, get, head, post, reaches, within},
};
use futures_util::future::join_all;
use serde_json::Value;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::interval,
};

const KEY: &str = "a-key-that-nobody-guesses";

/// The server waits longer for a body, and for a share of the bounds, than these tests wait for any
/// answer. So an answer that comes was not delayed, however slow the machine is.
const WAITS: [(&str, &str); 2] = [("session.handshake_within", "1m"), ("session.stalled_write", "1m")];

/// Starts the program with these settings, and with [`WAITS`].
fn start_patient(settings: &[(&str, &str)]) -> Server {
    Launch::with(&[&WAITS, settings].concat()).start()
}

/// Begins to post a batch, in chunks, and sends no more than `bytes` of it.
async fn begins_a_batch(server: &Server, last: u8, bytes: usize) -> TcpStream {
    let mut socket = connect_from(server.listeners[0], last).await;
    let head = "POST /rooms/attacked/batch HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    let begun = format!("{head}{bytes:x}\r\n{}\r\n", " ".repeat(bytes));
    within("the server to take some bytes", socket.write_all(begun.as_bytes())).await.expect("a connection");
    socket
}

/// The status of the answer to a request.
async fn requests(server: &Server, last: u8, request: String) -> u16 {
    let mut socket = connect_from(server.listeners[0], last).await;
    socket.write_all(request.as_bytes()).await.expect("a connection");
    let mut answer = Vec::new();
    within("an answer", socket.read_to_end(&mut answer)).await.expect("an orderly end");
    String::from_utf8_lossy(&answer[9..12]).parse().expect("a status")
}

async fn posts(server: &Server, last: u8, bytes: usize, headers: &str) -> u16 {
    posts_to(server, last, "news", bytes, headers).await
}

/// The status of the answer to a message of `bytes` in `room`.
async fn posts_in(server: &Server, last: u8, room: &str, bytes: usize) -> u16 {
    posts_to(server, last, room, bytes, "").await
}

async fn posts_to(server: &Server, last: u8, room: &str, bytes: usize, headers: &str) -> u16 {
    let request = format!(
        "POST /rooms/{room}/messages HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\
         Content-Length: {bytes}\r\n\r\n{}",
        "x".repeat(bytes)
    );
    requests(server, last, request).await
}

#[tokio::test]
async fn bodies_that_never_arrive_delay_no_other_client() {
    let server = start_patient(&[]);
    let mut attack = Vec::new();
    for _ in 0..40 {
        attack.push(begins_a_batch(&server, 1, 1).await);
    }
    for (last, bytes) in [(1, 5), (2, 60_000)] {
        assert_eq!(posts(&server, last, bytes, "").await, 201);
    }
}

#[tokio::test]
async fn bodies_that_stand_still_hold_no_more_than_the_share_of_their_address() {
    let server = start_patient(&[]);
    let mut attack = Vec::new();
    for _ in 0..6 {
        attack.push(begins_a_batch(&server, 1, 900_000).await);
    }
    assert_eq!(posts(&server, 2, 60_000, "").await, 201);
    let held = server.metrics().await.value("body_bytes");
    assert!((900_000..=4 << 20).contains(&held), "a quarter of 16 MiB at most: {held}");
    drop(attack);
    reaches(&server, "body_bytes", 0).await;
}

#[tokio::test]
async fn a_client_with_a_key_publishes_while_others_hold_their_whole_share() {
    let server = start_patient(&[("limits.body_bytes", "1MiB"), ("publish.keys", KEY)]);
    let mut attack = Vec::new();
    for last in 1..=60 {
        attack.push(begins_a_batch(&server, last, 60_000).await);
    }
    assert_eq!(posts(&server, 1, 60_000, &format!("Authorization: Bearer {KEY}\r\n")).await, 201);
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
        assert_eq!(requests(server, 1, request).await, 201);
    }
}

const HISTORY: &str = "GET /rooms/news/messages HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Asks for the history and reads nothing but the head of the answer, which it returns.
async fn reads_nothing(server: &Server, last: u8) -> (TcpStream, String) {
    let mut socket = connect_from(server.listeners[0], last).await;
    socket.write_all(HISTORY.as_bytes()).await.expect("a connection");
    let head = head(&mut socket).await;
    (socket, head)
}

#[tokio::test]
async fn a_slow_reader_of_a_history_costs_one_piece_and_delays_no_other_reader() {
    let server = Launch::with(&[("session.send_buffer", "16KiB")]).start();
    remembers_much(&server).await;
    assert_eq!(requests(&server, 1, HISTORY.to_owned()).await, 200);
    let before = server.memory();
    let mut slow = Vec::new();
    for _ in 0..8 {
        let (socket, head) = reads_nothing(&server, 1).await;
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("chunked"), "{head}");
        slow.push(socket);
    }
    for last in [1, 2].repeat(10) {
        assert_eq!(requests(&server, last, HISTORY.to_owned()).await, 200);
    }
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes for 8 answers of 6 MiB");
    drop(slow);
    reaches(&server, "answer_bytes", 0).await;
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
        assert_eq!(requests(&server, last, HISTORY.to_owned()).await, 200);
    }
    assert!(get(server.listeners[0], "/rooms/other/messages").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn slow_readers_at_many_addresses_keep_no_new_address_from_history() {
    let server = Launch::with(&[("limits.answer_bytes", "16MiB"), ("session.send_buffer", "16KiB")]).start();
    remembers_much(&server).await;
    let slow = join_all((2..32).map(|last| reads_nothing(&server, last))).await;
    let admitted = slow.iter().filter(|(_, head)| head.starts_with("HTTP/1.1 200 ")).count();
    assert!(admitted >= 11, "as many as fit: {admitted}");
    for last in 40..44 {
        assert_eq!(requests(&server, last, HISTORY.to_owned()).await, 200);
    }
    comes_to_at_least(&server, "answers_revoked_total", 4).await;
}

async fn orders(server: &Server, last: u8, room: &str, key: &str) -> u16 {
    let request = format!(
        "POST /rooms/{room}/messages HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Idempotency-Key: {key}\r\nContent-Length: 5\r\n\r\norder"
    );
    requests(server, last, request).await
}

/// The number of messages that were published in `room`.
async fn offset(server: &Server, room: &str) -> u64 {
    let answer = get(server.listeners[0], &format!("/rooms/{room}")).await;
    let (_, rest) = answer.split_once("\"offset\":").expect("a room that exists");
    rest.split(|c: char| !c.is_ascii_digit()).next().expect("a number").parse().expect("a number")
}

#[tokio::test]
async fn a_request_is_not_published_twice_however_many_keys_another_client_uses() {
    let server = Launch::with(&[("publish.idempotency_keys", "100")]).start();
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
async fn a_client_that_fills_rooms_makes_no_other_room_forget() {
    let server = Launch::with(&[("limits.history_bytes_total", "2MiB")]).start();
    assert_eq!(orders(&server, 1, "quiet", "order").await, 201);
    for number in 0..80 {
        assert_eq!(posts_in(&server, 2, &format!("room-{}", number % 5), 60_000).await, 201);
    }
    let quiet = get(server.listeners[0], "/rooms/quiet").await;
    assert!(quiet.ends_with("\"remembered\":1}"), "{quiet}");
    assert!(server.metrics().await.value("history_bytes") <= 2 << 20);
}

#[tokio::test]
async fn a_client_that_opens_rooms_without_end_ends_no_room_of_another() {
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
        attack.push(client_that_does_not_read(&server, "attacked?last=16").await);
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
    serde_json::from_str(&client.receives().await).expect("JSON")
}

fn status_of(response: &str) -> u16 {
    response[9..12].parse().expect("a status")
}

/// Joins a room over WebSocket; `None` if the session is closed because there are too many rooms.
async fn joins(server: &Server, last: u8, room: &str) -> Option<TcpStream> {
    let mut socket = connect_from(server.listeners[0], last).await;
    socket.write_all(handshake(&format!("/websocket/{room}"), "").as_bytes()).await.expect("a connection");
    assert_eq!(&head(&mut socket).await[9..12], "101");
    let mut frame = [0; 4];
    within("a frame", socket.read_exact(&mut frame)).await.expect("a frame");
    match frame {
        [0x81, 5, b'w', b'o'] => Some(socket),
        [0x88, _, 0x03, 0xf5] => None,
        _ => panic!("{frame:?}"),
    }
}

#[tokio::test]
async fn a_client_that_occupies_rooms_without_end_ends_no_room_of_another_and_leaves_some_for_others() {
    let server = Launch::with(&[("limits.rooms", "20")]).start();
    for room in ["quiet", "quieter"] {
        assert_eq!(orders(&server, 1, room, "order").await, 201);
    }
    let mut occupied = Vec::new();
    for number in 0..25 {
        occupied.extend(joins(&server, 2, &format!("room-{number}")).await);
    }
    assert!((10..=18).contains(&occupied.len()), "{}", occupied.len());
    assert!(joins(&server, 3, "new").await.is_some());
    assert_eq!(orders(&server, 4, "newer", "order").await, 201);
    for room in ["quiet", "quieter", "newer"] {
        assert_eq!(offset(&server, room).await, 1, "{room}");
    }
    assert!(joins(&server, 2, "quiet").await.is_some(), "a room that exists takes everybody");
    assert!(server.metrics().await.value("rooms") <= 20);
}

#[tokio::test]
async fn a_client_that_fills_many_small_rooms_makes_no_larger_room_of_another_forget() {
    let server = Launch::with(&[("limits.history_bytes_total", "2MiB"), ("log.messages", "false")]).start();
    for number in 0..200 {
        assert_eq!(posts_in(&server, 1, "quiet", 1000).await, 201, "{number}");
    }
    for number in 0..60 {
        assert_eq!(posts_in(&server, 2, &format!("room-{number}"), 60_000).await, 201);
    }
    let quiet = get(server.listeners[0], "/rooms/quiet").await;
    assert!(quiet.ends_with("\"remembered\":200}"), "{quiet}");
    assert!(server.metrics().await.value("history_bytes") <= 2 << 20);
}

/// Reads 12 KB each tenth of a second, without end.
async fn reads_slowly(mut socket: TcpStream) {
    let (mut some, mut ticks) = (vec![0; 12 << 10], interval(Duration::from_millis(100)));
    loop {
        ticks.tick().await;
        within("some bytes", socket.read_exact(&mut some)).await.expect("a connection");
    }
}

#[tokio::test]
async fn a_publisher_with_many_connections_delays_another_by_few_messages() {
    const CONNECTIONS: usize = 60;
    let server = Launch::with(&[
        ("session.max_message", "16KiB"),
        ("session.outbox_bytes", "128KiB"), // an eighth, a message, for each rooms.patience
        ("session.send_buffer", "16KiB"),
        ("session.stalled_write", "15s"),
        ("log.messages", "false"),
    ])
    .start();
    let slow = reads_slowly(joins(&server, 2, "lobby").await.expect("a room"));
    let floods = async |_| loop {
        posts_in(&server, 2, "lobby", 15_000).await;
    };
    let asked = async {
        comes_to_at_least(&server, "body_bytes", CONNECTIONS as u64 * 15_000 * 3 / 4).await;
        let before = offset(&server, "lobby").await;
        assert_eq!(posts_in(&server, 3, "lobby", 1).await, 201);
        offset(&server, "lobby").await - before
    };
    let passed = tokio::select! {
        passed = asked => passed,
        _ = join_all((0..CONNECTIONS).map(floods)) => unreachable!("a flood has no end"),
        () = slow => unreachable!("a slow reader reads without end"),
    };
    assert!(passed <= CONNECTIONS as u64 / 3, "{passed} messages came first");
}
