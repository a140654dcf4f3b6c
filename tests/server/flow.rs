//! Backpressure: publishers are not much faster than the members of their room.

use crate::support::{Client, Host, Raw, TestServer, frame, handshake};
use actix_web::rt::{
    spawn,
    task::JoinHandle,
    time::{interval, timeout},
};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use worldcast::config::{ByteSize, Settings};

/// More than an outbox holds.
const MESSAGES: usize = 5_000;

/// Many messages of 1,000 bytes that begin with their number, by a client without echo.
async fn floods(server: &TestServer) {
    let mut flooder = Raw::connect(server.address()).await;
    flooder.sends(handshake("/websocket/news?echo=false", "")).await;
    flooder.is_admitted().await;
    flooder.is_greeted().await;
    let frames: Vec<u8> = (0..MESSAGES).flat_map(|number| frame(0x81, message(number).as_bytes())).collect();
    spawn(async move {
        flooder.sends_in_its_own_time(&frames).await;
        flooder.reads_to_the_end().await
    });
}

fn message(number: usize) -> String {
    format!("{number:>1000}")
}

/// Clients for whom the kernel keeps little.
async fn small_buffers(server: &TestServer, count: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..count {
        let mut raw = Raw::connect_with_a_small_buffer(server.address()).await;
        raw.joins("news").await;
        clients.push(raw.becomes_a_client().await);
    }
    clients
}

#[actix_web::test]
async fn a_publisher_that_is_faster_than_its_room_waits_for_the_members() {
    let server = TestServer::with(|settings| settings.rooms.patience = Duration::from_secs(3600)).await;
    let mut subscribers = small_buffers(&server, 3).await;

    floods(&server).await;
    // No member has read anything yet.
    server.counts_at_least(r#"pauses_total{reason="room"}"#, 1).await;
    for number in 0..MESSAGES {
        for subscriber in &mut subscribers {
            assert_eq!(subscriber.receives().await, message(number));
        }
    }
}

#[actix_web::test]
async fn a_client_that_never_reads_is_not_waited_for_long() {
    let server = TestServer::with(|settings| {
        settings.rooms.patience = Duration::from_millis(10);
        settings.session.close_within = Duration::from_millis(10);
    })
    .await;
    let stalled = small_buffers(&server, 3).await;
    let mut subscriber = server.join("news").await;

    floods(&server).await;
    for number in 0..MESSAGES {
        assert_eq!(subscriber.receives().await, message(number));
    }
    server.counts_at_least(r#"closes_total{code="1013",reason="too_slow"}"#, 3).await;
    drop(stalled);
}

/// Outboxes of which an eighth is 16 KiB, and little that the kernel keeps.
fn small_outboxes(settings: &mut Settings) {
    settings.session.outbox_bytes = ByteSize::from_kib(128);
    settings.session.send_buffer = ByteSize::from_kib(16);
}

/// Messages of so many bytes without end, by a client without echo.
async fn chatters(server: &TestServer, length: usize) -> JoinHandle<()> {
    let mut chatterer = Raw::connect(server.address()).await;
    chatterer.sends(handshake("/websocket/news?echo=false", "")).await;
    chatterer.is_admitted().await;
    chatterer.is_greeted().await;
    let mut socket = chatterer.into_socket();
    let frames = frame(0x81, &vec![b'x'; length]).repeat(1000);
    spawn(async move { while socket.write_all(&frames).await.is_ok() {} })
}

/// Reads so many bytes a second for so long, or until the session ends; returns whether it ended.
async fn reads_slowly(socket: &mut TcpStream, bytes_per_second: usize, how_long: Duration) -> bool {
    let tick = Duration::from_millis(5);
    let mut ticks = interval(tick);
    let (mut buffer, mut due) = (vec![0; 1 << 20], 0);
    for _ in 0..how_long.div_duration_f64(tick) as usize {
        ticks.tick().await;
        due += (bytes_per_second as f64 * tick.as_secs_f64()) as usize;
        match timeout(tick, socket.read(&mut buffer[..due])).await {
            Ok(Ok(0) | Err(_)) => return true,
            Ok(Ok(read)) => due -= read,
            Err(_) => due = 0, // there was nothing to read
        }
    }
    false
}

#[actix_web::test]
async fn a_client_that_always_lags_a_little_is_not_waited_for_for_ever() {
    let server = TestServer::with(|settings| settings.session.send_buffer = ByteSize::from_kib(16)).await;
    let slow = Raw::connect_with_a_small_buffer(server.address()).await;
    let mut slow = joined(slow).await;
    // Large enough that a busy machine, too, publishes more bytes than the client reads.
    let chatterer = chatters(&server, 300).await;
    spawn(async move { reads_slowly(&mut slow, 150_000, Duration::from_secs(60)).await });
    server.counts_at_least(r#"closes_total{code="1013",reason="too_slow"}"#, 1).await;
    server.counts_at_least("patience_exhausted_total", 1).await;
    chatterer.abort();
}

#[actix_web::test]
async fn a_client_that_reads_at_the_promised_rate_is_never_closed() {
    let server = TestServer::with(small_outboxes).await;
    let slow = Raw::connect_with_a_small_buffer(server.address()).await;
    let mut slow = joined(slow).await;
    let chatterer = chatters(&server, 22).await;
    let promised = 10 * (16 << 10); // an eighth of an outbox in a tenth of a second
    let ended = reads_slowly(&mut slow, promised, Duration::from_secs(6)).await;
    server.counts_at_least(r#"pauses_total{reason="room"}"#, 1).await;
    assert!(!ended);
    chatterer.abort();
}

async fn joined(mut raw: Raw) -> TcpStream {
    raw.joins("news").await;
    raw.into_socket()
}
