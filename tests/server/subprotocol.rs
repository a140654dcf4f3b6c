//! The subprotocol worldcast.v1.

use crate::support::{End, Host, TestServer, V1, answer, upgrade};
use actix_web::test::TestRequest;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::json;

/// The negotiated subprotocol for offers in a header each.
async fn agreed(offers: &[&str]) -> String {
    let offer = |request: TestRequest, offer| request.append_header(("Sec-WebSocket-Protocol", offer));
    let request = offers.iter().copied().fold(upgrade("/websocket"), offer);
    let answer = answer(request).await;
    assert_eq!(answer.status, 101);
    answer.header("sec-websocket-protocol").to_owned()
}

#[actix_web::test]
async fn a_client_without_a_known_subprotocol_uses_the_raw_protocol() {
    for offers in [&[][..], &["chat"], &["worldcast.v2, x", ""]] {
        assert_eq!(agreed(offers).await, "", "{offers:?}");
    }
}

#[actix_web::test]
async fn the_subprotocol_is_found_behind_others() {
    for offers in [&["chat, worldcast.v1"][..], &["chat", "x , worldcast.v1"]] {
        assert_eq!(agreed(offers).await, "worldcast.v1", "{offers:?}");
    }
}

#[actix_web::test]
async fn a_welcome_has_the_position_of_the_room() {
    let server = TestServer::start().await;
    let mut anna = V1::connect(server.address(), "/websocket/news").await;
    assert_eq!((&anna.welcome["room"], &anna.welcome["offset"]), (&json!("news"), &json!(0)));
    assert!(anna.welcome.get("recovered").is_none(), "it did not ask");
    anna.publishes("a").await;
    assert_eq!(anna.receives_message().await, (1, "a".to_owned()));

    let bert = V1::connect(server.address(), "/websocket/news").await;
    assert_eq!((&bert.welcome["epoch"], &bert.welcome["offset"]), (&anna.welcome["epoch"], &json!(1)));
    assert_ne!(bert.welcome["who"], anna.welcome["who"]);
}

#[actix_web::test]
async fn both_kinds_of_clients_receive_each_other() {
    let server = TestServer::start().await;
    let mut anna = V1::connect(server.address(), "/websocket/news").await;
    let mut bert = server.join("news").await;

    anna.publishes("from \"anna\"").await;
    assert_eq!(bert.receives().await, "from \"anna\"");
    let message = anna.receives().await;
    assert_eq!(message["who"], anna.welcome["who"]);
    assert!(message["time"].as_str().unwrap().ends_with('Z'), "{message}");

    bert.publishes_binary(&[0, 255][..]).await;
    assert_eq!(anna.receives().await["base64"], "AP8=");
    bert.receives_binary().await;
    anna.sends(json!({"type": "publish", "base64": "/wA="})).await;
    assert_eq!(bert.receives_binary().await, [255, 0][..]);
}

#[actix_web::test]
async fn a_publish_with_a_reference_is_acknowledged_after_all_earlier_messages() {
    let server = TestServer::start().await;
    for (echo, expected) in [("true", ["message", "ack"].repeat(50)), ("false", ["ack"].repeat(50))] {
        let mut anna = V1::connect(server.address(), &format!("/websocket/{echo}?echo={echo}")).await;
        for number in 1..=50 {
            anna.sends(json!({"type": "publish", "ref": number.to_string(), "text": "x"})).await;
        }
        let mut received = Vec::new();
        for _ in 0..expected.len() {
            received.push(anna.receives().await);
        }
        assert!(received.iter().map(|received| &received["type"]).eq(&expected), "{received:?}");
        let acks = received.iter().filter(|received| received["type"] == "ack");
        assert!(acks.zip(1..).all(|(ack, at)| ack["offset"] == at && ack["ref"] == *at.to_string()));
    }
}

