//! The right to publish, and settings that hold in some rooms only.

use crate::support::{Client, End, Host, Http, TestServer, V1};
use serde_json::json;
use worldcast::config::{RoomOverride, Settings};

const KEY: &str = "a-key-that-nobody-guesses";

fn overrides(settings: &mut Settings, overrides: &str) {
    let one: RoomOverride = toml::from_str(overrides).expect("an override");
    settings.rooms.overrides.push(one);
}

fn feed(settings: &mut Settings) {
    settings.publish.anyone = false;
    settings.publish.keys = vec![KEY.into()];
}

#[actix_web::test]
async fn in_a_feed_only_a_client_with_a_key_publishes() {
    let server = TestServer::with(feed).await;
    let mut anna = server.join("news").await;
    let post = || Http::post(server.address(), "/rooms/news/messages").text("hello");
    let without = post().reply().await;
    assert_eq!(without.refusal(), (401, "key_required".to_owned()));
    assert!(without.head.contains("www-authenticate: bearer"), "{without:?}");
    let wrong = post().header("Authorization", "Bearer another-key-than-ours").reply().await;
    assert_eq!(wrong.refusal(), (401, "key".to_owned()));
    assert_eq!(post().header("Authorization", &format!("Bearer {KEY}")).reply().await.status, 201);
    assert_eq!(anna.receives().await, "hello");
}

#[actix_web::test]
async fn sockets_obey_the_same_rule() {
    let server = TestServer::with(feed).await;
    let mut subscriber = server.join("news").await;
    let mut mute = server.join("news").await;
    mute.publishes("hello").await;
    assert_eq!(mute.ended_with().await, End::Code(1008));

    let mut client = V1::connect(server.address(), "/websocket/news").await;
    client.sends(json!({"type": "publish", "ref": "1", "text": "hello"})).await;
    let error = client.receives().await;
    assert_eq!((&error["code"], &error["ref"]), (&json!("may_not_publish"), &json!("1")));

    let key = format!("Bearer {KEY}");
    let with = [("Authorization", key.as_str())];
    let mut publisher = Client::try_connect_with(server.address(), "/websocket/news", &with).await.unwrap().0;
    assert_eq!(publisher.receives().await, "world");
    publisher.publishes("from a publisher").await;
    assert_eq!(subscriber.receives().await, "from a publisher");
    assert_eq!(client.receives().await["text"], "from a publisher");
    let wrong = [("Authorization", "Bearer another-key-than-ours")];
    assert!(Client::try_connect_with(server.address(), "/websocket/news", &wrong).await.is_err());
}

#[actix_web::test]
async fn one_line_makes_a_feed_of_some_rooms() {
    let server = TestServer::with(|settings| {
        overrides(settings, "match = \"news.*\"\nanyone = false");
    })
    .await;
    let post = async |room| {
        Http::post(server.address(), &format!("/rooms/{room}/messages")).text("x").reply().await.status
    };
    assert_eq!((post("news.sport").await, post("news").await), (401, 201));
}

#[actix_web::test]
async fn a_room_may_differ_in_greeting_echo_presence_and_history() {
    let server = TestServer::with(|settings| {
        let rules = "greeting = \"hi\"\necho = false\npresence = true\nhistory = { messages = 1 }";
        overrides(settings, &format!("match = \"quiet\"\n{rules}"));
    })
    .await;
    let mut anna = server.connect("/websocket/quiet").await;
    assert_eq!(anna.receives().await, "hi");
    let mut bert = V1::connect(server.address(), "/websocket/quiet").await;
    bert.sends(json!({"type": "presence"})).await;
    assert_eq!(bert.receives().await["who"].as_array().unwrap().len(), 2);
    for text in ["1", "2"] {
        anna.publishes(text).await;
        assert_eq!(bert.receives_message().await.1, text);
    }
    let mut carl = server.connect("/websocket/quiet?last=9").await;
    assert_eq!(carl.receives_many(2).await, ["hi", "2"]);
    carl.publishes("3").await;
    assert_eq!(anna.receives().await, "3"); // its own would have come first
}

#[actix_web::test]
async fn a_room_may_have_limits_of_its_own() {
    let server = TestServer::with(|settings| {
        overrides(
            settings,
            "match = \"small\"\nclients = 1\nmax_message = \"4B\"\nmessages_per_second = 1000",
        );
    })
    .await;
    let mut anna = server.join("small").await;
    assert_eq!(server.connect("/websocket/small").await.ended_with().await, End::Code(1013));
    let post = |text| Http::post(server.address(), "/rooms/small/messages").text(text);
    assert_eq!(post("12345").reply().await.refusal(), (413, "too_large".to_owned()));
    assert_eq!(post("1234").reply().await.status, 201);
    assert_eq!(anna.receives().await, "1234");
    anna.publishes("12345").await;
    assert_eq!(anna.ended_with().await, End::Code(1009));
    server.has_clients("small", 0).await;
    server.join("small").await;
}
