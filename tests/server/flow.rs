//! How fast anybody may speak: not much faster than others hear.

use crate::support::{Client, Host, Raw, TestServer, frame, handshake};
use actix_web::rt::spawn;
use std::time::Duration;

/// More than an outbox holds.
const MESSAGES: usize = 5_000;

/// Many messages of 1,000 bytes that begin with their number, by somebody who does not hear itself.
async fn floods(server: &TestServer) {
    let mut flooder = Raw::connect(server.address()).await;
    flooder.sends(handshake("/websocket/news?echo=false")).await;
    flooder.is_let_in().await;
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
        let mut raw = Raw::connect(server.address()).await;
        raw.has_a_small_buffer();
        raw.joins("news").await;
        clients.push(raw.becomes_a_client().await);
    }
    clients
}

#[actix_web::test]
async fn who_speaks_faster_than_others_hear_waits_for_them() {
    let server = TestServer::with(|settings| settings.rooms.patience = Duration::from_secs(3600)).await;
    let mut hearers = small_buffers(&server, 3).await;

    floods(&server).await;
    server.comes_to_count(r#"pauses_total{reason="room"}"#, 1).await; // nobody has read anything yet
    for number in 0..MESSAGES {
        for hearer in &mut hearers {
            assert_eq!(hearer.hears().await, message(number));
        }
    }
}

#[actix_web::test]
async fn who_never_hears_is_not_waited_for_long() {
    let server = TestServer::with(|settings| {
        settings.rooms.patience = Duration::from_millis(10);
        settings.session.close_within = Duration::from_millis(10);
    })
    .await;
    let deaf = small_buffers(&server, 3).await;
    let mut hearer = server.join("news").await;

    floods(&server).await;
    for number in 0..MESSAGES {
        assert_eq!(hearer.hears().await, message(number));
    }
    server.comes_to_count(r#"closes_total{code="1013",reason="too_slow"}"#, 3).await;
    drop(deaf);
}
