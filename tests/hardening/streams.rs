//! An event stream is bounded like a WebSocket, whatever its client sends after the request.

use crate::{
    process::{Launch, Server},
    support::{connect_from, get, head, post, reaches, within},
};
use std::{fs::File, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::interval,
};

const MIB: usize = 1 << 20;

/// Sessions, sockets and the buffers of the threads.
const FLAT: usize = 8 * MIB;

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// A listener that has received the head of its stream, with a small buffer for the rest.
async fn event_stream(server: &Server, path: &str) -> TcpStream {
    let mut socket = connect_from(server.listeners[0], 1).await;
    socket.write_all(request(path).as_bytes()).await.expect("a connection");
    assert_eq!(&head(&mut socket).await[9..12], "200");
    socket
}

/// Fills the history of `room` with lines that are empty: as an event, each of their bytes becomes
/// seven.
async fn remembers_lines(server: &Server, room: &str) {
    for _ in 0..15 {
        let answer =
            post(server.listeners[0], &format!("/rooms/{room}/messages"), &"\n".repeat(65_536)).await;
        assert_eq!(&answer[9..12], "201", "{answer}");
    }
}

fn start(settings: &[(&str, &str)]) -> Server {
    let usual = [("log.messages", "false"), ("workers", "2"), ("session.send_buffer", "16KiB")];
    Launch::with(&[&usual[..], settings].concat()).start()
}

#[tokio::test]
async fn event_streams_that_are_not_read_hold_no_more_than_the_bound_of_all_outboxes() {
    const TOTAL: usize = 16 * MIB;
    const ROOMS: usize = 8; // 7 MB each, of which each thread caches one
    const CACHES: usize = 2 * 7 * MIB;
    let server = start(&[("limits.outbox_bytes_total", "16MiB"), ("session.stalled_write", "5s")]);
    server.warms_up().await;
    for room in 0..ROOMS {
        remembers_lines(&server, &format!("news{room}")).await;
    }
    let before = server.memory();
    let mut stalled = Vec::new();
    for number in 0..60 {
        stalled.push(event_stream(&server, &format!("/rooms/news{}/events?last=256", number % ROOMS)).await);
    }
    let counted = within("histories in outboxes", async {
        loop {
            match server.metrics().await.value("outbox_bytes") as usize {
                counted if counted > 6 * MIB => return counted,
                _ => tokio::task::yield_now().await,
            }
        }
    });
    let counted = counted.await;
    let grown = server.memory().saturating_sub(before);
    assert!(counted <= 2 * TOTAL + CACHES, "{counted} bytes are counted");
    // 420 MB came to be sent.
    assert!(grown <= 4 * TOTAL, "{grown} bytes are held, {counted} counted");

    reaches(&server, "outbox_bytes", 0).await; // they are cut off
    drop(stalled);
    reaches(&server, "sessions", 0).await;
}

#[tokio::test]
async fn a_slow_reader_of_an_event_stream_is_not_stalled() {
    let server = start(&[("session.stalled_write", "3s"), ("history.messages", "15")]);
    remembers_lines(&server, "news").await;
    // With a window as clients have.
    let mut slow = TcpStream::connect(server.listeners[0]).await.expect("a connection");
    slow.write_all(request("/rooms/news/events?last=256").as_bytes()).await.expect("a connection");
    head(&mut slow).await;
    post(server.listeners[0], "/rooms/news/messages", "behind all that").await;
    let mut beat = interval(Duration::from_millis(400));
    let mut bytes = vec![0; 256 << 10];
    let mut read = 0;
    while read < 6 * MIB {
        beat.tick().await; // three times as long, in all, as may pass without progress
        let some = within("the next bytes", slow.read_exact(&mut bytes)).await;
        read += some.unwrap_or_else(|error| panic!("{error} after {read} bytes\n{}", server.log.text()));
    }
    assert_eq!(server.metrics().await.value("closes_total{code=\"1006\",reason=\"write_stalled\"}"), 0);
}

#[tokio::test]
async fn a_response_that_is_read_too_slowly_is_cut() {
    let page = tempfile::tempdir().expect("a directory");
    File::create(page.path().join("large")).and_then(|file| file.set_len(64 << 20)).expect("a file");
    let directory = page.path().to_str().expect("text");
    let slow = [("session.stalled_write", "1s"), ("session.min_response_rate", "1MiB")];
    let server = start(&[&slow[..], &[("page.directory", directory)]].concat());
    let mut socket = event_stream(&server, "/large").await;
    let mut beat = interval(Duration::from_millis(50)); // it never stalls
    let mut bytes = [0; 1 << 10];
    let cut = async {
        while socket.read_exact(&mut bytes).await.is_ok() {
            beat.tick().await;
        }
    };
    within("the connection to be cut", cut).await;
    reaches(&server, "responses_cut_total", 1).await;
}

#[tokio::test]
async fn requests_behind_an_event_stream_cost_nothing() {
    let server = start(&[]);
    server.warms_up().await;
    let before = server.memory();
    let behind = "GET / HTTP/1.0\r\n\r\n".repeat(7_200);
    let mut listeners = Vec::new();
    for number in 0..20 {
        let mut socket = event_stream(&server, "/rooms/news/events").await;
        within("the server to read on", socket.write_all(behind.as_bytes())).await.expect("a connection");
        let mut socket = TcpStream::connect(server.listeners[0]).await.expect("a connection");
        let at_once = request(&format!("/rooms/{number}/events")) + &behind;
        within("the server to read on", socket.write_all(at_once.as_bytes())).await.expect("a connection");
        listeners.push(socket);
    }
    let grown = server.memory().saturating_sub(before);
    assert!(grown < FLAT, "{grown} bytes");
    for mut socket in listeners {
        let answer = within("an answer", head(&mut socket)).await;
        assert!(answer.to_lowercase().contains("\r\ncontent-type: text/event-stream\r\n"), "{answer}");
    }
    reaches(&server, "sessions", 0).await;
}

#[tokio::test]
async fn bytes_behind_an_event_stream_do_not_occupy_the_processor() {
    let server = start(&[]);
    let behind = [request("/").repeat(17), "x".repeat(200_000)].concat();
    let mut listeners = Vec::new();
    for _ in 0..20 {
        let mut socket = event_stream(&server, "/rooms/news/events").await;
        within("the server to read on", socket.write_all(behind.as_bytes())).await.expect("a connection");
        listeners.push(socket);
    }
    for _ in 0..2 {
        let before = server.processor_time();
        let mut second = interval(Duration::from_secs(1));
        second.tick().await;
        second.tick().await;
        let used = server.processor_time() - before;
        assert!(used < Duration::from_millis(300), "{used:?} in a second in which nothing happens");
        listeners.clear(); // nor when they have left
    }
    reaches(&server, "sessions", 0).await;
    assert!(get(server.listeners[0], "/rooms/news").await.starts_with("HTTP/1.1 200 "));
}
