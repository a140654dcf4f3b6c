//! The history of a room, for clients that join later.

use crate::support::{Client, Host, TestServer, answer, upgrade};
use actix_web::rt::spawn;
use futures_util::future::join_all;
use std::time::Duration;
use worldcast::config::ByteSize;

#[actix_web::test]
async fn the_last_messages_are_delivered_first_where_requested() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    for number in 1..=5 {
        anna.publishes(number.to_string()).await;
    }
    anna.receives_many(5).await;

    let mut bert = server.connect("/websocket/news?last=3").await;
    assert_eq!(bert.receives_many(4).await, ["world", "3", "4", "5"]);
    anna.publishes("6").await;
    assert_eq!(bert.receives().await, "6");
}

#[actix_web::test]
async fn the_history_keeps_binary_messages_as_binary() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    anna.publishes_binary(&[0, 255][..]).await;
    anna.receives_binary().await;

    let mut bert = server.connect("/websocket/news?last=1").await;
    assert_eq!(bert.receives().await, "world");
    assert_eq!(bert.receives_binary().await, [0, 255][..]);
}

#[actix_web::test]
async fn a_room_keeps_its_history_after_all_clients_have_left() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    anna.publishes("hello").await;
    anna.receives().await;
    anna.closes(1000).await;
    server.has_clients("news", 0).await;

    let mut bert = server.connect("/websocket/news?last=10").await;
    assert_eq!(bert.receives_many(2).await, ["world", "hello"]);
}

#[actix_web::test]
async fn messages_that_are_too_old_are_not_delivered() {
    let server = TestServer::with(|settings| settings.history.age = Duration::from_millis(20)).await;
    let mut anna = server.join("news").await;
    anna.publishes("old").await;
    anna.receives().await;

    loop {
        let mut bert = server.connect("/websocket/news?last=10").await;
        assert_eq!(bert.receives().await, "world");
        anna.publishes("new").await;
        anna.receives().await;
        if bert.receives().await == "new" {
            break; // until then it receives what was old first
        }
    }
}

#[actix_web::test]
async fn a_server_without_history_delivers_no_earlier_messages() {
    let server = TestServer::with(|settings| settings.history.messages = 0).await;
    let mut anna = server.join("news").await;
    anna.publishes("old").await;
    anna.receives().await;

    let mut bert = server.connect("/websocket/news?last=10").await;
    assert_eq!(bert.receives().await, "world");
    anna.publishes("new").await;
    assert_eq!(bert.receives().await, "new");
}

#[actix_web::test]
async fn between_missed_and_live_messages_there_is_no_gap() {
    let server = TestServer::start().await;
    let mut publisher = server.join("news").await;
    publisher.publishes("0").await;
    publisher.receives().await;
    let publishing = spawn(async move {
        for burst in 0.. {
            for number in 1..=20 {
                publisher.publishes((20 * burst + number).to_string()).await;
            }
            publisher.receives_many(20).await;
        }
    });

    for _ in 0..20 {
        let path = "/websocket/news?last=100";
        let mut newcomers = join_all((0..5).map(|_| server.connect(path))).await;
        join_all(newcomers.iter_mut().map(receives_without_a_gap)).await;
    }
    publishing.abort();
}

/// The greeting, and then two hundred numbers, each the one after the one before.
async fn receives_without_a_gap(newcomer: &mut Client) {
    assert_eq!(newcomer.receives().await, "world");
    let mut number = async || newcomer.receives().await.parse::<u32>().unwrap();
    let first = number().await;
    for expected in first + 1..first + 200 {
        assert_eq!(number().await, expected);
    }
}

#[actix_web::test]
async fn a_history_closes_no_client_as_too_slow() {
    let server = TestServer::with(|settings| {
        settings.session.outbox_messages = 4;
        settings.session.outbox_bytes = ByteSize::from_kib(65);
        settings.history.bytes = ByteSize::from_mib(8);
        settings.history.messages = 500;
    })
    .await;
    let mut anna = server.join("news").await;
    for _ in 0..100 {
        anna.publishes("x".repeat(60_000)).await; // all together more than the kernel takes at once
        anna.receives().await;
    }

    let mut bert = server.connect("/websocket/news?last=100").await;
    assert_eq!(bert.receives().await, "world");
    anna.publishes("live").await;
    assert_eq!(bert.receives_many(101).await.pop().unwrap(), "live");
}

#[actix_web::test]
async fn a_query_that_is_no_number_is_refused() {
    for wish in ["last=", "last=-1", "last=many"] {
        let answer = answer(upgrade(&format!("/websocket/news?{wish}"))).await;
        let (status, code, _) = answer.refusal();
        assert_eq!((status, code.as_str()), (400, "query"), "{wish}");
    }
}
