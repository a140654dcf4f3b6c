//! A process that stood still has received no input: it pings before it closes.

use crate::{
    process::{Launch, Server, handshake},
    support::{Client, client_that_does_not_read, head, reaches, within},
};
use futures_util::future::join_all;
use rustix::process::Signal;
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    spawn,
    time::sleep,
};

const PING_AFTER: Duration = Duration::from_millis(1200);
const PONG_WITHIN: Duration = Duration::from_secs(2);

/// Longer than everything that a client has time for.
const STANDSTILL: Duration = Duration::from_secs(4);

const MESSAGES: usize = 30;

/// A configuration in which no publisher waits for lagging members.
fn start(drain: &str) -> Server {
    Launch::with(&[
        ("workers", "2"),
        ("session.ping_after", "1200ms"),
        ("session.pong_within", "2s"),
        ("session.stalled_write", "3s"),
        ("session.close_within", "2s"),
        ("session.handshake_within", "20s"),
        ("session.send_buffer", "16KiB"),
        ("rooms.patience", "0s"),
        ("shutdown.drain", drain),
        ("log.messages", "false"),
    ])
    .start()
}

async fn stands_still(server: &Server) {
    server.signal(Signal::STOP);
    sleep(STANDSTILL).await;
    server.signal(Signal::CONT);
}

/// A reader of the events of `room` that has been welcomed.
async fn subscribes(server: &Server, room: &str) -> TcpStream {
    let mut socket = TcpStream::connect(server.listeners[0]).await.expect("a connection");
    let request = format!("GET /rooms/{room}/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("a connection");
    assert_eq!(&head(&mut socket).await[9..12], "200");
    socket
}

/// Reads until `last` arrives; other tests check the other messages.
async fn receives(mut socket: TcpStream, last: &str) -> TcpStream {
    let received = async {
        let (mut received, mut some) = (Vec::new(), [0; 4096]);
        while !received.windows(last.len()).any(|part| part == last.as_bytes()) {
            let read = socket.read(&mut some).await.expect("a connection");
            assert!(read > 0, "the end instead of {last:?}");
            received.extend_from_slice(&some[..read]);
        }
    };
    within(format!("{last:?}"), received).await;
    socket
}

/// Receives all messages of the busy room.
async fn catches_up(mut socket: TcpStream) -> TcpStream {
    let mut all = vec![0; 7 + MESSAGES * 20_004]; // the greeting, and each text with its header
    within("a backlog", socket.read_exact(&mut all)).await.expect("a connection");
    socket
}

/// A client of the idle room that is there, and answers pings, until it receives something.
async fn stays(mut client: Client) -> Client {
    assert_eq!(client.receives().await, "still here");
    client
}

#[tokio::test]
async fn no_session_is_closed_for_a_time_in_which_the_process_stood_still() {
    let server = start("10s");
    let mut idle = Vec::new();
    for _ in 0..50 {
        idle.push(spawn(stays(Client::joins(&server, "/websocket/idle").await)));
    }
    let mut readers = Vec::new();
    for _ in 0..5 {
        readers.push(spawn(receives(subscribes(&server, "idle").await, "still here\n\n")));
    }
    let mut publisher = Client::joins(&server, "/websocket/busy?echo=false").await;
    let behind = join_all((0..5).map(|_| client_that_does_not_read(&server, "busy"))).await;
    for _ in 0..MESSAGES {
        publisher.publishes(&"x".repeat(20_000)).await;
    }
    reaches(&server, "messages_received_total", MESSAGES as u64).await;
    assert!(server.metrics().await.value("outbox_bytes") > 0, "they are behind");

    server.signal(Signal::STOP);
    let behind: Vec<_> = behind.into_iter().map(|reader| spawn(catches_up(reader))).collect();
    sleep(STANDSTILL).await;
    server.signal(Signal::CONT);

    let mut late = Client::joins(&server, "/websocket/idle?echo=false").await;
    late.publishes("still here").await;
    let idle = join_all(idle).await;
    let sockets = join_all(behind.into_iter().chain(readers)).await;
    assert!(idle.iter().all(Result::is_ok) && sockets.iter().all(Result::is_ok));
    let metrics = server.metrics().await;
    assert_eq!((metrics.value("standstills_total"), metrics.value("sessions")), (2, 62));
    assert_eq!(server.log.count("stood still"), 1, "{}", server.log.text());
}

#[tokio::test]
async fn a_silent_client_is_pinged_and_closed_after_a_standstill() {
    let server = start("10s");
    let mut mute = TcpStream::connect(server.listeners[0]).await.expect("a connection");
    mute.write_all(handshake("/", "").as_bytes()).await.expect("a connection");
    assert_eq!(&head(&mut mute).await[9..12], "101");
    stands_still(&server).await;

    let woken = Instant::now();
    let mut received = Vec::new();
    within("the end of a session", mute.read_to_end(&mut received)).await.expect("an orderly end");
    let (_greeting, rest) = received.split_at(7);
    assert_eq!(&rest[..2], [0x89, 0], "it is asked first: {rest:?}");
    assert_eq!((rest[2], &rest[4..6]), (0x88, &1001_u16.to_be_bytes()[..]), "{rest:?}");
    assert!(woken.elapsed() >= PONG_WITHIN, "from the question on: {:?}", woken.elapsed());
    assert!(woken.elapsed() < PING_AFTER + PONG_WITHIN + Duration::from_secs(3), "{:?}", woken.elapsed());
    reaches(&server, "closes_total{code=\"1001\",reason=\"silent\"}", 1).await;
}

#[tokio::test]
async fn a_drain_keeps_its_length_when_the_process_stands_still() {
    let mut server = start("3s");
    let clients = join_all((0..40).map(|_| Client::joins(&server, "/"))).await;
    let ends = clients.into_iter().map(|client| {
        spawn(async move {
            assert_eq!(client.ends_with().await, Some(1012));
            Instant::now()
        })
    });
    let ends: Vec<_> = ends.collect();
    server.terminate();
    begins_to_drain(&server).await;
    stands_still(&server).await;

    let woken = Instant::now();
    let moments: Vec<_> = join_all(ends).await.into_iter().map(|moment| moment.expect("1012")).collect();
    let late = moments.iter().filter(|moment| **moment > woken + Duration::from_secs(1)).count();
    assert!(late > 0, "nobody is hurried"); // at random, it is none once in 10^7 times
    assert_eq!(server.exit(Duration::from_secs(10)).await.expect("it ends").code(), Some(0));
}

/// Waits until the server has taken the signal to stop.
async fn begins_to_drain(server: &Server) {
    within("the signal to be taken", async {
        while server.log.count("closing all sessions") == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_that_arrives_in_a_standstill_is_answered_and_an_incomplete_one_gets_more_time() {
    let server = Launch::with(&[("workers", "1"), ("session.handshake_within", "2s")]).start();
    let request = handshake("/", "");
    let (begun, rest) = request.split_at(30);
    let connect = async || TcpStream::connect(server.listeners[0]).await.expect("a connection");
    let (mut whole, mut partly) = (connect().await, connect().await);
    partly.write_all(begun.as_bytes()).await.expect("a connection");
    Client::joins(&server, "/").await; // by now those before are accepted
    server.signal(Signal::STOP);
    whole.write_all(request.as_bytes()).await.expect("the kernel takes it");
    sleep(STANDSTILL).await;
    server.signal(Signal::CONT);
    assert_eq!(&within("an answer", head(&mut whole)).await[9..12], "101");
    partly.write_all(rest.as_bytes()).await.expect("the server still waits");
    assert_eq!(&within("an answer", head(&mut partly)).await[9..12], "101");
}
