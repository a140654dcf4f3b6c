//! Messages of the past are those of the room, not of a node.

use crate::support::{Cluster, Http, Kind, Subscriber, V1, reaches, within};
use serde_json::json;

#[tokio::test]
async fn a_node_without_members_of_a_room_has_its_history() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut anna = cluster.join(0, "news").await;
    for number in 1..=5 {
        anna.publishes(number.to_string()).await;
    }
    anna.receives_many(5).await;
    let mut late = cluster.connect(1, "/websocket/news?last=3").await;
    assert_eq!(late.receives_many(3).await, ["3", "4", "5"]);
    assert_eq!(cluster.history(2, "news").await, ["1", "2", "3", "4", "5"]);
    anna.publishes("6").await;
    assert_eq!(late.receives().await, "6");
}

#[tokio::test]
async fn a_room_without_members_on_any_node_keeps_its_history() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let mut anna = cluster.join(0, "news").await;
    anna.publishes("1").await;
    anna.receives().await;
    cluster.posts(1, "news", "2").await;
    anna.receives().await;
    anna.closes(1000).await;
    cluster.has_clients("news", 0).await;
    cluster.kills(0).await;
    cluster.kills(1).await;

    let mut late = V1::connect(cluster.address(2), "/websocket/news?last=10").await;
    for (offset, text) in [(1, "1"), (2, "2")] {
        assert_eq!(late.receives_message().await, (offset, text.to_owned()));
    }
    cluster.restarts(0).await;
    assert_eq!(cluster.history(0, "news").await, ["1", "2"]);
}

#[tokio::test]
async fn the_last_messages_come_before_the_live_ones_for_every_kind_of_client() {
    let Some(cluster) = Cluster::start().await else { return };
    cluster.posts(0, "news", "1").await;
    cluster.posts(1, "news", "2").await;
    let mut bare = cluster.connect(2, "/websocket/news?last=2").await;
    let mut v1 = V1::connect(cluster.address(2), "/websocket/news?last=2").await;
    let mut events = testing::Events::connect(cluster.address(2), "/rooms/news/events?last=2", "").await;
    assert_eq!(events.receives().await.expect("an event").name, "welcome");
    cluster.posts(0, "news", "3").await;
    assert_eq!(bare.receives_many(3).await, ["1", "2", "3"]);
    for (offset, text) in [(1, "1"), (2, "2"), (3, "3")] {
        assert_eq!(v1.receives_message().await, (offset, text.to_owned()));
        assert_eq!(events.receives_data().await, text);
    }
}

#[tokio::test]
async fn a_room_keeps_as_many_messages_as_configured() {
    let Some(cluster) = Cluster::with(&[("history.messages", "5")]).await else { return };
    let _members = Subscriber::joins(cluster.address(0), Kind::Bare, "news").await;
    for number in 1..=12 {
        cluster.posts(number % 2, "news", &number.to_string()).await;
    }
    for node in 0..3 {
        assert_eq!(cluster.history(node, "news").await, ["8", "9", "10", "11", "12"], "node {node}");
    }
    for batch in [["a", "b", "c"], ["d", "e", "f"]] {
        let messages = batch.map(|text| json!({"text": text}));
        let request = Http::post(cluster.address(0), "/rooms/news/batch");
        assert_eq!(request.json(json!({"messages": messages})).reply().await.status, 201);
    }
    for node in 0..3 {
        assert_eq!(cluster.history(node, "news").await, ["b", "c", "d", "e", "f"], "node {node}");
    }
}

#[tokio::test]
async fn a_room_keeps_as_many_bytes_as_configured() {
    let Some(cluster) = Cluster::with(&[("history.bytes", "4KiB")]).await else { return };
    let text = |number: usize| format!("{number:01000}"); // and 224 bytes more for each
    for number in 1..=8 {
        cluster.posts(number % 2, "news", &text(number)).await;
    }
    for node in 0..3 {
        assert_eq!(cluster.history(node, "news").await, [6, 7, 8].map(text), "node {node}");
    }
}

