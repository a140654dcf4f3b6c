//! Publishing over HTTP: any node takes a message for all of them.

use crate::support::{Cluster, Http, Reply, Subscriber};
use futures_util::future::join_all;
use serde_json::{Value, json};

const NEWS: &str = "/rooms/news/messages";

#[tokio::test]
async fn the_answer_to_a_post_counts_the_receivers_on_all_nodes() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut subscribers = Subscriber::of_all_kinds(&cluster.addresses(), "news").await;
    cluster.has_clients("news", 9).await;
    for node in 0..3 {
        let posted = cluster.posts(node, "news", &node.to_string()).await;
        assert_eq!((&posted["received"], &posted["messages"]), (&json!(9), &json!(1)), "{posted}");
        assert_eq!(posted["offset"], node + 1);
    }
    for subscriber in &mut subscribers {
        assert_eq!(subscriber.receives_many(3).await, ["0", "1", "2"]);
    }
}

#[tokio::test]
async fn a_node_without_members_of_the_room_publishes_in_it() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut anna = cluster.join(0, "news").await;
    cluster.has_clients("news", 1).await;
    let posted = cluster.posts(1, "news", "hello").await;
    assert_eq!((&posted["received"], &posted["offset"]), (&json!(1), &json!(1)));
    assert_eq!(anna.receives().await, "hello");
    let batch = json!({"messages": [{"text": "a"}, {"text": "b"}]});
    let reply = Http::post(cluster.address(2), "/rooms/news/batch").json(batch).reply().await;
    assert_eq!((reply.status, &reply.json()["offset"]), (201, &json!(3)));
    assert_eq!(anna.receives_many(2).await, ["a", "b"]);
}

#[tokio::test]
async fn a_batch_has_no_message_of_another_node_between_its_own() {
    const EACH: usize = 50;
    let Some(cluster) = Cluster::start().await else { return };
    let mut anna = cluster.join(0, "news").await;
    let batches = (0..12).map(|batch| {
        let messages: Vec<_> = (0..EACH).map(|number| json!({"text": format!("{batch} {number}")})).collect();
        let request = Http::post(cluster.address(batch % 3), "/rooms/news/batch");
        let request = request.json(json!({"messages": messages}));
        async move {
            let posted = request.reply().await.json();
            assert_eq!(posted["messages"], EACH, "{posted}");
            posted["offset"].as_u64().expect("an offset") as usize
        }
    });
    let last = join_all(batches).await;
    assert_eq!(last.iter().max(), Some(&(12 * EACH)));
    let received = anna.receives_many(12 * EACH).await;
    for (batch, last) in last.into_iter().enumerate() {
        let texts = &received[last - EACH..last];
        assert!(
            texts.iter().zip(0..).all(|(text, number)| *text == format!("{batch} {number}")),
            "{texts:?}"
        );
    }
}

/// The answer to a publication, without the receivers: they are counted anew.
fn place(reply: &Reply) -> Value {
    let mut answer = reply.json();
    answer.as_object_mut().expect("an object").remove("received");
    answer
}

#[tokio::test]
async fn a_request_that_is_repeated_at_other_nodes_is_published_once() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut anna = cluster.join(0, "news").await;
    cluster.has_clients("news", 1).await;
    let post = |node: usize, key: &str, text: &str| {
        Http::post(cluster.address(node), NEWS).header("Idempotency-Key", key).text(text)
    };
    let requests: Vec<_> = (0..9).map(|at| post(at % 3, "a-1", "once")).collect();
    let replies = join_all(requests.iter().map(Http::reply)).await; // all at once
    for reply in &replies {
        assert_eq!((reply.status, place(reply)), (201, place(&replies[0])));
    }
    for node in 0..3 {
        let again = post(node, "a-1", "once").reply().await; // and later
        assert_eq!((again.status, place(&again)), (201, place(&replies[0])));
    }
    cluster.posts(1, "news", "the next").await;
    assert_eq!(anna.receives_many(2).await, ["once", "the next"]);
    assert_eq!(cluster.history(2, "news").await, ["once", "the next"]);
}

#[tokio::test]
async fn a_batch_that_is_repeated_at_another_node_is_published_once() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut anna = cluster.join(2, "news").await;
    cluster.has_clients("news", 1).await;
    let batch = json!({"messages": [{"text": "a"}, {"text": "b"}, {"base64": "AP8="}]});
    let post = |node: usize| {
        let request = Http::post(cluster.address(node), "/rooms/news/batch");
        request.header("Idempotency-Key", "batch").json(batch.clone())
    };
    let [first, second] = [post(0).reply().await, post(1).reply().await];
    assert_eq!((first.status, second.status, place(&second)), (201, 201, place(&first)));
    assert_eq!((&first.json()["messages"], &first.json()["offset"]), (&json!(3), &json!(3)));
    assert_eq!(anna.receives_many(2).await, ["a", "b"]);
    assert_eq!(anna.receives_binary().await, [0, 255][..]);
    cluster.posts(0, "news", "the next").await;
    assert_eq!(anna.receives().await, "the next");
}

#[tokio::test]
async fn a_key_that_was_used_for_another_request_is_refused_on_every_node() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut anna = cluster.join(1, "news").await;
    let post = |node: usize, room: &str, text: &str| {
        let path = format!("/rooms/{room}/messages");
        Http::post(cluster.address(node), &path).header("Idempotency-Key", "a-1").text(text)
    };
    assert_eq!(post(0, "news", "once").reply().await.status, 201);
    for node in 0..3 {
        let reply = post(node, "news", "something else").reply().await;
        assert_eq!(reply.refusal(), (422, "idempotency_key_reused".to_owned()));
    }
    cluster.posts(2, "news", "the next").await;
    assert_eq!(anna.receives_many(2).await, ["once", "the next"]);
}
