//! A client that never reads costs at most the configured bounds, and not for long.

use crate::{
    process::{Launch, Server},
    support::{Client, client_that_does_not_read, eventually, is_cut_off, reaches},
};
use std::time::{Duration, Instant};

const STALLED_WRITE: Duration = Duration::from_secs(1);
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// Tolerance of a deadline: the interval of the sweep, and a busy machine.
const LATE: Duration = Duration::from_millis(1500);

/// Pings are sent long before the deadlines, no client has to answer them, and no publisher waits
/// for lagging members.
fn start(limits: &[(&str, &str)]) -> Server {
    let deadlines = [
        ("session.stalled_write", "1s"),
        ("session.close_within", "1s"),
        ("session.ping_after", "200ms"),
        ("session.pong_within", "1m"),
        ("session.send_buffer", "16KiB"),
        ("rooms.patience", "0s"),
        ("log.messages", "false"),
    ];
    Launch::with(&[limits, &deadlines].concat()).start()
}

/// Publishes so many messages of 20 KB, without echo.
async fn publish(server: &Server, room: &str, messages: usize) -> Client {
    let mut publisher = Client::joins(server, &format!("/websocket/{room}?echo=false")).await;
    for _ in 0..messages {
        publisher.publishes(&"x".repeat(20_000)).await;
    }
    publisher
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_aborted_within_stalled_write_and_its_memory_is_freed() {
    let server = start(&[("session.outbox_bytes", "1MiB")]);
    server.warms_up().await;
    let before = server.descriptors().len();
    let stalled = client_that_does_not_read(&server, "news").await;
    // More than the kernel takes, less than the outbox holds.
    let publisher = publish(&server, "news", 30).await;

    let begun = Instant::now();
    is_cut_off(&stalled).await;
    assert!(begun.elapsed() < STALLED_WRITE + LATE, "{:?}", begun.elapsed());
    reaches(&server, "closes_total{code=\"1006\",reason=\"write_stalled\"}", 1).await;
    reaches(&server, "outbox_bytes", 0).await;
    reaches(&server, "sessions", 1).await;
    drop(publisher);
    reaches(&server, "sessions", 0).await;
    eventually("its descriptor to be closed", || server.descriptors().len() <= before).await;
}

#[tokio::test]
async fn a_client_whose_outbox_is_full_holds_nothing_from_then_on() {
    let server = start(&[("session.outbox_bytes", "256KiB")]);
    let stalled = client_that_does_not_read(&server, "news").await;
    let mut publisher = publish(&server, "news", 60).await;

    let full = Instant::now();
    reaches(&server, "messages_received_total", 60).await;
    let held = server.metrics().await.value("outbox_bytes");
    assert!(held <= 64 << 10, "no more than the turn that was being written: {held} bytes");
    is_cut_off(&stalled).await;
    assert!(full.elapsed() < CLOSE_WITHIN + LATE, "{:?}", full.elapsed());
    reaches(&server, "closes_total{code=\"1013\",reason=\"too_slow\"}", 1).await;
    publisher.publishes("still here").await;
    reaches(&server, "messages_received_total", 61).await;
}

#[tokio::test]
async fn all_outboxes_together_stay_within_their_bound_and_delay_no_reading_client() {
    const TOTAL: u64 = 4 << 20;
    const BEGUN: u64 = 64 << 10; // held by each for the turn that is being written
    let server = start(&[("session.outbox_bytes", "1MiB"), ("limits.outbox_bytes_total", "4MiB")]);
    let mut stalled = Vec::new();
    for _ in 0..20 {
        stalled.push(client_that_does_not_read(&server, "news").await);
    }
    let mut reader = Client::joins(&server, "/websocket/news").await;
    let mut publisher = Client::joins(&server, "/websocket/news?echo=false").await;

    let mut held_at_most = 0;
    for number in 0..45 {
        let text = format!("{number} {}", "x".repeat(20_000));
        publisher.publishes(&text).await;
        assert_eq!(reader.receives().await, text);
        let held = server.metrics().await.value("outbox_bytes");
        assert!(held <= TOTAL + 20 * BEGUN, "{held} bytes after {number} messages");
        held_at_most = held_at_most.max(held);
    }
    for stalled in &stalled {
        is_cut_off(stalled).await;
    }
    let too_slow = "closes_total{code=\"1013\",reason=\"too_slow\"}";
    assert!(server.metrics().await.value(too_slow) > 0, "whoever held more than its share");
    assert!(held_at_most > TOTAL / 2, "the bound was reached: {held_at_most}");
}

#[tokio::test]
async fn the_memory_of_clients_that_do_not_read_is_used_again() {
    let server = start(&[("session.outbox_bytes", "1MiB")]);
    let mut memory = Vec::new();
    for round in 0..4 {
        let room = format!("round-{round}");
        let mut stalled = Vec::new();
        for _ in 0..20 {
            stalled.push(client_that_does_not_read(&server, &room).await);
        }
        let publisher = publish(&server, &room, 30).await;
        for stalled in &stalled {
            is_cut_off(stalled).await;
        }
        drop(publisher);
        reaches(&server, "sessions", 0).await;
        reaches(&server, "outbox_bytes", 0).await;
        memory.push(server.memory());
    }
    assert!(memory[3] < memory[0] + (4 << 20), "after each round: {memory:?}");
}
