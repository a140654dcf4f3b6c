//! Stopping the server: no accepted message is lost, and every session is closed with the code for
//! reconnecting.

use crate::support::{Client, End, Host, Raw, TestServer, within};
use actix_web::rt::spawn;
use futures_util::future::join_all;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

const RESTART: End = End::Code(1012);

#[actix_web::test]
async fn every_session_is_closed_with_the_code_for_reconnecting() {
    let server = TestServer::start().await;
    let clients = server.join_many("news", 20).await;
    let stop = server.stop.clone();

    let stopped = spawn(async move { stop.gracefully().await });

    for mut client in clients {
        assert_eq!(client.ended_with().await, RESTART);
    }
    within("the stop", stopped).await.unwrap();
    server.ends().await;
}

#[actix_web::test]
async fn earlier_messages_are_delivered_to_every_client() {
    let server = TestServer::start().await;
    let subscribers = server.join_many("news", 10).await;
    let mut publishers = server.join_many("news", 5).await;
    let stop = server.stop.clone();

    join_all(publishers.iter_mut().map(async |publisher| {
        for number in 0..100 {
            publisher.publishes(number.to_string()).await;
        }
        publisher.waits_until_all_is_accepted().await;
    }))
    .await;
    let stopped = spawn(async move { stop.gracefully().await });

    for mut subscriber in subscribers {
        subscriber.receives_many(500).await;
        assert_eq!(subscriber.ended_with().await, RESTART);
    }
    drop(publishers);
    within("the stop", stopped).await.unwrap();
}

#[actix_web::test]
async fn while_clients_leave_one_by_one_the_remaining_ones_receive_everything() {
    let server = TestServer::with(|settings| settings.shutdown.drain = Duration::from_millis(500)).await;
    let subscribers = server.join_many("news", 30).await;
    let publishers = server.join_many("news", 5).await;

    let publishing = spawn(join_all(publishers.into_iter().zip(0..).map(publishes_until_the_end)));
    let listen = subscribers.into_iter().map(async |mut client| client.receives_until_the_end().await);
    let listen = spawn(join_all(listen));
    server.stop.gracefully().await;

    let mut received = within("all to leave", listen).await.unwrap();
    within("the publishers to leave", publishing).await.unwrap();
    received.sort_by_key(|(messages, _)| messages.len());
    for pair in received.windows(2) {
        assert!(pair[1].0.starts_with(&pair[0].0), "who stayed longer received the same, and more");
        assert_eq!(pair[0].1, RESTART);
    }
}

/// Publishes one message after the other, each after it has received the one before.
async fn publishes_until_the_end((mut publisher, name): (Client, u32)) {
    for number in 0.. {
        publisher.publishes(format!("{name} {number}")).await;
        if !publisher.receives_message().await.is_text() {
            return;
        }
    }
}

#[actix_web::test]
async fn sessions_are_closed_spread_over_the_drain() {
    let drain = Duration::from_secs(2);
    let server = TestServer::with(|settings| settings.shutdown.drain = drain).await;
    let clients = server.join_many("news", 30).await;
    let stop = server.stop.clone();
    let stopped = spawn(async move { stop.gracefully().await });

    let leave = clients.into_iter().map(async |mut client| {
        assert_eq!(client.ended_with().await, RESTART);
        Instant::now()
    });
    let moments = join_all(leave).await;

    let spread = *moments.iter().max().unwrap() - *moments.iter().min().unwrap();
    assert!(spread > drain / 4, "{spread:?}"); // at random, it is that small once in 10^16 times
    within("the stop", stopped).await.unwrap();
}

#[actix_web::test]
async fn no_new_session_begins() {
    let server = TestServer::with(|settings| settings.shutdown.drain = Duration::from_secs(3600)).await;
    let mut anna = server.join("news").await;
    let stop = server.stop.clone();
    spawn(async move { stop.gracefully().await });

    let refused = async { while TcpStream::connect(server.address()).await.is_ok() {} };
    within("connections to be refused", refused).await;

    anna.publishes("still here").await; // for an hour, at random
    assert_eq!(anna.receives().await, "still here");
}

#[actix_web::test]
async fn a_client_that_does_not_answer_delays_the_end_no_longer_than_close_within() {
    let close_within = Duration::from_millis(1100);
    let server = TestServer::with(|settings| settings.session.close_within = close_within).await;
    let _mute = server.join_raw("news").await;

    let began = Instant::now();
    server.stop.gracefully().await;
    assert!(began.elapsed() < close_within + Duration::from_millis(800), "{:?}", began.elapsed());
}

#[actix_web::test]
async fn a_handshake_that_never_ends_does_not_delay_the_end() {
    let close_within = Duration::from_millis(100);
    let server = TestServer::with(|settings| settings.session.close_within = close_within).await;
    let mut slow = Raw::connect(server.address()).await;
    slow.sends("GET / HTTP/1.1\r\n").await;
    server.get("/rooms/news").await; // by now the slow one is accepted

    let began = Instant::now();
    server.stop.gracefully().await;
    assert!(began.elapsed() < close_within + Duration::from_millis(800), "{:?}", began.elapsed());
}
