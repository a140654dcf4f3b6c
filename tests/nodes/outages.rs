//! Redis is gone, stands still, or has forgotten: sockets stay, and no acknowledged message is
//! lost.

use crate::support::{
    Addresses, Client, Cluster, End, Follower, Http, Subscriber, V1, health, is_ready, readiness, within,
};
use futures_util::future::join_all;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// Short waits, for tests of what follows them.
const HASTY: [(&str, &str); 2] = [("session.stalled_write", "1s"), ("backplane.timeout", "500ms")];

/// The time for restoring that the program has by default.
const RESTORE: (&str, &str) = ("backplane.restore", "1s");

async fn is_not_ready(cluster: &Cluster) {
    for node in &cluster.nodes {
        let what = "a node to notice that Redis is gone";
        within(what, async { while readiness(node).await.0 == 200 {} }).await;
    }
}

/// Publishes with a `ref` and waits for the answer.
async fn answer_to(client: &mut V1, text: &str) -> serde_json::Value {
    client.sends(json!({"type": "publish", "text": text, "ref": text})).await;
    loop {
        let received = client.receives().await;
        if received["ref"] == text {
            return received;
        }
    }
}

#[tokio::test]
async fn an_unconfirmed_message_is_sent_again_when_redis_is_back_and_arrives_once() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let mut subscribers = Subscriber::of_all_kinds(&cluster.addresses(), "news").await;
    let mut bare = cluster.connect(0, "/websocket/news?echo=false").await;
    let mut v1 = V1::connect(cluster.address(1), "/websocket/news?echo=false").await;
    bare.publishes("before").await;
    assert_eq!(v1.receives_message().await.1, "before");
    cluster.redis.cli(&["SAVE"]).await;
    cluster.redis.kill().await;
    is_not_ready(&cluster).await;

    for number in 0..3 {
        bare.publishes(format!("bare {number}")).await;
        v1.publishes(&format!("v1 {number}")).await;
    }
    let post = Http::post(cluster.address(2), "/rooms/news/messages").text("HTTP");
    let (reply, ()) = tokio::join!(post.reply(), async {
        cluster.redis.restart(true).await;
    });
    assert_eq!(reply.status, 201, "{reply:?}");
    cluster.is_ready().await;
    let orders = join_all(subscribers.iter_mut().map(|one| one.receives_many(8))).await;
    for order in &orders {
        assert_eq!(*order, orders[0]);
        let of = |name: &str| order.iter().filter(|text| text.starts_with(name)).cloned().collect::<Vec<_>>();
        assert_eq!(of("bare"), ["bare 0", "bare 1", "bare 2"]);
        assert_eq!(of("v1"), ["v1 0", "v1 1", "v1 2"]);
        assert!(order[0] == "before" && of("HTTP").len() == 1, "{order:?}");
    }
    cluster.posts(0, "news", "the last").await;
    for subscriber in &mut subscribers {
        assert_eq!(subscriber.receives().await, "the last"); // a double would have come first
    }
}

#[tokio::test]
async fn publishers_are_told_when_redis_stays_away_and_sockets_stay() {
    let Some(mut cluster) = Cluster::with(&HASTY).await else { return };
    let mut subscriber = cluster.join(0, "news").await;
    let mut bare = cluster.join(0, "news").await;
    let mut v1 = cluster.join_v1(1, "news").await;
    cluster.has_clients("news", 3).await;
    cluster.redis.cli(&["SAVE"]).await;
    cluster.redis.kill().await;

    let error = answer_to(&mut v1, "into the void").await;
    assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("backplane")), "{error}");
    bare.publishes("into the void too").await;
    assert_eq!(bare.ended_with().await, End::Code(1013));
    for path in ["/rooms/news/messages", "/rooms/elsewhere/messages"] {
        let reply = Http::post(cluster.address(2), path).text("HTTP").reply().await;
        assert_eq!(reply.refusal(), (503, "backplane".to_owned()));
        assert!(reply.head.contains("\r\nretry-after: "), "{reply:?}");
    }

    cluster.redis.restart(true).await;
    cluster.is_ready().await;
    assert_eq!(answer_to(&mut v1, "again").await["type"], "ack"); // the session stayed
    let mut received = Vec::new();
    while received.last().is_none_or(|last| last != "again") {
        received.push(subscriber.receives().await); // the session stayed
    }
    // Messages whose publishers were told may be published, but none of them twice.
    let mut distinct = received.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), received.len(), "{received:?}");
    assert_eq!(cluster.history(2, "news").await, received);
}

