//! All clients of a room receive the same messages in the same order, whatever node they are on.

use crate::support::{Client, Cluster, Subscriber, V1};
use futures_util::future::join_all;
use serde_json::json;
use std::collections::HashMap;

#[tokio::test]
async fn a_message_of_any_node_reaches_clients_of_every_kind_on_all_nodes_once() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut subscribers = Subscriber::of_all_kinds(&cluster.addresses(), "news").await;
    let mut bare = cluster.join(0, "news").await;
    let mut v1 = cluster.join_v1(1, "news").await;

    bare.publishes("bare on the first").await;
    assert_eq!(bare.receives().await, "bare on the first");
    assert_eq!(v1.receives_message().await.1, "bare on the first");
    v1.publishes("v1 on the second").await;
    assert_eq!(v1.receives_message().await.1, "v1 on the second");
    cluster.posts(2, "news", "HTTP on the third").await;
    cluster.posts(0, "news", "the last").await;
    for subscriber in &mut subscribers {
        assert_eq!(
            subscriber.receives_many(4).await, // a message that comes twice would be among them
            ["bare on the first", "v1 on the second", "HTTP on the third", "the last"]
        );
    }
}

#[tokio::test]
async fn publishers_on_three_nodes_are_received_in_one_order() {
    const PUBLISHERS: usize = 6;
    const EACH: usize = 60;
    let Some(cluster) = Cluster::start().await else { return };
    let mut subscribers = Subscriber::of_all_kinds(&cluster.addresses(), "news").await;
    let publishing = (0..PUBLISHERS).map(async |publisher| {
        let mut client = cluster.connect(publisher % 3, "/websocket/news?echo=false").await;
        for number in 0..EACH {
            client.publishes(format!("{publisher} {number}")).await;
        }
        client.closes(1000).await; // after all of them were accepted
    });
    join_all(publishing).await;
    let orders = join_all(subscribers.iter_mut().map(|one| one.receives_many(PUBLISHERS * EACH))).await;
    assert!(orders.iter().all(|order| *order == orders[0]), "{orders:#?}");
    let mut next = HashMap::new();
    for text in &orders[0] {
        let (publisher, number) = text.split_once(' ').expect("two numbers");
        let next = next.entry(publisher).or_insert(0);
        assert_eq!(number.parse::<usize>().expect("a number"), *next, "{text}");
        *next += 1;
    }
    assert!(next.len() == PUBLISHERS && next.values().all(|count| *count == EACH), "{next:?}");

    cluster.posts(1, "news", "the last").await;
    for subscriber in &mut subscribers {
        assert_eq!(subscriber.receives().await, "the last");
    }
}

#[tokio::test]
async fn offsets_are_the_same_on_all_nodes_and_an_ack_follows_its_message() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut anna = cluster.join_v1(0, "news").await;
    let mut bert = cluster.join_v1(1, "news").await;
    assert_eq!(anna.welcome["epoch"], bert.welcome["epoch"]);
    for number in 0..50 {
        let publish =
            |name: &str| json!({"type": "publish", "text": format!("{name} {number}"), "ref": name});
        anna.sends(publish("anna")).await;
        bert.sends(publish("bert")).await;
        let (of_anna, acked_to_anna) = receives_two_and_an_ack(&mut anna, "anna").await;
        let (of_bert, acked_to_bert) = receives_two_and_an_ack(&mut bert, "bert").await;
        assert_eq!(of_anna, of_bert);
        let offset_of =
            |name: &str| of_anna.iter().find(|(_, text)| text.starts_with(name)).map(|(offset, _)| *offset);
        assert_eq!((Some(acked_to_anna), Some(acked_to_bert)), (offset_of("anna"), offset_of("bert")));
        assert_eq!(of_anna.map(|(offset, _)| offset), [2 * number + 1, 2 * number + 2]);
    }
}

