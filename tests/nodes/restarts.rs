//! Nodes that stop, are killed, or stand still, while clients go on at others.

use crate::support::{Addresses, Cluster, Follower, Http, is_ready};
use futures_util::future::join_all;
use std::{cell::Cell, time::Duration};
use tokio::time::sleep;

const END: &str = "the end";

/// The pause between two messages of the load.
const PAUSE: Duration = Duration::from_millis(2);

/// Publishes numbers over HTTP until `done`, and then [`END`]; each is repeated under its key at
/// another node until it is accepted. Returns the number of messages before [`END`].
async fn publishes_until(nodes: &Addresses, room: &str, done: &Cell<bool>) -> usize {
    let mut number = 0;
    while !done.get() {
        publishes(nodes, room, number, &number.to_string()).await;
        number += 1;
        sleep(PAUSE).await;
    }
    publishes(nodes, room, number, END).await;
    number
}

async fn publishes(nodes: &Addresses, room: &str, number: usize, text: &str) {
    let path = format!("/rooms/{room}/messages");
    for attempt in number.. {
        let request = Http::post(nodes.at(attempt), &path).header("Idempotency-Key", &number.to_string());
        match request.text(text).try_reply().await {
            Some(reply) if reply.status == 201 => return,
            Some(reply) if reply.status != 503 => panic!("{reply:?}"),
            _ => sleep(PAUSE).await,
        }
    }
}

/// Receives until [`END`]; every message is the number after the one before.
async fn receives_all(follower: &mut Follower) -> usize {
    for number in 0.. {
        let text = follower.receives().await;
        if text == END {
            assert_eq!(follower.told, 0);
            return number;
        }
        assert_eq!(text, number.to_string());
    }
    unreachable!("the numbers do not end")
}

/// Clients on all nodes follow a room with load while `disturb` acts; none misses or doubles
/// anything.
async fn nobody_misses_anything(
    settings: &[(&str, &str)],
    disturb: impl AsyncFnOnce(&mut Cluster, &Addresses),
) {
    let large = [("history.messages", "100000"), ("history.bytes", "64MiB")];
    let Some(mut cluster) = Cluster::with(&[&large[..], settings].concat()).await else { return };
    let nodes = Addresses::new(cluster.addresses());
    let mut followers = Vec::new();
    for client in 0..9 {
        followers.push(Follower::joins(&nodes, client % 3, "news").await);
    }
    let done = Cell::new(false);
    let following = join_all(followers.iter_mut().map(receives_all));
    let disturbing = async {
        disturb(&mut cluster, &nodes).await;
        done.set(true);
    };
    let (published, received, ()) =
        tokio::join!(publishes_until(&nodes, "news", &done), following, disturbing);
    assert!(published > 0 && received.iter().all(|count| *count == published), "{published} {received:?}");
}

#[tokio::test]
async fn a_rolling_restart_under_load_lets_no_client_miss_anything() {
    nobody_misses_anything(&[("shutdown.drain", "300ms")], async |cluster, nodes| {
        for node in 0..3 {
            cluster.nodes[node].terminate();
            let exit = cluster.nodes[node].exit(Duration::from_secs(15)).await.expect("it ends");
            assert_eq!(exit.code(), Some(0), "{}", cluster.nodes[node].log.text());
            cluster.restarts(node).await;
            nodes.replace(node, cluster.address(node));
        }
    })
    .await;
}

#[tokio::test]
async fn clients_of_killed_nodes_miss_nothing_at_others() {
    nobody_misses_anything(&[("backplane.node_timeout", "3s")], async |cluster, nodes| {
        for node in [2, 0, 1] {
            cluster.kills(node).await;
            sleep(50 * PAUSE).await; // of load without it
            cluster.restarts(node).await;
            nodes.replace(node, cluster.address(node));
        }
    })
    .await;
}

#[tokio::test]
async fn clients_of_a_node_that_stood_still_miss_nothing() {
    nobody_misses_anything(&[("backplane.timeout", "500ms")], async |cluster, _| {
        cluster.nodes[2].stands_still();
        sleep(500 * PAUSE).await; // of load without it
        cluster.nodes[2].continues();
        is_ready(&cluster.nodes[2]).await;
    })
    .await;
}

#[tokio::test]
async fn nobody_misses_anything_while_redis_restarts_under_load() {
    nobody_misses_anything(&[("backplane.restore", "1s")], async |cluster, _| {
        for keeps_data in [true, false] {
            cluster.redis.restart(keeps_data).await;
            cluster.is_ready().await;
            sleep(300 * PAUSE).await; // of load with it
        }
    })
    .await;
}

#[tokio::test]
async fn a_stopping_node_publishes_what_it_has_accepted() {
    const MESSAGES: usize = 300;
    let Some(mut cluster) = Cluster::start().await else { return };
    let nodes = Addresses::new(cluster.addresses());
    let mut follower = Follower::joins(&nodes, 1, "news").await;
    let mut publisher = cluster.connect(0, "/websocket/news?echo=false").await;
    for number in 0..MESSAGES {
        publisher.publishes(number.to_string()).await;
    }
    publisher.waits_until_all_is_accepted().await;
    cluster.nodes[0].terminate();
    let expected: Vec<_> = (0..MESSAGES).map(|number| number.to_string()).collect();
    assert_eq!(follower.receives_many(MESSAGES).await, expected);
    assert_eq!(cluster.nodes[0].exit(Duration::from_secs(15)).await.expect("it ends").code(), Some(0));
    cluster.posts(2, "news", END).await;
    assert_eq!(follower.receives().await, END);
}
