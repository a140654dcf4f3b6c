//! A room is an address; a message reaches its room and no other.

use crate::support::{Host, TestServer, answer, answer_with};
use actix_web::test::TestRequest;
use std::collections::VecDeque;

#[actix_web::test]
async fn a_message_reaches_only_its_room() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    let mut bert = server.join("sport").await;

    anna.publishes("hello").await;
    assert_eq!(anna.receives().await, "hello");
    bert.publishes("goal").await;

    assert_eq!(bert.receives().await, "goal"); // "hello" would have come first
}

#[actix_web::test]
async fn addresses_without_a_room_lead_to_the_default_room() {
    let server = TestServer::start().await;
    let mut clients = Vec::new();
    for path in ["/", "/websocket", "/websocket/lobby"] {
        let mut client = server.connect(path).await;
        assert_eq!(client.receives().await, "world");
        clients.push(client);
    }

    for publisher in 0..clients.len() {
        clients[publisher].publishes(publisher.to_string()).await;
        for client in &mut clients {
            assert_eq!(client.receives().await, publisher.to_string());
        }
    }
}

#[actix_web::test]
async fn the_default_room_is_the_operators_choice() {
    let server = TestServer::with(|settings| settings.rooms.default = "hall".parse().unwrap()).await;
    let mut anna = server.join("hall").await;
    let mut bert = server.connect("/").await;
    assert_eq!(bert.receives().await, "world");

    bert.publishes("hello").await;
    assert_eq!(anna.receives().await, "hello");
}

#[actix_web::test]
async fn a_name_is_one_room_however_it_is_encoded() {
    let server = TestServer::start().await;
    let mut anna = server.join("~anna:1@home").await;
    let mut bert = server.join("%7eanna%3A1%40home").await;

    anna.publishes("hello").await;
    assert_eq!(bert.receives().await, "hello");
}

#[actix_web::test]
async fn a_name_of_128_bytes_is_a_room() {
    let server = TestServer::start().await;
    let name = "x".repeat(128);
    let mut anna = server.join(&name).await;

    anna.publishes("hello").await;
    assert_eq!(anna.receives().await, "hello");
    assert_eq!(server.clients_in(&name).await, 1);
}

#[actix_web::test]
async fn names_differ_by_case_and_dots_stay_what_they_are() {
    let server = TestServer::start().await;
    let mut clients = Vec::new();
    for room in ["News", "news", "news.", "...", "a..b"] {
        clients.push((room, server.join(room).await));
    }
    for (room, client) in &mut clients {
        client.publishes(*room).await;
    }
    for (room, client) in &mut clients {
        assert_eq!(client.receives().await, *room);
        assert_eq!(server.clients_in(room).await, 1);
    }
}

#[actix_web::test]
async fn rooms_that_begin_and_end_never_mix() {
    let server = TestServer::start().await;
    let mut rooms = VecDeque::new();
    for round in 0..30 {
        let name = format!("room-{round}");
        rooms.push_back((name.clone(), server.join_many(&name, 2).await));
        if round % 3 == 2 {
            let (name, _) = rooms.pop_front().unwrap();
            server.has_clients(&name, 0).await;
        }
        for (name, clients) in &mut rooms {
            clients[0].publishes(name.as_str()).await;
        }
        for (name, clients) in &mut rooms {
            for client in clients {
                // Anything of another room would come first, or next time.
                assert_eq!(client.receives().await, *name);
            }
        }
    }
}

#[actix_web::test]
async fn a_room_reports_the_number_of_its_clients() {
    let server = TestServer::start().await;
    assert_eq!(server.clients_in("news").await, 0);
    let anna = server.join("news").await;
    let bert = server.join("news").await;
    let _carl = server.join("sport").await;
    assert_eq!(server.clients_in("news").await, 2);

    drop(anna);
    server.has_clients("news", 1).await;
    bert.closes(1000).await;
    server.has_clients("news", 0).await;
    assert_eq!(server.clients_in("sport").await, 1);
}

#[actix_web::test]
async fn facts_about_a_room_are_json_and_never_kept() {
    let facts = answer(TestRequest::get().uri("/rooms/news")).await;
    assert_eq!((facts.status.as_u16(), facts.header("content-type")), (200, "application/json"));
    assert_eq!(facts.header("cache-control"), "no-store");
    assert_eq!(facts.body, br#"{"room":"news","clients":0}"#);
}

#[actix_web::test]
async fn facts_about_no_room_by_name_are_those_of_the_default_room() {
    let request = TestRequest::get().uri("/rooms/");
    let facts = answer_with(|settings| settings.rooms.default = "hall".parse().unwrap(), request).await;
    assert_eq!((facts.status.as_u16(), facts.body.as_slice()), (200, &br#"{"room":"hall","clients":0}"#[..]));
}

#[actix_web::test]
async fn facts_about_what_is_no_room_are_refused() {
    let (status, code, message) = answer(TestRequest::get().uri("/rooms/not%20a%20room")).await.refusal();
    assert_eq!((status, code.as_str()), (400, "room_name"));
    assert!(message.ends_with("not ' '"), "{message}");
}

#[actix_web::test]
async fn the_greeting_is_the_operators_choice() {
    let server = TestServer::with(|settings| settings.rooms.greeting = "grüß dich".into()).await;
    let mut anna = server.connect("/websocket/news").await;

    assert_eq!(anna.receives().await, "grüß dich");
}

#[actix_web::test]
async fn without_a_greeting_a_client_receives_nothing_until_a_message_is_published() {
    let server = TestServer::with(|settings| settings.rooms.greeting = String::new()).await;
    let mut anna = server.connect("/websocket/news").await;

    anna.publishes("hello").await;
    // A greeting, even an empty one, would have come first.
    assert_eq!(anna.receives().await, "hello");
}
