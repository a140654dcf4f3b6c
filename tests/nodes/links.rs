//! Connections between a node and Redis that are cut, late, slow or silent: holes are filled.

use crate::support::{
    Addresses, Cluster, Follower, Program, Proxy, Redis, is_ready, reaches, readiness, within,
};
use std::time::Duration;

/// Three nodes, the last of which reaches Redis through a proxy.
struct Linked {
    cluster: Cluster,
    proxy: Proxy,
}

impl Linked {
    async fn start() -> Option<Self> {
        let mut cluster = Cluster::over(Redis::start(&[]).await?, &[]).await;
        let proxy = Proxy::start(cluster.redis.address()).await;
        let url = format!("redis://{}", proxy.address);
        cluster.nodes[2] = cluster.start_node_at(&url);
        cluster.is_ready().await;
        Some(Self { cluster, proxy })
    }

    fn last_node(&self) -> &Program {
        &self.cluster.nodes[2]
    }

    /// Publishes `messages` at the first node and at the last, does `meanwhile` before each, and
    /// checks that clients of both receive all of them once and in one order.
    async fn loses_nothing(&self, messages: usize, mut meanwhile: impl FnMut(usize)) {
        let nodes = Addresses::new(self.cluster.addresses());
        let [mut near, mut far] =
            [Follower::joins(&nodes, 0, "news").await, Follower::joins(&nodes, 2, "news").await];
        let mut publisher = self.cluster.connect(0, "/websocket/news?echo=false").await;
        let mut distant = self.cluster.connect(2, "/websocket/news?echo=false").await;
        let mut received = Vec::new();
        for number in 0..messages {
            meanwhile(number);
            publisher.publishes(format!("near {number}")).await;
            distant.publishes(format!("far {number}")).await;
            received.push(near.receives().await);
        }
        received.extend(near.receives_many(messages).await);
        for name in ["near", "far"] {
            let of_one: Vec<_> = received.iter().filter(|text| text.starts_with(name)).cloned().collect();
            assert_eq!(of_one, (0..messages).map(|number| format!("{name} {number}")).collect::<Vec<_>>());
        }
        assert_eq!(far.receives_many(2 * messages).await, received);
        is_ready(self.last_node()).await;
        self.cluster.posts(2, "news", "the last").await;
        for follower in [&mut near, &mut far] {
            assert_eq!((follower.receives().await, follower.told), ("the last".to_owned(), 0));
        }
    }
}

#[tokio::test]
async fn nothing_is_lost_when_the_connections_of_a_node_are_cut_again_and_again() {
    let Some(linked) = Linked::start().await else { return };
    linked
        .loses_nothing(60, |number| {
            if number % 5 == 4 {
                linked.proxy.cut();
            }
        })
        .await;
    assert!(linked.last_node().metrics().await.value("backplane_reconnects_total") > 0);
}

#[tokio::test]
async fn nothing_is_lost_on_a_connection_that_is_late() {
    let Some(linked) = Linked::start().await else { return };
    linked.proxy.delays(Duration::from_millis(100));
    linked.loses_nothing(20, |_| ()).await;
}

#[tokio::test]
async fn nothing_is_lost_on_a_connection_that_is_slow() {
    let Some(linked) = Linked::start().await else { return };
    linked.proxy.throttles(16 << 10);
    linked.loses_nothing(40, |_| ()).await;
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_replaced_within_seconds() {
    let Some(linked) = Linked::start().await else { return };
    let reconnects = linked.last_node().metrics().await.value("backplane_reconnects_total");
    linked.proxy.falls_silent();
    let noticed = async { while readiness(linked.last_node()).await.0 == 200 {} };
    within("the node to notice the silence", noticed).await;
    is_ready(linked.last_node()).await;
    reaches(linked.last_node(), "backplane_reconnects_total", reconnects + 1).await;
    linked.loses_nothing(5, |_| ()).await;
}

#[tokio::test]
async fn messages_published_while_a_node_receives_nothing_from_redis_reach_its_clients_later() {
    let Some(linked) = Linked::start().await else { return };
    let nodes = Addresses::new(linked.cluster.addresses());
    let mut far = Follower::joins(&nodes, 2, "news").await;
    linked.cluster.posts(0, "news", "0").await;
    assert_eq!(far.receives().await, "0");
    linked.proxy.falls_silent();
    for number in 1..10 {
        linked.cluster.posts(number % 2, "news", &number.to_string()).await;
    }
    for number in 1..10 {
        assert_eq!(far.receives().await, number.to_string());
    }
    linked.cluster.posts(2, "news", "the last").await;
    assert_eq!((far.receives().await, far.told), ("the last".to_owned(), 0));
}

#[tokio::test]
async fn nothing_is_lost_when_redis_ends_the_subscriptions_of_all_nodes() {
    let Some(cluster) = Cluster::start().await else { return };
    let nodes = Addresses::new(cluster.addresses());
    let mut followers = Vec::new();
    for node in 0..3 {
        followers.push(Follower::joins(&nodes, node, "news").await);
    }
    for round in 0..8 {
        cluster.redis.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        for number in 0..5 {
            cluster.posts(number % 3, "news", &format!("{round} {number}")).await;
        }
    }
    cluster.posts(0, "news", "the last").await;
    let expected: Vec<_> =
        (0..8).flat_map(|round| (0..5).map(move |number| format!("{round} {number}"))).collect();
    for follower in &mut followers {
        assert_eq!(follower.receives_many(40).await, expected);
        assert_eq!((follower.receives().await, follower.told), ("the last".to_owned(), 0));
    }
}

#[tokio::test]
async fn nothing_is_lost_when_redis_ends_the_connections_for_calls() {
    let Some(cluster) = Cluster::start().await else { return };
    let nodes = Addresses::new(cluster.addresses());
    let mut follower = Follower::joins(&nodes, 1, "news").await;
    let mut publisher = cluster.join(0, "news").await;
    for number in 0..40 {
        if number % 8 == 3 {
            cluster.redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]).await;
        }
        publisher.publishes(number.to_string()).await;
    }
    let expected: Vec<_> = (0..40).map(|number| number.to_string()).collect();
    assert_eq!(publisher.receives_many(40).await, expected);
    assert_eq!(follower.receives_many(40).await, expected);
    publisher.publishes("the last").await;
    assert_eq!((follower.receives().await, follower.told), ("the last".to_owned(), 0));
}

#[tokio::test]
async fn nothing_is_lost_when_redis_cuts_subscribers_that_read_too_slowly() {
    let options = [("client-output-buffer-limit", "pubsub 256kb 0 0")];
    let Some(redis) = Redis::start(&options).await else { return };
    let mut cluster =
        Cluster::over(redis, &[("history.bytes", "16MiB"), ("session.outbox_bytes", "16MiB")]).await;
    let proxy = Proxy::start(cluster.redis.address()).await;
    cluster.nodes[2] = cluster.start_node_at(&format!("redis://{}", proxy.address));
    cluster.is_ready().await;
    let nodes = Addresses::new(cluster.addresses());
    let mut far = Follower::joins(&nodes, 2, "news").await;
    proxy.throttles(256 << 10);
    let text = |number: usize| format!("{number} {}", "x".repeat(60_000));
    for number in 0..100 {
        cluster.posts(0, "news", &text(number)).await;
    }
    proxy.throttles(0);
    for number in 0..100 {
        assert_eq!(far.receives().await, text(number));
    }
    assert_eq!(far.told, 0);
}