#[actix_web::test]
async fn an_ack_stands_where_the_message_would() {
    let server = TestServer::start().await;
    let mut anna = V1::connect(server.address(), "/websocket/news?echo=false").await;
    let mut bert = V1::connect(server.address(), "/websocket/news").await;
    for _ in 0..50 {
        anna.sends(json!({"type": "publish", "ref": "mine", "text": "x"})).await;
        bert.publishes("y").await;
    }
    for offset in 1..=100 {
        assert_eq!(anna.receives().await["offset"], offset);
    }
}

#[actix_web::test]
async fn an_invalid_request_receives_an_error_and_the_session_continues() {
    let server = TestServer::start().await;
    let mut anna = V1::connect(server.address(), "/websocket/news").await;
    anna.client().publishes("hello").await;
    assert_eq!(anna.receives().await["code"], "request");
    anna.client().publishes_binary(&[1][..]).await;
    assert_eq!(anna.receives().await["code"], "request");
    anna.sends(json!({"type": "publish", "ref": "7"})).await;
    let error = anna.receives().await;
    assert_eq!(
        (&error["type"], &error["code"], &error["ref"]),
        (&json!("error"), &json!("payload"), &json!("7"))
    );
    anna.publishes("still here").await;
    assert_eq!(anna.receives_message().await.1, "still here");
}

#[actix_web::test]
async fn a_room_with_presence_sends_joins_leaves_and_members() {
    let server = TestServer::with(|settings| settings.rooms.presence = true).await;
    let mut anna = V1::connect(server.address(), "/websocket/news").await;
    let mut bert = server.join("news").await;
    let joined = anna.receives().await;
    assert_eq!(joined["type"], "join");
    let carl = V1::connect(server.address(), "/websocket/news").await;
    assert_eq!(anna.receives().await, json!({"type": "join", "who": carl.welcome["who"]}));

    anna.sends(json!({"type": "presence", "ref": "?"})).await;
    let who = json!([anna.welcome["who"], joined["who"], carl.welcome["who"]]);
    assert_eq!(anna.receives().await, json!({"type": "presence", "ref": "?", "clients": 3, "who": who}));
    let carls = carl.welcome["who"].clone();
    carl.closes().await;
    assert_eq!(anna.receives().await, json!({"type": "leave", "who": carls}));
    anna.publishes("hello").await;
    assert_eq!(bert.receives().await, "hello"); // a join would have arrived first
}

#[actix_web::test]
async fn a_room_without_presence_sends_only_the_number() {
    let server = TestServer::start().await;
    let mut anna = V1::connect(server.address(), "/websocket/news").await;
    let _bert = server.join("news").await;
    anna.sends(json!({"type": "presence"})).await;
    assert_eq!(anna.receives().await, json!({"type": "presence", "clients": 2}));
}

#[actix_web::test]
async fn a_message_that_is_much_longer_as_json_is_delivered() {
    let server = TestServer::with(|settings| {
        settings.session.outbox_bytes = "65KiB".parse().unwrap();
    })
    .await;
    let mut anna = V1::connect(server.address(), "/websocket/news").await;
    let mut bert = server.join("news").await;
    let text = "\u{1}".repeat(65_536);
    bert.publishes(text.as_str()).await;
    assert!(anna.receives().await["text"] == *text);
}

#[actix_web::test]
async fn a_message_may_be_as_large_as_in_the_raw_protocol_however_json_writes_it() {
    let server = TestServer::start().await;
    let mut anna = V1::connect(server.address(), "/websocket/news?echo=false").await;
    let binary = BASE64.encode(vec![255; 65_536]);
    let largest = ["\u{1}", "\"", "x"].map(|character| json!({"text": character.repeat(65_536)}));
    for (number, mut request) in largest.into_iter().chain([json!({"base64": binary})]).enumerate() {
        request["type"] = json!("publish");
        request["ref"] = json!("\u{1}".repeat(64));
        anna.sends(request).await;
        let ack = anna.receives().await;
        assert_eq!((&ack["type"], &ack["offset"]), (&json!("ack"), &json!(number + 1)));
    }
    anna.publishes(&"x".repeat(65_537)).await;
    assert_eq!(anna.client().ended_with().await, End::Code(1009));
}
