//! Messages are delivered while other clients send requests without end.

use crate::{
    process::{Launch, Server, handshake},
    support::{Client, get, get_with, head, post, within},
};
use futures_util::future::join_all;
use serde_json::Value;
use std::{
    future::Future,
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};
use testing::End;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// The longest that an echo may take; on a machine that does much else, four times the longest
/// beside a harmless flood. What it waited for before went on for as long as somebody asked, each
/// time.
const PATIENCE: Duration = Duration::from_secs(1);

const KEY: &str = "a-key-that-nobody-guesses";

/// Starts the program for tests with many messages.
fn start() -> Server {
    let settings = [("workers", "2"), ("log.messages", "false"), ("publish.keys", KEY)];
    Launch::with(&settings).start()
}

/// Publishes over HTTP.
async fn posts(server: SocketAddr, path: String, body: String) {
    let answer = post(server, &path, &body).await;
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
}

/// Checks that echoes are not delayed by `others`. Where they take long, they are compared with
/// echoes beside `harmless` clients, that do the same without what is costly: a machine may be
/// slow, and may be slow for a while.
async fn echoes_are_not_delayed<F, G>(
    server: &Server,
    at_a_time: usize,
    others: impl Fn() -> F,
    harmless: impl Fn() -> G,
) where
    F: Future<Output = ()> + Send + 'static,
    G: Future<Output = ()> + Send + 'static,
{
    let mut longest = Vec::new();
    for _ in 0..3 {
        let echo = longest_echo(server, at_a_time, &others).await;
        if echo < PATIENCE {
            return;
        }
        let usual = longest_echo(server, at_a_time, &harmless).await;
        if echo < 4 * usual {
            return;
        }
        longest.push((echo, usual));
    }
    panic!("the longest echoes, and the longest beside harmless clients: {longest:?}");
}

/// The longest of many echoes of a client in a room of its own, while `others` do what they do, as
/// many at a time.
async fn longest_echo<F: Future<Output = ()> + Send + 'static>(
    server: &Server,
    at_a_time: usize,
    others: impl Fn() -> F,
) -> Duration {
    let mut anna = Client::joins(server, "/websocket/quiet").await;
    let mut flood = JoinSet::new();
    (0..at_a_time).for_each(|_| drop(flood.spawn(others())));
    for _ in 0..2 * at_a_time {
        within("the others", flood.join_next()).await; // they have begun
        flood.spawn(others());
    }
    let (begin, mut longest) = (Instant::now(), Duration::ZERO);
    while begin.elapsed() < 3 * PATIENCE {
        let sent = Instant::now();
        let echo = anna.receives_its_echo("still there?");
        tokio::pin!(echo);
        loop {
            tokio::select! {
                () = &mut echo => break,
                _ = flood.join_next() => drop(flood.spawn(others())),
            }
        }
        longest = longest.max(sent.elapsed());
    }
    longest
}

