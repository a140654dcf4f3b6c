//! The figures that a message adds to the metrics.

use crate::{
    process::Launch,
    support::{Client, reaches, within},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[tokio::test]
async fn a_message_is_timed_once_for_each_batch_and_counted_in_its_turn() {
    let server = Launch::with(&[("workers", "1")]).start();
    let mut anna = Client::joins(&server, "/websocket/news").await;
    let _bert = Client::joins(&server, "/websocket/news").await;
    let before = server.metrics().await;
    let (deliveries, turns) = (before.value("delivery_seconds_count"), before.value("turn_messages_count"));
    let messages = before.value("turn_messages_sum");
    for number in 0..3_u64 {
        anna.receives_its_echo(&number.to_string()).await; // each ends its turn before the next
        reaches(&server, "delivery_seconds_count", deliveries + number + 1).await;
    }
    let after = server.metrics().await;
    assert_eq!(after.value("turn_messages_count"), turns + 3);
    assert_eq!(after.value("turn_messages_sum"), messages + 3);
}

#[tokio::test]
async fn an_idempotency_key_takes_no_more_memory_than_operators_read() {
    const KEYS: usize = 16_500; // just more than tables of a power of two hold
    const EACH: usize = 480; // docs/operations.md, "Memory"
    let server = Launch::with(&[
        ("workers", "1"),
        ("publish.idempotency_keys", "16500"),
        ("publish.idempotency_window", "100ms"),
        ("history.messages", "0"),
        ("log.messages", "false"),
    ])
    .start();
    server.warms_up().await;
    let before = server.memory();
    let mut socket = TcpStream::connect(server.listeners[0]).await.expect("a connection");
    let (room, key) = ("r".repeat(128), "k".repeat(118));
    for first in (0..KEYS).step_by(100) {
        for number in first..first + 100 {
            let head = format!("POST /rooms/{room}/messages HTTP/1.1\r\nHost: localhost\r\n");
            let request = format!("{head}Idempotency-Key: {number:010}{key}\r\nContent-Length: 1\r\n\r\nx");
            socket.write_all(request.as_bytes()).await.expect("a connection");
        }
        let (mut answers, mut some) = (0, [0; 16 << 10]);
        while answers < 100 {
            let read = within("an answer", socket.read(&mut some)).await.expect("a connection");
            answers += some[..read].iter().filter(|byte| **byte == b'{').count();
            assert!(read > 0, "an answer instead of the end");
        }
    }
    reaches(&server, "idempotency_keys", KEYS as u64).await;
    let grown = server.memory().saturating_sub(before);
    println!("{} bytes a key", grown / KEYS);
    assert!(grown <= KEYS * EACH / 8 * 9 + (1 << 20), "{} bytes a key", grown / KEYS);
}