#[tokio::test]
async fn readiness_and_metrics_tell_the_state_of_redis_and_health_does_not() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let node = 0;
    assert_eq!(cluster.nodes[node].metrics().await.value("backplane_up"), 1);
    cluster.redis.kill().await;
    is_not_ready(&cluster).await;
    let (status, reason) = readiness(&cluster.nodes[node]).await;
    assert!(status == 503 && reason.contains("backplane"), "{status} {reason}");
    assert_eq!(health(&cluster.nodes[node]).await, 200);
    assert_eq!(cluster.nodes[node].metrics().await.value("backplane_up"), 0);
    let reconnects = cluster.nodes[node].metrics().await.value("backplane_reconnects_total");

    cluster.redis.restart(false).await;
    cluster.is_ready().await;
    let metrics = cluster.nodes[node].metrics().await;
    assert_eq!(metrics.value("backplane_up"), 1);
    assert!(metrics.value("backplane_reconnects_total") > reconnects);
}

#[tokio::test]
async fn an_open_room_is_joined_without_redis_and_another_one_is_not() {
    let Some(mut cluster) = Cluster::with(&HASTY).await else { return };
    let anna = cluster.join_v1(0, "news").await;
    cluster.posts(0, "news", "before").await;
    let since = anna.since_welcome();
    cluster.redis.cli(&["SAVE"]).await;
    cluster.redis.kill().await;
    is_not_ready(&cluster).await;

    let mut late = cluster.connect(0, "/websocket/news?last=1").await;
    assert_eq!(late.receives().await, "before");
    let mut resumed = V1::connect(cluster.address(0), &format!("/websocket/news?{since}")).await;
    assert_eq!(resumed.welcome["recovered"], true);
    assert_eq!(resumed.receives_message().await, (1, "before".to_owned()));
    assert_eq!(cluster.history(0, "news").await, ["before"]);

    let mut elsewhere = Client::connect(cluster.address(0), "/websocket/elsewhere").await;
    let (received, end) = elsewhere.receives_until_the_end().await;
    assert_eq!((received, end), (Vec::new(), End::Code(1013)));
    let unknown = cluster.gets(1, "/rooms/news/messages?last=1").await;
    assert_eq!(unknown.refusal(), (503, "backplane".to_owned()));
    assert!(unknown.head.contains("\r\nretry-after: "), "{unknown:?}");

    cluster.redis.restart(true).await;
    cluster.is_ready().await;
    cluster.posts(2, "news", "after").await;
    assert_eq!(late.receives().await, "after");
    assert_eq!(resumed.receives_message().await, (2, "after".to_owned()));
}

#[tokio::test]
async fn a_join_waits_until_redis_is_back() {
    let Some(mut cluster) = Cluster::start().await else { return };
    cluster.posts(0, "news", "before").await;
    cluster.redis.cli(&["SAVE"]).await;
    cluster.redis.kill().await;
    is_not_ready(&cluster).await;
    let mut joining = Client::connect(cluster.address(1), "/websocket/news?last=1").await;
    cluster.redis.restart(true).await;
    assert_eq!(joining.receives_many(2).await, ["world", "before"]);
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_when_redis_stands_still_for_a_while() {
    let Some(cluster) = Cluster::with(&[("backplane.timeout", "500ms")]).await else { return };
    let nodes = Addresses::new(cluster.addresses());
    let mut followers = Vec::new();
    for node in 0..3 {
        followers.push(Follower::joins(&nodes, node, "news").await);
    }
    let mut publisher = cluster.join(0, "news").await;
    publisher.publishes("0").await;
    publisher.receives().await;
    cluster.redis.pause();
    for number in 1..20 {
        publisher.publishes(number.to_string()).await;
    }
    is_not_ready(&cluster).await;
    cluster.redis.resume();
    cluster.is_ready().await;
    publisher.publishes("the last").await;
    let expected: Vec<_> = (0..20).map(|number| number.to_string()).chain(["the last".to_owned()]).collect();
    for follower in &mut followers {
        assert_eq!(follower.receives_many(21).await, expected);
        assert_eq!(follower.told, 0);
    }
    assert_eq!(cluster.history(2, "news").await, expected);
}

/// Publishes from every node, restarts Redis by `restart`, publishes again, and checks that
/// clients of all nodes have received everything once, in one order, and were told nothing.
async fn nobody_notices(restart: impl AsyncFnOnce(&mut Cluster)) {
    let Some(mut cluster) = Cluster::with(&[RESTORE]).await else { return };
    let nodes = Addresses::new(cluster.addresses());
    let mut followers = Vec::new();
    for node in 0..3 {
        followers.push(Follower::joins(&nodes, node, "news").await);
    }
    let mut bare = cluster.join(1, "news").await;
    for number in 0..6 {
        cluster.posts(number % 3, "news", &format!("before {number}")).await;
    }
    restart(&mut cluster).await;
    cluster.is_ready().await;
    let publishing = (0..6).map(|number| {
        let cluster = &cluster;
        async move { cluster.posts(number % 3, "news", &format!("after {number}")).await }
    });
    join_all(publishing).await;

    let received = bare.receives_many(12).await;
    let before: Vec<_> = (0..6).map(|number| format!("before {number}")).collect();
    assert_eq!(received[..6], before);
    for follower in &mut followers {
        assert_eq!((follower.receives_many(12).await, follower.told), (received.clone(), 0));
        follower.resumes().await;
        assert_eq!(follower.told, 0, "after it has come back");
    }
    cluster.posts(0, "news", "the last").await;
    assert_eq!(bare.receives().await, "the last");
    for follower in &mut followers {
        assert_eq!((follower.receives().await, follower.told), ("the last".to_owned(), 0));
    }
    let history = cluster.history(2, "news").await;
    assert_eq!((history.len(), &history[..12], history[12].as_str()), (13, &received[..], "the last"));
    let reply = cluster.gets(0, "/rooms/news").await.json();
    assert_eq!(reply["offset"], 13, "{reply}");
}

#[tokio::test]
async fn nothing_is_lost_and_nobody_is_told_when_redis_restarts_with_its_data() {
    nobody_notices(async |cluster| cluster.redis.restart(true).await).await;
}

#[tokio::test]
async fn nothing_is_lost_and_nobody_is_told_when_redis_restarts_without_its_data() {
    nobody_notices(async |cluster| cluster.redis.restart(false).await).await;
}

#[tokio::test]
async fn messages_that_redis_had_not_saved_are_given_back_by_the_nodes() {
    nobody_notices(async |cluster| {
        cluster.redis.cli(&["SAVE"]).await;
        for number in 0..6 {
            cluster.posts(number % 3, "other", &format!("unsaved {number}")).await;
        }
        cluster.redis.kill().await;
        cluster.redis.restart(true).await; // with an old dump
    })
    .await;
}

#[tokio::test]
async fn nothing_is_lost_when_redis_restarts_several_times() {
    nobody_notices(async |cluster| {
        for keeps_data in [true, false, false, true] {
            cluster.redis.restart(keeps_data).await;
            cluster.is_ready().await;
        }
    })
    .await;
}

#[tokio::test]
async fn clients_are_told_when_all_keys_of_redis_are_deleted() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut clients = [cluster.join(0, "news").await, cluster.join(1, "news").await];
    cluster.posts(2, "news", "before").await;
    for client in &mut clients {
        assert_eq!(client.receives().await, "before");
    }
    cluster.redis.cli(&["FLUSHALL"]).await; // the same process of Redis: nobody gives anything back
    cluster.posts(2, "news", "after").await;
    for client in &mut clients {
        assert_eq!(client.ended_with().await, End::Code(1012));
    }
    assert_eq!(cluster.history(0, "news").await, ["after"]);
}