#[tokio::test]
async fn a_client_that_lists_many_rooms_without_end_delays_no_delivery() {
    const ROOMS: usize = 5_000;
    let server = start();
    let address = server.listeners[0];
    let mut rooms = JoinSet::new();
    for number in 0..ROOMS {
        let path = format!("/rooms/{}{number:08}/batch", "a".repeat(100));
        rooms.spawn(posts(address, path, r#"{"messages":[{"text":"x"}]}"#.to_owned()));
        while rooms.len() > 50 {
            rooms.join_next().await.expect("one of them").expect("a room");
        }
    }
    rooms.join_all().await;

    let headers = format!("Host: localhost\r\nAuthorization: Bearer {KEY}");
    let lists = || {
        let headers = headers.clone();
        async move { drop(get_with(address, "/rooms?limit=10", &headers).await) }
    };
    let harmless = || async move { drop(get(address, "/rooms/nowhere").await) };
    echoes_are_not_delayed(&server, 32, lists, harmless).await;
}

#[tokio::test]
async fn a_client_that_requests_a_long_history_again_and_again_delays_no_other() {
    for (path, headers) in [
        ("/websocket/busy?last=256", ""),
        ("/websocket/busy?last=256", "Sec-WebSocket-Protocol: worldcast.v1\r\n"),
        ("/rooms/busy/events?last=256", ""),
    ] {
        let server = start();
        let address = server.listeners[0];
        let text = "\\u0001".repeat(500); // JSON makes six bytes of each
        for _ in 0..64 {
            let four = vec![format!(r#"{{"text":"{text}"}}"#); 4].join(",");
            posts(address, "/rooms/busy/batch".to_owned(), format!(r#"{{"messages":[{four}]}}"#)).await;
        }
        let comes = |path: String| async move {
            let mut socket = TcpStream::connect(address).await.expect("a connection");
            let request = match path.starts_with("/rooms") {
                true => format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
                false => handshake(&path, headers),
            };
            socket.write_all(request.as_bytes()).await.expect("a connection");
            head(&mut socket).await;
            let mut some = [0; 4096];
            let _ = within("history", socket.read(&mut some)).await;
        };
        let one_message = || comes(path.replace("256", "1"));
        echoes_are_not_delayed(&server, 128, || comes(path.to_owned()), one_message).await;
    }
}

/// The connections that have sent much while the process stood still.
const CROWD: usize = 60;

/// The processor time of an echo alone, with the coarse clock of the system.
const ECHO: Duration = Duration::from_millis(50);

/// The processor time until the echo of a quiet client, when each of a crowd has sent `opening` and
/// then `unit` so many times; and the time that one unit takes.
async fn echo_beside_a_crowd(opening: &str, unit: &str, times: usize) -> (Duration, Duration) {
    let server = Launch::with(&[("workers", "1"), ("log.messages", "false")]).start();
    let mut anna = Client::joins(&server, "/websocket/quiet").await;
    anna.receives_its_echo("warm").await;
    let units = unit.repeat(times);

    let before = server.processor_time();
    for _ in 0..5 {
        let mut socket = TcpStream::connect(server.listeners[0]).await.expect("a connection");
        socket.write_all(format!("{opening}{units}").as_bytes()).await.expect("a connection");
        let last = "GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let end = if opening.is_empty() { last } else { "0\r\n\r\n" };
        socket.write_all(end.as_bytes()).await.expect("a connection");
        socket.shutdown().await.expect("a connection");
        let _ = within("all answers", socket.read_to_end(&mut Vec::new())).await;
    }
    let each = (server.processor_time() - before) / 5 / u32::try_from(times).expect("few");

    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        crowd.push(TcpStream::connect(server.listeners[0]).await.expect("a connection"));
    }
    anna.receives_its_echo("all are accepted").await;
    server.stands_still();
    for socket in &mut crowd {
        let sent = format!("{opening}{units}");
        within("the kernel to take it", socket.write_all(sent.as_bytes())).await.expect("a connection");
    }
    anna.publishes("still there?").await;
    let before = server.processor_time();
    server.continues();
    assert_eq!(anna.receives().await, "still there?");
    (server.processor_time() - before, each)
}

#[tokio::test]
async fn a_client_that_sends_many_requests_at_once_is_served_in_turn_with_others() {
    let request = "GET /nope HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let (echo, each) = echo_beside_a_crowd("", request, 450).await;
    let most = ECHO + each * 15 * CROWD as u32; // the echo takes several rounds of the event loop
    assert!(echo <= most, "{echo:?} of {most:?}, at {each:?} a request");
}

#[tokio::test]
async fn a_client_that_sends_a_body_in_the_smallest_chunks_is_served_in_turn_with_others() {
    let head = "POST /rooms/a/messages HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (echo, each) = echo_beside_a_crowd(head, "1\r\nx\r\n", 5000).await;
    let most = ECHO + each * 200 * CROWD as u32;
    assert!(echo <= most, "{echo:?} of {most:?}, at {each:?} a chunk");
}

/// One MiB of history in `room`, of which JSON makes six bytes each and the event stream up to
/// seven.
async fn fill_with_newlines(server: SocketAddr, room: &str) {
    let text = "\\n".repeat(3800);
    let batch = vec![format!(r#"{{"text":"{text}"}}"#); 16].join(",");
    for _ in 0..16 {
        posts(server, format!("/rooms/{room}/batch"), format!(r#"{{"messages":[{batch}]}}"#)).await;
    }
}

/// Receives the whole history of `room` as events, and at least 5 MiB.
async fn receives_history_as_events(server: SocketAddr, room: &str) {
    let mut socket = TcpStream::connect(server).await.expect("a connection");
    let request = format!("GET /rooms/{room}/events?last=256 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("a connection");
    let (mut received, mut buffer) = (0, vec![0; 1 << 16]);
    while received < 5 << 20 {
        received += within("history", socket.read(&mut buffer)).await.expect("a connection");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_newcomers_with_long_histories_delay_no_other_room() {
    const ROOMS: [&str; 3] = ["one", "two", "three"]; // more than the cache holds, each of them
    const NEWCOMERS: usize = 60;
    let settings = [("workers", "1"), ("log.messages", "false"), ("publish.keys", KEY)];
    let server = Launch::with(&settings).start();
    let address = server.listeners[0];
    join_all(ROOMS.map(|room| fill_with_newlines(address, room))).await;
    let begin = Instant::now();
    receives_history_as_events(address, ROOMS[0]).await;
    let alone = begin.elapsed();

    let mut anna = Client::joins(&server, "/websocket/quiet").await;
    let mut newcomers = JoinSet::new();
    for number in 0..NEWCOMERS {
        newcomers.spawn(receives_history_as_events(address, ROOMS[number % ROOMS.len()]));
    }
    let mut longest = Duration::ZERO;
    while !newcomers.is_empty() {
        let sent = Instant::now();
        anna.receives_its_echo("still there?").await;
        longest = longest.max(sent.elapsed());
        while newcomers.try_join_next().is_some() {}
    }
    println!("an echo took {longest:?} at most, one history alone {alone:?}");
    assert!(longest < 3 * alone.max(Duration::from_millis(150)), "{longest:?}, one history alone {alone:?}");
}

#[tokio::test]
async fn a_newcomer_that_waits_for_its_history_receives_every_message_once_and_in_order() {
    const NEWCOMERS: usize = 30;
    let server = start();
    let address = server.listeners[0];
    fill_with_newlines(address, "busy").await;
    let mut publisher = Client::joins(&server, "/websocket/busy?echo=false").await;
    let welcomed = AtomicUsize::new(0);
    let newcomers = (0..NEWCOMERS).map(|_| async {
        let protocol = [("Sec-WebSocket-Protocol", "worldcast.v1")];
        let path = "/websocket/busy?last=256";
        let (mut client, _) =
            testing::Client::try_connect_with(address, path, &protocol).await.expect("a session");
        let welcome: Value = serde_json::from_str(&client.receives().await).expect("JSON");
        welcomed.fetch_add(1, Relaxed);
        let mut offset = welcome["offset"].as_u64().expect("an offset");
        loop {
            let message: Value = serde_json::from_str(&client.receives().await).expect("JSON");
            offset += 1;
            assert_eq!(message["offset"], offset, "{}", message["type"]);
            if message["text"] == "the end" {
                return;
            }
        }
    });
    let newcomers = join_all(newcomers);
    let publishes = async {
        while welcomed.load(Relaxed) < NEWCOMERS {
            publisher.publishes("still more").await;
            tokio::task::yield_now().await;
        }
        publisher.publishes("the end").await;
    };
    tokio::join!(newcomers, publishes);
}

#[tokio::test]
async fn newcomers_that_wait_when_the_server_stops_receive_their_history_and_then_the_close_frame() {
    const NEWCOMERS: usize = 20;
    let settings =
        [("workers", "1"), ("log.messages", "false"), ("publish.keys", KEY), ("shutdown.drain", "0s")];
    let mut server = Launch::with(&settings).start();
    let address = server.listeners[0];
    fill_with_newlines(address, "busy").await;
    let connects = (0..NEWCOMERS).map(|_| async {
        let protocol = [("Sec-WebSocket-Protocol", "worldcast.v1")];
        let path = "/websocket/busy?last=256";
        testing::Client::try_connect_with(address, path, &protocol).await.expect("a session").0
    });
    let newcomers = join_all(connects).await;
    server.terminate();
    let ends =
        newcomers.into_iter().map(|mut newcomer| async move { newcomer.receives_until_the_end().await });
    for (received, end) in join_all(ends).await {
        assert_eq!(end, End::Code(1012));
        assert!(received.len() == 257 || received.is_empty(), "{} frames of 257", received.len());
    }
    assert!(server.exit(Duration::from_secs(20)).await.is_some_and(|status| status.success()));
}
