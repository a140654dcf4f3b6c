//! A client that resumes receives the missed messages, each once, or learns that it cannot.

use crate::support::{Binary, Host, TestServer, V1, answer, upgrade};
use actix_web::rt::spawn;
use futures_util::future::join_all;
use serde_json::json;
use std::net::SocketAddr;
use worldcast::config::ByteSize;

#[actix_web::test]
async fn a_client_that_resumes_receives_exactly_the_missed_messages() {
    let server = TestServer::start().await;
    let mut bert = server.join("news").await;
    bert.publishes("1").await;
    bert.receives().await;
    let anna = V1::connect(server.address(), "/websocket/news").await;
    let wish = anna.since_welcome();
    anna.closes().await;
    for number in 2..=5 {
        bert.publishes(number.to_string()).await;
    }
    bert.receives_many(4).await;

    let mut anna = V1::connect(server.address(), &format!("/websocket/news?{wish}")).await;
    assert_eq!((&anna.welcome["recovered"], &anna.welcome["offset"]), (&json!(true), &json!(1)));
    bert.publishes("6").await;
    for number in 2..=6 {
        assert_eq!(anna.receives_message().await, (number, number.to_string()));
    }
}

#[actix_web::test]
async fn a_client_that_resumes_keeps_its_name() {
    let server = TestServer::start().await;
    let anna = V1::connect(server.address(), "/websocket/news").await;
    let (who, wish) = (anna.welcome["who"].clone(), anna.since_welcome());
    let anna = V1::connect(server.address(), &format!("/websocket/news?{wish}")).await;
    assert_eq!(anna.welcome["who"], who);

    let forged = wish.replace("session=", "session=0");
    let bert = V1::connect(server.address(), &format!("/websocket/news?{forged}")).await;
    assert_ne!(bert.welcome["who"], who);
}

#[actix_web::test]
async fn a_client_keeps_its_name_after_a_restart_where_the_secret_is_set() {
    let secret = [("WORLDCAST_SESSION__SECRET", "0123456789abcdef0123456789abcdef")];
    for (variables, is_same) in [(&secret[..], true), (&[], false)] {
        let before = Binary::start(variables);
        let anna = V1::connect(before.address(), "/websocket/news").await;
        let (who, wish) = (anna.welcome["who"].clone(), anna.since_welcome());
        drop(before);
        let after = Binary::start(variables);
        let anna = V1::connect(after.address(), &format!("/websocket/news?{wish}")).await;
        assert_eq!(anna.welcome["recovered"], false, "the history ended with the process");
        assert_eq!(anna.welcome["who"] == who, is_same, "{variables:?}");
    }
}

#[actix_web::test]
async fn without_echo_a_resume_leaves_out_the_own_messages() {
    let server = TestServer::start().await;
    let mut bert = server.join("news").await;
    let mut anna = V1::connect(server.address(), "/websocket/news?echo=false").await;
    let wish = anna.since_welcome();
    anna.publishes("from anna").await;
    assert_eq!(bert.receives().await, "from anna");
    bert.publishes("from bert").await;
    bert.receives().await;

    let mut again = V1::connect(server.address(), &format!("/websocket/news?echo=false&{wish}")).await;
    assert_eq!(again.welcome["recovered"], true);
    assert_eq!(again.receives_message().await, (2, "from bert".to_owned()));
    anna.publishes("the lost session still publishes").await;
    again.publishes("me too").await;
    bert.receives_many(2).await;
    bert.publishes("from bert").await;
    // 3 and 4 would have come first.
    assert_eq!(again.receives_message().await, (5, "from bert".to_owned()));
}

#[actix_web::test]
async fn a_client_that_cannot_recover_everything_receives_nothing_of_it_and_the_next_offset() {
    let server = TestServer::with(|settings| settings.history.messages = 3).await;
    let mut bert = server.join("news").await;
    let anna = V1::connect(server.address(), "/websocket/news").await;
    for number in 1..=4 {
        bert.publishes(number.to_string()).await;
    }
    bert.receives_many(4).await;

    let elsewhere = "since=0123456789abcdef-4".to_owned();
    for (wish, offset) in [(anna.since_welcome(), 4), (anna.since(99), 5), (elsewhere, 6)] {
        let mut late = V1::connect(server.address(), &format!("/websocket/news?{wish}")).await;
        assert_eq!((&late.welcome["recovered"], &late.welcome["offset"]), (&json!(false), &json!(offset)));
        bert.publishes("live").await;
        bert.receives().await;
        assert_eq!(late.receives_message().await, (offset + 1, "live".to_owned()));
    }
}

#[actix_web::test]
async fn a_client_that_is_cut_off_a_thousand_times_receives_every_message_once_and_in_order() {
    let server = TestServer::with(|settings| {
        settings.history.messages = 100_000; // however long anybody is away
        settings.history.bytes = ByteSize::from_mib(64);
    })
    .await;
    let mut publisher = server.join("news").await;
    let publishing = spawn(async move {
        for burst in 0.. {
            for number in 1..=10 {
                publisher.publishes((10 * burst + number).to_string()).await;
            }
            publisher.receives_many(10).await;
        }
    });
    let address = server.address();
    join_all((0..10).map(|subscriber| is_cut_off_a_hundred_times(address, subscriber))).await;
    publishing.abort();
}

/// Receives some messages, disconnects, and resumes; every message is the number after the one
/// before.
async fn is_cut_off_a_hundred_times(address: SocketAddr, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut subscriber = V1::connect(address, "/websocket/news").await;
    let mut last = subscriber.welcome["offset"].as_u64().unwrap();
    for _ in 0..100 {
        for _ in 0..random.u32(0..30) {
            let (offset, text) = subscriber.receives_message().await;
            assert_eq!((offset, text), (last + 1, (last + 1).to_string()), "seed {seed}");
            last = offset;
        }
        let wish = subscriber.since(last);
        drop(subscriber); // unread messages are lost with it
        subscriber = V1::connect(address, &format!("/websocket/news?{wish}")).await;
        assert_eq!(
            (&subscriber.welcome["recovered"], &subscriber.welcome["offset"]),
            (&json!(true), &json!(last))
        );
    }
}

#[actix_web::test]
async fn only_clients_that_receive_offsets_may_resume() {
    let request = upgrade("/websocket/news?since=0123456789abcdef-7");
    let (status, code, message) = answer(request).await.refusal();
    assert_eq!((status, code.as_str()), (400, "query"));
    assert!(message.contains("last"), "{message}");
}
