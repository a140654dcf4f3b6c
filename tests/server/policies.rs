//! A policy that is replaced while the server runs: the changes for requests, and sessions that stay.

use crate::support::{Client, Host, Http, Raw, TestServer, handshake};
use std::time::Duration;

const NEWS: &str = "/rooms/news/messages";
const FIRST: &str = "the-first-key-of-many";
const SECOND: &str = "the-second-key-of-many";

/// Publishes in a room, with `key` if it is not empty; returns the status and the code of a
/// refusal.
async fn publish(server: &TestServer, key: &str) -> (u16, String) {
    let request = Http::post(server.address(), NEWS).text("hello");
    let request =
        if key.is_empty() { request } else { request.header("Authorization", &format!("Bearer {key}")) };
    let reply = request.reply().await;
    if reply.status == 201 { (201, String::new()) } else { reply.refusal() }
}

/// Returns the status line of a handshake from a page of `origin`.
async fn handshake_from(server: &TestServer, origin: &str) -> String {
    let mut page = Raw::connect(server.address()).await;
    page.sends(handshake("/websocket/other", &format!("Origin: {origin}\r\n"))).await;
    page.reads_head().await.lines().next().expect("a status").to_owned()
}

#[actix_web::test]
async fn a_key_counts_from_the_next_request_on_and_no_longer_than_it_is_listed() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    assert_eq!(publish(&server, "").await.0, 201);

    server.replace_policy(|settings| {
        settings.publish.anyone = false;
        settings.publish.keys = vec![FIRST.into()];
    });
    assert_eq!(publish(&server, "").await, (401, "key_required".to_owned()));
    assert_eq!(publish(&server, FIRST).await.0, 201);

    server.replace_policy(|settings| {
        settings.publish.anyone = false;
        settings.publish.keys = vec![SECOND.into()];
    });
    assert_eq!(publish(&server, FIRST).await, (401, "key".to_owned()));
    assert_eq!(publish(&server, SECOND).await.0, 201);

    anna.publishes("I was here before").await;
    assert_eq!(anna.receives_many(4).await, ["hello", "hello", "hello", "I was here before"]);
}

#[actix_web::test]
async fn a_page_may_connect_once_it_is_listed_and_not_after_it_was_removed() {
    let server = TestServer::start().await;
    let app = "https://app.example";
    assert!(handshake_from(&server, app).await.contains(" 403 "));
    server.replace_policy(|settings| settings.origins.allowed = vec![app.parse().expect("an origin")]);
    assert!(handshake_from(&server, app).await.contains(" 101 "));
    server.replace_policy(|_| ());
    assert!(handshake_from(&server, app).await.contains(" 403 "));
}

#[actix_web::test]
async fn a_limit_per_address_holds_from_the_next_handshake_on() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await; // not counted for her address: there was no limit
    server.replace_policy(|settings| settings.limits.connections_per_ip = 1);
    let bert = server.join("news").await;
    let refused = Client::try_connect(server.address(), "/websocket/news").await.err().expect("a refusal");
    assert!(refused.to_string().contains("429"), "{refused}");
    server.replace_policy(|settings| settings.limits.connections = 1);
    let refused = Client::try_connect(server.address(), "/websocket/news").await.err().expect("a refusal");
    assert!(refused.to_string().contains("503"), "{refused}");

    server.replace_policy(|_| ());
    let mut carl = server.join("news").await;
    carl.publishes("all of us").await;
    assert_eq!(anna.receives().await, "all of us");
    drop(bert);
}

#[actix_web::test]
async fn a_room_has_its_new_policy_for_the_next_client() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    server.replace_policy(|settings| {
        settings.rooms.echo = false;
        settings.rooms.default = "news".parse().expect("a name");
    });
    let mut bert = server.connect("/websocket").await; // without a name: the default room
    assert_eq!(bert.receives().await, "world");
    bert.publishes("not to myself").await;
    assert_eq!(anna.receives().await, "not to myself");
    anna.publishes("to everyone").await;
    assert_eq!(anna.receives().await, "to everyone");
    assert_eq!(bert.receives().await, "to everyone");
}

#[actix_web::test]
async fn a_session_is_judged_by_the_deadlines_of_the_present_policy() {
    let server = TestServer::start().await;
    let mut anna = server.join_raw("news").await;
    server.replace_policy(|settings| settings.session.ping_after = Duration::from_millis(1));
    anna.is_pinged().await; // 25 s before the earlier policy had done it
}