#[tokio::test]
async fn a_room_keeps_messages_until_the_configured_age_and_then_ends() {
    let Some(cluster) = Cluster::with(&[("history.age", "2s")]).await else { return };
    let mut anna = cluster.join(0, "news").await;
    let mut bert = cluster.join_v1(1, "news").await;
    anna.publishes("old").await;
    assert_eq!(bert.receives_message().await, (1, "old".to_owned()));
    assert_eq!(cluster.history(2, "news").await, ["old"]);
    for node in 0..3 {
        within(format!("node {node} to forget the message"), async {
            while !cluster.history(node, "news").await.is_empty() {}
        })
        .await;
    }
    anna.publishes("young").await;
    assert_eq!(bert.receives_message().await, (2, "young".to_owned())); // the order goes on
    assert_eq!(cluster.history(2, "news").await, ["young"]);

    anna.closes(1000).await;
    bert.closes().await;
    for node in &cluster.nodes {
        within("a node to have no rooms", async { while node.metrics().await.value("rooms") > 0 {} }).await;
    }
}

#[tokio::test]
async fn the_history_is_read_from_a_position_on_every_node() {
    let Some(cluster) = Cluster::start().await else { return };
    for number in 1..=4 {
        cluster.posts(0, "news", &number.to_string()).await;
    }
    let epoch = cluster.gets(1, "/rooms/news/messages?last=1").await.json()["epoch"].clone();
    let epoch = epoch.as_str().expect("an epoch");
    for node in 0..3 {
        let path = format!("/rooms/news/messages?since={epoch}-2");
        let json = cluster.gets(node, &path).await.json();
        let texts: Vec<_> =
            json["messages"].as_array().expect("messages").iter().map(|one| &one["text"]).collect();
        assert_eq!((&json["recovered"], texts), (&json!(true), vec![&json!("3"), &json!("4")]), "{json}");
        let json = cluster.gets(node, "/rooms/news/messages?since=0123456789abcdef-2").await.json();
        assert_eq!(json["recovered"], false, "{json}");
    }
}

#[tokio::test]
async fn a_room_is_described_alike_by_every_node() {
    let Some(cluster) = Cluster::start().await else { return };
    let _anna = cluster.join(0, "news").await;
    let _bert = cluster.join(1, "news").await;
    cluster.posts(2, "news", "hello").await;
    cluster.has_clients("news", 2).await;
    let described = cluster.gets(0, "/rooms/news").await.json();
    assert_eq!((&described["clients"], &described["offset"]), (&json!(2), &json!(1)), "{described}");
    for node in 1..3 {
        assert_eq!(cluster.gets(node, "/rooms/news").await.json(), described);
    }
}

#[tokio::test]
async fn the_settings_of_some_rooms_hold_on_every_node() {
    let overrides = r#"[{match = "feed.*", greeting = "", anyone = false, history = {messages = 2}}]"#;
    let settings = [("rooms.override", overrides), ("publish.keys", "a-key-that-nobody-guesses")];
    let Some(cluster) = Cluster::with(&settings).await else { return };
    let post =
        |node: usize, text: &str| Http::post(cluster.address(node), "/rooms/feed.a/messages").text(text);
    for node in 0..3 {
        assert_eq!(post(node, "x").reply().await.refusal(), (401, "key_required".to_owned()));
        let key = "Bearer a-key-that-nobody-guesses";
        let reply = post(node, &node.to_string()).header("Authorization", key).reply().await;
        assert_eq!(reply.status, 201, "{reply:?}");
    }
    for node in 0..3 {
        assert_eq!(cluster.history(node, "feed.a").await, ["1", "2"]);
    }
}

#[tokio::test]
async fn a_room_without_members_costs_a_node_no_subscription_for_long() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut anna = cluster.join(0, "news").await;
    anna.publishes("1").await;
    anna.receives().await;
    let subscribed = async || {
        let [sharded, plain] = ["SHARDCHANNELS", "CHANNELS"];
        let channels = cluster.redis.cli(&["PUBSUB", sharded]).await
            + "\n"
            + &cluster.redis.cli(&["PUBSUB", plain]).await;
        channels.lines().filter(|channel| channel.ends_with(":news")).count()
    };
    assert_eq!(subscribed().await, 1);
    anna.closes(1000).await;
    within("the end of the subscription", async { while subscribed().await > 0 {} }).await;
    assert_eq!(cluster.history(0, "news").await, ["1"]);
    reaches(&cluster.nodes[0], "backplane_up", 1).await;
}