/// Two messages, and the ack of the own one, which comes after it; the offset of the ack.
async fn receives_two_and_an_ack(client: &mut V1, name: &str) -> ([(u64, String); 2], u64) {
    let (mut messages, mut acked) = (Vec::new(), None);
    while messages.len() < 2 || acked.is_none() {
        let received = client.receives().await;
        let offset = received["offset"].as_u64().unwrap_or_else(|| panic!("{received} without an offset"));
        match received["type"].as_str() {
            Some("message") => messages.push((offset, received["text"].as_str().expect("text").to_owned())),
            Some("ack") => {
                assert_eq!(received["ref"], name);
                assert!(
                    messages.iter().any(|(before, _)| *before == offset),
                    "{received} after {messages:?}"
                );
                acked = Some(offset);
            }
            _ => panic!("{received} instead of a message"),
        }
    }
    (messages.try_into().expect("two of them"), acked.expect("there was one"))
}

#[tokio::test]
async fn a_message_reaches_only_its_room_on_every_node() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut anna = cluster.join(0, "news").await;
    let mut bert = cluster.join(1, "sport").await;
    let mut carl = cluster.join(2, "news").await;
    anna.publishes("hello").await;
    assert_eq!(carl.receives().await, "hello");
    carl.publishes("and goodbye").await;
    assert_eq!(anna.receives_many(2).await, ["hello", "and goodbye"]);
    cluster.posts(0, "sport", "goal").await;
    assert_eq!(bert.receives().await, "goal"); // "hello" would have come first
}

#[tokio::test]
async fn text_and_bytes_of_every_size_arrive_on_other_nodes_as_they_were_published() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut anna = cluster.join(0, "news").await;
    let mut bert = cluster.join(1, "news").await;
    let texts = ["", "\0", "ä\u{1f600}\r\n\"\\", &"x".repeat(125), &"y".repeat(65_536)];
    for text in texts {
        anna.publishes(text).await;
        assert_eq!(bert.receives().await, text);
    }
    for length in [0, 1, 126, 65_536] {
        let bytes: Vec<_> = (0..length).map(|at| at as u8).collect();
        anna.publishes_binary(bytes.clone()).await;
        assert_eq!(bert.receives_binary().await, bytes);
    }
}

#[tokio::test]
async fn a_client_without_echo_receives_all_messages_but_its_own() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut anna = cluster.connect(0, "/websocket/news?echo=false").await;
    let mut bert = cluster.join(1, "news").await;
    anna.publishes("from anna").await;
    assert_eq!(bert.receives().await, "from anna");
    bert.publishes("from bert").await;
    assert_eq!(anna.receives().await, "from bert"); // its own would have come first
}

#[tokio::test]
async fn a_client_that_joins_while_other_nodes_publish_misses_and_doubles_no_message() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut publisher = cluster.join(0, "news").await;
    let publishing = async {
        for number in 0_u64.. {
            publisher.publishes(number.to_string()).await;
            publisher.receives().await;
        }
    };
    let joining = async {
        for round in 0..60 {
            let mut client = Client::connect(cluster.address(1 + round % 2), "/websocket/news?last=5").await;
            assert_eq!(client.receives().await, "world");
            let numbers: Vec<u64> =
                client.receives_many(15).await.iter().map(|text| text.parse().expect("a number")).collect();
            assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{round}: {numbers:?}");
        }
    };
    tokio::select! {
        () = publishing => unreachable!("it goes on without end"),
        () = joining => {}
    }
}

#[tokio::test]
async fn many_rooms_at_once_keep_an_order_each() {
    const ROOMS: usize = 40;
    const EACH: usize = 10;
    let Some(cluster) = Cluster::start().await else { return };
    let rooms = (0..ROOMS).map(async |room| {
        let name = format!("room-{room}");
        let mut publisher = cluster.join(room % 3, &name).await;
        let mut subscriber = cluster.join((room + 1) % 3, &name).await;
        for number in 0..EACH {
            publisher.publishes(format!("{room} {number}")).await;
        }
        let expected: Vec<_> = (0..EACH).map(|number| format!("{room} {number}")).collect();
        assert_eq!(subscriber.receives_many(EACH).await, expected);
        assert_eq!(publisher.receives_many(EACH).await, expected);
    });
    join_all(rooms).await;
}
