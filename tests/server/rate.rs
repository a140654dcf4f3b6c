//! A client that is faster than it may be is read more slowly, and loses nothing.

use crate::support::{Host, Raw, TestServer, frame, handshake, text};
use std::time::{Duration, Instant};
use worldcast::config::ByteSize;

const BURST: Duration = Duration::from_millis(100);

/// Returns the time until all of 15 messages of 1,000 bytes are echoed, in their order.
async fn time_for_fifteen_messages(server: &TestServer) -> Duration {
    let mut anna = server.join("news").await;
    let began = Instant::now();
    for number in 0..15 {
        anna.publishes(format!("{number:01000}")).await;
    }
    for number in 0..15 {
        assert_eq!(anna.receives().await, format!("{number:01000}"));
    }
    began.elapsed()
}

#[actix_web::test]
async fn no_more_than_messages_per_second_are_read() {
    let server = TestServer::with(|settings| {
        settings.session.messages_per_second = 20;
        settings.session.burst = BURST; // two messages
    })
    .await;
    // The last 12 take 50 ms each.
    assert!(time_for_fifteen_messages(&server).await >= Duration::from_millis(600));
}

#[actix_web::test]
async fn no_more_than_bytes_per_second_are_read() {
    let server = TestServer::with(|settings| {
        settings.session.bytes_per_second = ByteSize::from_bytes(20_000);
        settings.session.burst = BURST; // two messages
    })
    .await;
    assert!(time_for_fifteen_messages(&server).await >= Duration::from_millis(600));
}

#[actix_web::test]
async fn pings_are_paid_for_like_messages() {
    let server = TestServer::with(|settings| {
        settings.session.messages_per_second = 20;
        settings.session.burst = BURST; // two messages
    })
    .await;
    let mut anna = server.join_raw("news").await;
    let began = Instant::now();
    anna.sends([frame(0x89, b"").repeat(14), text("last")].concat()).await;
    anna.receives(&"8a 00 ".repeat(14)).await;
    anna.receives_text("last").await;
    assert!(began.elapsed() >= Duration::from_millis(600), "{:?}", began.elapsed());
}

#[actix_web::test]
async fn a_client_that_is_slowed_down_is_not_silent() {
    let server = TestServer::with(|settings| {
        settings.session.messages_per_second = 2;
        settings.session.burst = Duration::ZERO;
        settings.session.ping_after = BURST;
        settings.session.pong_within = BURST;
    })
    .await;
    let mut anna = Raw::connect(server.address()).await;

    let all_at_once = [handshake("/websocket/news", "").into_bytes(), text("once"), text("again")].concat();
    anna.sends(all_at_once).await; // the server reads these half a second apart
    anna.is_admitted().await;
    anna.is_greeted().await;
    anna.receives_text("once").await;
    anna.receives_text("again").await;
}
