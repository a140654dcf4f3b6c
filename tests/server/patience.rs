//! Deadlines and bounds for slow and silent clients.

use crate::support::{End, Host, Raw, TestServer, frame, handshake, text};
use actix_web::rt::spawn;
use futures_util::future::join_all;
use std::time::Duration;
use tokio::{
    io::{AsyncWriteExt, copy, sink},
    net::TcpStream,
};
use worldcast::config::{ByteSize, Settings};

const BRIEF: Duration = Duration::from_millis(100);

#[actix_web::test]
async fn a_silent_client_is_pinged_and_then_closed() {
    let server = TestServer::with(|settings| {
        settings.session.ping_after = BRIEF;
        settings.session.pong_within = BRIEF;
    })
    .await;
    let mut anna = server.connect_raw("news").await;

    anna.is_pinged().await;
    let close_frame = anna.reads_to_the_end().await;
    assert_eq!((close_frame[0], &close_frame[2..4]), (0x88, &1001_u16.to_be_bytes()[..]));
    drop(anna);
    server.has_clients("news", 0).await;
}

#[actix_web::test]
async fn a_client_that_answers_every_ping_stays() {
    let server = TestServer::with(|settings| settings.session.ping_after = BRIEF / 10).await;
    let mut anna = server.connect_raw("news").await;

    for _ in 0..20 {
        anna.is_pinged().await;
        anna.sends(frame(0x8a, b"")).await; // only who is received is pinged again
    }
}

#[actix_web::test]
async fn any_byte_counts_as_life() {
    let server = TestServer::with(|settings| settings.session.ping_after = BRIEF / 10).await;
    let mut anna = server.connect_raw("news").await;

    for byte in text("slowly") {
        anna.is_pinged().await;
        anna.sends([byte]).await; // only who is received is pinged again
    }
}

#[actix_web::test]
async fn a_client_that_never_reads_ends_as_too_slow_while_others_receive_everything() {
    let server = TestServer::start().await;
    let mut publisher = server.join("news").await;
    let mut bert = server.join("news").await;
    let mut stalled = Raw::connect_with_a_small_buffer(server.address()).await;
    stalled.joins("news").await;

    for number in 0..100 {
        let message = format!("{number} {}", "x".repeat(60_000));
        publisher.publishes(message.clone()).await;
        assert!(bert.receives().await == message, "message {number}");
        assert!(publisher.receives().await == message, "message {number}");
    }
    let mut stalled = stalled.becomes_a_client().await;
    assert_eq!(stalled.ended_with().await, End::Code(1013), "with the code that means: come back");
    drop(stalled);
    server.has_clients("news", 2).await;
}

#[actix_web::test]
async fn messages_are_bounded_as_well_as_bytes() {
    let server = TestServer::with(|settings| {
        settings.session.outbox_messages = 16;
        // A message that the last client receives was offered to the stalled one before.
        settings.workers = 1;
    })
    .await;
    let mut stalled = Raw::connect_with_a_small_buffer(server.address()).await;
    stalled.joins("news").await;
    let mut publisher = server.join("news").await;

    for _ in 0..100 {
        publisher.publishes("x".repeat(10_000)).await; // all together less than outbox_bytes
        publisher.receives().await;
    }
    assert_eq!(stalled.becomes_a_client().await.ended_with().await, End::Code(1013));
}

#[actix_web::test]
async fn a_client_that_never_reads_again_is_aborted() {
    let server = TestServer::with(|settings| {
        settings.session.stalled_write = BRIEF;
        settings.session.close_within = BRIEF;
    })
    .await;
    let mut publisher = server.join("news").await;
    let mut stalled = Raw::connect_with_a_small_buffer(server.address()).await;
    stalled.joins("news").await;

    for _ in 0..10 {
        publisher.publishes("x".repeat(60_000)).await; // too little to be too slow
        publisher.receives().await;
    }
    server.has_clients("news", 1).await;
    assert!(stalled.tries_to_read_to_the_end().await.is_err(), "a reset, for nothing of it would arrive");
}

#[actix_web::test]
async fn a_full_server_makes_publishers_wait_and_loses_nothing() {
    let server = TestServer::with(barely_room_for_a_message).await;
    let mut subscriber = server.join("news").await;
    let mut publishers = server.join_many("news", 20).await;

    let publishing = publishers.iter_mut().enumerate().map(async |(name, publisher)| {
        for number in 0..50 {
            publisher.publishes(format!("{name:02} {number:02} {}", "x".repeat(900))).await;
        }
        publisher.receives_many(1000).await
    });
    let received = join_all(publishing).await;

    let order = subscriber.receives_many(1000).await;
    assert!(received.iter().all(|received| *received == order));
    for name in 0..20 {
        let own = order.iter().filter_map(|message| message.strip_prefix(&format!("{name:02} ")));
        let numbers: Vec<_> = own.map(|message| message[..2].parse::<u32>().unwrap()).collect();
        assert!(numbers.into_iter().eq(0..50), "publisher {name}");
    }
}

fn barely_room_for_a_message(settings: &mut Settings) {
    settings.session.max_message = ByteSize::from_kib(1);
    settings.limits.in_flight_bytes = ByteSize::from_kib(1);
}

#[actix_web::test]
async fn a_full_server_serves_every_publisher_in_turn() {
    let server = TestServer::with(barely_room_for_a_message).await;
    let mut anna = server.join("news").await;
    let mut floods = Vec::new();
    for room in 0..10 {
        let flood = server.join_raw(&format!("elsewhere-{room}")).await.into_socket();
        floods.push(spawn(pours(flood, frame(0x82, &[0; 900]).repeat(60))));
    }

    for number in 0..50 {
        anna.publishes(number.to_string()).await;
        assert_eq!(anna.receives().await, number.to_string());
    }
    floods.iter().for_each(|flood| flood.abort());
}

#[actix_web::test]
async fn a_closed_client_prevents_no_other_from_publishing() {
    let for_ever = Duration::from_secs(3600);
    let server = TestServer::with(|settings| {
        barely_room_for_a_message(settings);
        settings.session.outbox_bytes = ByteSize::from_kib(4);
        settings.session.stalled_write = for_ever;
        settings.session.close_within = for_ever;
        settings.rooms.patience = Duration::ZERO;
    })
    .await;
    let mut stalled = Raw::connect_with_a_small_buffer(server.address()).await;
    stalled.joins("news").await;

    let flood = frame(0x82, &[0; 900]).repeat(30_000); // more than any kernel keeps
    stalled.sends(&flood).await; // a session that ends reads on, and discards all of it
    let mut anna = server.join("news").await;
    anna.publishes("still here").await;
    assert_eq!(anna.receives().await, "still here");
}

/// Publishes the same message for ever, and discards all input.
async fn pours(socket: TcpStream, frames: Vec<u8>) {
    let (mut reader, mut writer) = socket.into_split();
    let publishing = async { while writer.write_all(&frames).await.is_ok() {} };
    let mut nowhere = sink();
    let _ = tokio::join!(publishing, copy(&mut reader, &mut nowhere));
}

#[actix_web::test]
async fn a_head_that_never_ends_is_refused_in_time() {
    let server = TestServer::with(|settings| settings.session.handshake_within = BRIEF).await;
    for begun in ["", "G", "GET / HTTP/1.1\r\nHost: loc", handshake("/", "").trim_end()] {
        let mut slow = Raw::connect(server.address()).await;
        slow.sends(begun).await;
        let answer = slow.reads_to_the_end().await;
        assert!(answer.starts_with(b"HTTP/1.1 408 "), "{begun:?}: {}", String::from_utf8_lossy(&answer));
    }
}
