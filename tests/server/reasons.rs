//! Why a session ends: code and sentence in its close frame, the name in the metrics.

use crate::support::{Host, Raw, TestServer, frame, handshake, within};
use futures_util::future::select_all;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use worldcast::config::ByteSize;

const BRIEF: Duration = Duration::from_millis(100);

/// Reads up to the close frame, whose code and sentence it returns.
async fn close_frame(client: &mut Raw) -> (u16, String) {
    loop {
        let (first, payload) = client.reads_frame().await;
        if first == 0x88 {
            return code_and_sentence(&payload);
        }
    }
}

/// The payload of a close frame (RFC 6455 §5.5.1).
fn code_and_sentence(payload: &[u8]) -> (u16, String) {
    let (code, sentence) = payload.split_first_chunk().expect("a code");
    (u16::from_be_bytes(*code), String::from_utf8(sentence.to_vec()).expect("text"))
}

/// Waits until the metrics count a close with this code and this name.
async fn counts(server: &TestServer, code: u16, name: &str) {
    server.counts_at_least(&format!(r#"closes_total{{code="{code}",reason="{name}"}}"#), 1).await;
}

/// A client whose handshake in `room` went well; it has read nothing else.
async fn enters(server: &TestServer, path: &str) -> Raw {
    let mut client = Raw::connect(server.address()).await;
    client.sends(handshake(path, "")).await;
    client.is_admitted().await;
    client
}

#[actix_web::test]
async fn a_client_that_answers_no_ping_is_closed_as_silent() {
    let server = TestServer::with(|settings| {
        settings.session.ping_after = BRIEF;
        settings.session.pong_within = BRIEF;
    })
    .await;
    let mut anna = enters(&server, "/websocket/news").await;
    let sentence = "silent: no answer to a ping within session.pong_within";
    assert_eq!(close_frame(&mut anna).await, (1001, sentence.to_owned()));
    drop(anna);
    counts(&server, 1001, "silent").await;
}

#[actix_web::test]
async fn a_client_of_a_full_room_is_closed_as_room_full() {
    let server = TestServer::with(|settings| {
        let one = toml::from_str("match = \"small\"\nclients = 1").expect("an override");
        settings.rooms.overrides.push(one);
    })
    .await;
    let _anna = server.join("small").await;
    let mut bert = enters(&server, "/websocket/small").await;
    let sentence = "the room is full: no more clients may be in it";
    assert_eq!(close_frame(&mut bert).await, (1013, sentence.to_owned()));
    drop(bert);
    counts(&server, 1013, "room_full").await;
}

#[actix_web::test]
async fn a_client_whose_room_would_be_one_too_many_is_closed_as_too_many_rooms() {
    let server = TestServer::with(|settings| settings.limits.rooms = 1).await;
    let _anna = server.join("first").await;
    let mut bert = enters(&server, "/websocket/second").await;
    let (code, sentence) = close_frame(&mut bert).await;
    assert_eq!(code, 1013);
    assert!(sentence.contains("limits.rooms"), "{sentence}");
    drop(bert);
    counts(&server, 1013, "too_many_rooms").await;
}

/// Sends messages in a room of its own until the server ends the session, and returns all that it
/// received.
async fn floods(server: &TestServer, number: usize) -> Vec<u8> {
    let client = enters(server, &format!("/websocket/room-{number}?echo=false")).await;
    let (mut reader, mut writer) = client.into_buffered().into_inner().into_split();
    let messages = frame(0x82, &[0; 1000]).repeat(60);
    let mut received = Vec::new();
    let writes = async {
        while writer.write_all(&messages).await.is_ok() {}
        std::future::pending().await
    };
    tokio::select! {
        _ = reader.read_to_end(&mut received) => received,
        () = writes => unreachable!("it never ends"),
    }
}

#[actix_web::test]
async fn a_client_whose_message_waits_too_long_for_capacity_is_closed_as_overloaded() {
    let server = TestServer::with(|settings| {
        settings.session.max_message = ByteSize::from_kib(1);
        settings.limits.in_flight_bytes = ByteSize::from_kib(1); // one message at a time
        settings.session.stalled_write = Duration::from_millis(1);
    })
    .await;
    let floods = (0..40).map(|number| Box::pin(floods(&server, number)));
    let (received, ..) = within("an overloaded server", select_all(floods)).await;
    let close = received.iter().rposition(|byte| *byte == 0x88).expect("a close frame");
    let (code, sentence) = code_and_sentence(&received[close + 2..]);
    assert_eq!(code, 1013);
    assert!(sentence.starts_with("overloaded: "), "{sentence}");
    counts(&server, 1013, "overloaded").await;
    server.counts_at_least(r#"pauses_total{reason="server"}"#, 1).await;
}