#[tokio::test]
async fn scripts_that_redis_has_forgotten_are_given_to_it_again() {
    nobody_notices(async |cluster| {
        cluster.redis.cli(&["SCRIPT", "FLUSH"]).await;
    })
    .await;
}

#[tokio::test]
async fn an_outage_has_one_line_in_the_log_for_its_begin_and_one_for_its_end() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let address = cluster.redis.address().to_string();
    let before = cluster.nodes[0].log.count(&address);
    cluster.redis.kill().await;
    is_not_ready(&cluster).await;
    let gone = Instant::now();
    let mut lines = 0;
    while gone.elapsed() < Duration::from_secs(3) {
        lines = cluster.nodes[0].log.count(&address) - before;
        readiness(&cluster.nodes[0]).await;
    }
    let text = cluster.nodes[0].log.text();
    assert!((1..=2).contains(&lines), "{lines} lines name {address} in 3 s:\n{text}");
    cluster.redis.restart(false).await;
    is_ready(&cluster.nodes[0]).await;
    within("a line about the end of the outage", async {
        while cluster.nodes[0].log.count(&address) - before <= lines {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_flood_while_redis_stands_still_holds_no_more_than_the_limits_and_is_delivered_later() {
    const LIMIT: u64 = 1 << 20;
    const MESSAGES: usize = 100;
    let limits = [("limits.in_flight_bytes", "1MiB"), ("session.outbox_bytes", "8MiB")];
    let Some(cluster) = Cluster::with(&limits).await else { return };
    let mut subscriber = cluster.join(1, "news").await;
    let mut publisher = cluster.connect(0, "/websocket/news?echo=false").await;
    let text = |number: usize| format!("{number:032768}");
    cluster.redis.pause();
    let flooding = async {
        for number in 0..MESSAGES {
            publisher.publishes(text(number)).await;
        }
    };
    let watching = async {
        let mut full = 0;
        while full < 20 {
            let held = cluster.nodes[0].metrics().await.value("in_flight_bytes");
            assert!(held <= LIMIT, "{held} bytes");
            full += u64::from(held > LIMIT - (32 << 10) - 256);
        }
        cluster.redis.resume();
    };
    let reading = async {
        for number in 0..MESSAGES {
            assert_eq!(subscriber.receives().await, text(number));
        }
    };
    tokio::join!(flooding, watching, reading);
    cluster.posts(2, "news", "the last").await;
    assert_eq!(subscriber.receives().await, "the last");
}
