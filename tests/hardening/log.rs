//! A log without a reader stops no client, and no client floods the log.

use crate::{
    process::{Launch, handshake},
    support::{Client, comes_to_at_least, connect_from, eventually, head, reaches, within},
};
use rustix::process::Signal;
use std::time::Instant;
use tokio::{io::AsyncWriteExt, net::TcpStream};

#[tokio::test]
async fn a_stalled_reader_of_the_log_stops_no_client() {
    let server = Launch::with(&[("log.lines_per_second", "0")]).log_unread().start();
    let mut client = Client::joins(&server, "/").await;
    let mut neighbour = Client::joins(&server, "/").await;
    for number in 0..8000 {
        client.receives_its_echo(&number.to_string()).await; // far more lines than a pipe holds
        assert_eq!(neighbour.receives().await, number.to_string());
    }
    reaches(&server, "messages_received_total", 8000).await;
    assert!(server.metrics().await.value("log_lines_dropped_total") > 0, "what nobody read is counted");
}

/// The number behind `[2026-01-31T12:00:00Z WARN  worldcast] `, with which every line begins.
fn number_of_a_warning(line: &str) -> u64 {
    let (head, number) = line.split_once("] ").expect("a time and a level");
    assert!(head.starts_with("[20") && head.ends_with("Z WARN  worldcast"), "{head}");
    number.parse().expect("a number")
}

#[tokio::test]
async fn a_client_that_floods_the_log_hides_no_line_of_another() {
    let server = Launch::with(&[("log.lines_per_second", "200"), ("workers", "2")]).start();
    let mut flooder = Client::joins(&server, "/?echo=false").await;
    let flood = tokio::spawn(async move {
        loop {
            flooder.publishes("hello").await;
        }
    });
    comes_to_at_least(&server, "log_lines_suppressed_total", 1000).await;
    for last in 2..12 {
        let mut socket = connect_from(server.listeners[0], last).await;
        socket.write_all(handshake("/websocket/other", "").as_bytes()).await.expect("a connection");
        assert_eq!(&head(&mut socket).await[9..12], "101");
        let client = format!(" from 127.0.0.{last}:");
        eventually("the line of a client", || server.log.count(&client) > 0).await;
    }
    flood.abort();
}

#[tokio::test]
async fn clients_cause_no_more_lines_than_the_log_is_to_have() {
    const PER_SECOND: u64 = 20;
    const MESSAGES: u64 = 20_000;
    let server = Launch::with(&[("log.lines_per_second", PER_SECOND)]).start();
    let began = Instant::now();
    let mut publisher = Client::joins(&server, "/?echo=false").await;
    for _ in 0..MESSAGES {
        publisher.publishes("hello").await;
    }
    reaches(&server, "messages_received_total", MESSAGES).await;
    server.signal(Signal::HUP);
    eventually("a line about the server itself", || server.log.count("SIGHUP") == 1).await;
    for _ in 0..30 {
        Client::joins(&server, "/").await; // joins and leaves
    }
    reaches(&server, "sessions", 1).await;
    for _ in 0..30 {
        let mut socket = TcpStream::connect(server.listeners[0]).await.expect("a connection");
        socket.write_all(handshake("/nowhere", "").as_bytes()).await.expect("a connection");
        assert_eq!(&head(&mut socket).await[9..12], "404");
    }

    let all = MESSAGES + 31 + 30 + 30;
    let written = || {
        let kinds = [
            "server: received: hello",
            "server: receive connection.",
            " ended after ",
            "refused GET /nowhere: there is nothing at this address",
        ];
        kinds.into_iter().map(|kind| server.log.count(kind) as u64).sum::<u64>()
    };
    let counted = async || server.metrics().await.value("log_lines_suppressed_total");
    let complete = async { while written() + counted().await < all {} };
    within("every line to be written or counted", complete).await;
    assert!(
        written() <= PER_SECOND * (began.elapsed().as_secs() + 2),
        "{} in {:?}",
        written(),
        began.elapsed()
    );
    let reported = || {
        let numbers = server.log.text();
        let numbers = numbers.lines().filter_map(|line| {
            line.strip_suffix(" log lines about clients were left out here (log.lines_per_second)")
        });
        numbers.map(number_of_a_warning).sum::<u64>()
    };
    eventually("the log to say how many are not there", || reported() + written() >= all).await;
    assert_eq!(reported(), counted().await);
}
