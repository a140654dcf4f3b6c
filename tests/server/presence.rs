//! Joins, leaves and members, as rooms with presence receive them.

use crate::support::{Host, Raw, TestServer, V1, handshake};
use actix_web::rt::{
    spawn,
    time::{interval, timeout},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use tokio::io::AsyncReadExt;
use worldcast::config::{ByteSize, Settings};

/// Only a question ends the gathering.
fn gathers_for_ever(settings: &mut Settings) {
    settings.rooms.presence = true;
    settings.rooms.gather_presence = Duration::from_secs(3600);
}

async fn requests_presence(client: &mut V1) {
    client.sends(json!({"type": "presence"})).await;
}

fn ids(who: &Value) -> BTreeSet<String> {
    who.as_array().expect("a list").iter().map(|who| who.as_str().expect("text").to_owned()).collect()
}

#[actix_web::test]
async fn a_join_and_leave_at_once_are_not_sent() {
    let server = TestServer::with(gathers_for_ever).await;
    let mut anna = V1::connect(server.address(), "/websocket/news").await;
    V1::connect(server.address(), "/websocket/news").await.closes().await;
    server.has_clients("news", 1).await;
    let bert = V1::connect(server.address(), "/websocket/news").await;

    requests_presence(&mut anna).await;
    assert_eq!(anna.receives().await, json!({"type": "join", "who": bert.welcome["who"]}));
    let who = json!([anna.welcome["who"], bert.welcome["who"]]);
    assert_eq!(anna.receives().await, json!({"type": "presence", "clients": 2, "who": who}));
}

#[actix_web::test]
async fn a_new_member_is_in_the_presence_answer_and_receives_no_join_of_its_own() {
    let server = TestServer::with(gathers_for_ever).await;
    let anna = V1::connect(server.address(), "/websocket/news").await;
    let mut bert = V1::connect(server.address(), "/websocket/news").await;
    requests_presence(&mut bert).await;
    let answer = bert.receives().await;
    let who = json!([anna.welcome["who"], bert.welcome["who"]]);
    assert_eq!(answer, json!({"type": "presence", "clients": 2, "who": who}));
}

#[actix_web::test]
async fn a_join_is_sent_before_the_messages_of_its_client() {
    let server = TestServer::with(gathers_for_ever).await;
    let mut anna = V1::connect(server.address(), "/websocket/news").await;
    let mut bert = V1::connect(server.address(), "/websocket/news").await;
    bert.publishes("hello").await;
    assert_eq!(anna.receives().await, json!({"type": "join", "who": bert.welcome["who"]}));
    assert_eq!(anna.receives_message().await.1, "hello");
    assert_eq!(bert.receives_message().await.1, "hello");

    let berts = bert.welcome["who"].clone();
    bert.closes().await;
    server.has_clients("news", 1).await;
    requests_presence(&mut anna).await;
    assert_eq!(anna.receives().await, json!({"type": "leave", "who": berts}));
    assert_eq!(anna.receives().await["clients"], 1);
}

#[actix_web::test]
async fn joins_leaves_and_answers_never_contradict_each_other() {
    let server = TestServer::with(|settings| {
        settings.rooms.presence = true;
        settings.rooms.gather_presence = Duration::from_millis(5);
    })
    .await;
    let mut anna = V1::connect(server.address(), "/websocket/news").await;
    let address = server.address();
    let churners: Vec<_> = (0..8)
        .map(|_| {
            spawn(async move {
                loop {
                    let mut client = V1::connect(address, "/websocket/news").await;
                    client.publishes("here I am").await;
                    client.closes().await;
                }
            })
        })
        .collect();

    let (mut known, mut answers) = (None::<BTreeSet<String>>, 0);
    requests_presence(&mut anna).await;
    while answers < 100 {
        let notice = anna.receives().await;
        match (notice["type"].as_str().expect("a type"), &mut known) {
            ("presence", known) => {
                let there = ids(&notice["who"]);
                assert!(known.as_ref().is_none_or(|known| *known == there), "{known:?} {there:?}");
                assert_eq!(notice["clients"], there.len());
                *known = Some(there);
                answers += 1;
                requests_presence(&mut anna).await;
            }
            ("join", Some(known)) => {
                assert!(known.insert(notice["who"].as_str().unwrap().to_owned()), "{notice}")
            }
            ("leave", Some(known)) => {
                assert!(known.remove(&notice["who"].as_str().unwrap().to_owned()), "{notice}")
            }
            ("message", Some(known)) => {
                assert!(
                    known.contains(&notice["who"].as_str().unwrap().to_owned()),
                    "{notice} of somebody who did not come"
                );
            }
            _ => {}
        }
    }
    churners.iter().for_each(|churner| churner.abort());
}

#[actix_web::test]
async fn joins_and_leaves_without_end_close_no_session() {
    let server = TestServer::with(|settings| {
        settings.rooms.presence = true;
        settings.rooms.gather_presence = Duration::from_millis(10);
        settings.session.outbox_bytes = ByteSize::from_kib(80);
        settings.session.outbox_messages = 64;
        settings.session.send_buffer = ByteSize::from_kib(4);
    })
    .await;
    let promised = 10 * (10 << 10); // an eighth of an outbox in a tenth of a second
    let mut slow = Raw::connect_with_a_small_buffer(server.address()).await;
    slow.sends(handshake("/websocket/news", "Sec-WebSocket-Protocol: worldcast.v1\r\n")).await;
    slow.is_admitted().await;
    let mut slow = slow.into_socket();
    let address = server.address();
    let churners: Vec<_> = (0..32)
        .map(|_| {
            spawn(async move {
                loop {
                    let mut client = Raw::connect(address).await;
                    client.joins("news").await;
                    client.resets();
                }
            })
        })
        .collect();

    let tick = Duration::from_millis(10);
    let mut ticks = interval(tick);
    let mut buffer = vec![0; promised / 100];
    for _ in 0..400 {
        ticks.tick().await;
        match timeout(tick, slow.read(&mut buffer)).await {
            Ok(Ok(read)) => assert!(read > 0, "it was closed"),
            Ok(Err(error)) => panic!("it was cut off: {error}"),
            Err(_) => {}
        }
    }
    churners.iter().for_each(|churner| churner.abort());
}
