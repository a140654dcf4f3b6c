//! Members of a room on all nodes: their names, their number, their joins and leaves.

use crate::support::{Cluster, Kind, Subscriber, V1, receives_presence, within};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::Instant;

const PRESENCE: [(&str, &str); 2] = [("rooms.presence", "true"), ("rooms.gather_presence", "5ms")];

/// The time after which a node that is silent counts as dead.
const NODE_TIMEOUT: Duration = Duration::from_secs(3);

fn with_timeout() -> Vec<(&'static str, &'static str)> {
    [&PRESENCE[..], &[("backplane.node_timeout", "3s")]].concat()
}

fn names(answer: &Value) -> BTreeSet<String> {
    let who = answer["who"].as_array().unwrap_or_else(|| panic!("no list of members in {answer}"));
    who.iter().map(|who| who.as_str().expect("text").to_owned()).collect()
}

fn name(client: &V1) -> String {
    client.welcome["who"].as_str().expect("text").to_owned()
}

/// Asks again until the answer has exactly these members.
async fn knows(client: &mut V1, members: &BTreeSet<String>) {
    within(format!("{members:?} to be members"), async {
        loop {
            let (_, answer) = receives_presence(client).await;
            if names(&answer) == *members {
                assert_eq!(answer["clients"], members.len(), "{answer}");
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn members_of_all_nodes_are_known_on_each() {
    let Some(cluster) = Cluster::with(&PRESENCE).await else { return };
    let mut clients = Vec::new();
    for node in [0, 1, 2, 0, 1, 2] {
        clients.push(cluster.join_v1(node, "news").await);
    }
    let members: BTreeSet<_> = clients.iter().map(name).collect();
    assert_eq!(members.len(), 6, "names are unique over nodes");
    for client in &mut clients {
        knows(client, &members).await;
    }
    clients.remove(0).closes().await;
    let members: BTreeSet<_> = clients.iter().map(name).collect();
    for client in &mut clients {
        knows(client, &members).await;
    }
    cluster.has_clients("news", 5).await;
}

#[tokio::test]
async fn clients_of_every_kind_count_on_all_nodes() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut clients = Vec::new();
    for (node, kind) in [(0, Kind::Bare), (1, Kind::V1), (2, Kind::Events), (2, Kind::Bare)] {
        clients.push(Subscriber::joins(cluster.address(node), kind, "news").await);
        cluster.has_clients("news", clients.len() as u64).await;
    }
    while let Some(client) = clients.pop() {
        drop(client);
        cluster.has_clients("news", clients.len() as u64).await;
    }
}

#[tokio::test]
async fn a_join_is_received_on_other_nodes_before_the_messages_of_its_client_and_a_leave_after_them() {
    let Some(cluster) = Cluster::with(&PRESENCE).await else { return };
    let mut anna = cluster.join_v1(0, "news").await;
    for round in 0..20 {
        let mut bert = cluster.join_v1(1 + round % 2, "news").await;
        bert.publishes("hello").await;
        let who = bert.welcome["who"].clone();
        bert.closes().await;
        assert_eq!(anna.receives().await, json!({"type": "join", "who": who}), "round {round}");
        let message = anna.receives().await;
        assert_eq!((&message["text"], &message["who"]), (&json!("hello"), &who), "round {round}");
        assert_eq!(anna.receives().await, json!({"type": "leave", "who": who}), "round {round}");
    }
}

#[tokio::test]
async fn joins_leaves_and_answers_of_all_nodes_never_contradict_each_other() {
    let Some(cluster) = Cluster::with(&PRESENCE).await else { return };
    let mut anna = cluster.join_v1(0, "news").await;
    let churning = (0..6).map(|churner| {
        let address = cluster.address(churner % 3);
        async move {
            loop {
                let mut client = V1::connect(address, "/websocket/news").await;
                client.publishes("here I am").await;
                client.closes().await;
            }
        }
    });
    let checking = async {
        let mut members = names(&receives_presence(&mut anna).await.1);
        for _ in 0..60 {
            let (notices, answer) = receives_presence(&mut anna).await;
            for notice in notices {
                let who = notice["who"].as_str().expect("text").to_owned();
                match notice["type"].as_str() {
                    Some("join") => assert!(members.insert(who), "{notice} of a member"),
                    Some("leave") => assert!(members.remove(&who), "{notice} of no member"),
                    _ => assert!(members.contains(&who), "{notice} of no member"),
                }
            }
            assert_eq!(names(&answer), members);
        }
    };
    tokio::select! {
        _ = futures_util::future::join_all(churning) => unreachable!("they go on without end"),
        () = checking => {}
    }
}

#[tokio::test]
async fn a_speaker_with_sessions_on_two_nodes_is_one_member_until_both_end() {
    let Some(cluster) = Cluster::with(&PRESENCE).await else { return };
    let mut anna = cluster.join_v1(0, "news").await;
    let first = cluster.join_v1(1, "news").await;
    let who = first.welcome["who"].clone();
    assert_eq!(anna.receives().await, json!({"type": "join", "who": who}));
    let path = format!("/websocket/news?{}", first.since_welcome());
    let second = V1::connect(cluster.address(2), &path).await;
    assert_eq!(second.welcome["who"], who);
    cluster.has_clients("news", 3).await;

    first.closes().await;
    cluster.has_clients("news", 2).await;
    let carl = cluster.join_v1(1, "news").await;
    // A leave of the speaker, or its second join, would have come first.
    assert_eq!(anna.receives().await, json!({"type": "join", "who": carl.welcome["who"]}));
    second.closes().await;
    assert_eq!(anna.receives().await, json!({"type": "leave", "who": who}));
}

#[tokio::test]
async fn members_of_a_killed_node_leave_once_within_node_timeout() {
    let Some(mut cluster) = Cluster::with(&with_timeout()).await else { return };
    let mut anna = cluster.join_v1(0, "news").await;
    let mut carl = cluster.join_v1(1, "news").await;
    let lost = [cluster.join_v1(2, "news").await, cluster.join_v1(2, "news").await];
    let mut members: BTreeSet<_> = lost.iter().map(name).collect();
    let gone = members.clone();
    members.extend([name(&anna), name(&carl)]);
    knows(&mut anna, &members).await;
    knows(&mut carl, &members).await;

    let killed = Instant::now();
    cluster.kills(2).await;
    for client in [&mut anna, &mut carl] {
        let mut left = BTreeSet::new();
        for _ in 0..gone.len() {
            let notice = client.receives().await;
            assert_eq!(notice["type"], "leave", "{notice}");
            assert!(left.insert(notice["who"].as_str().expect("text").to_owned()), "{notice} again");
        }
        assert_eq!(left, gone);
    }
    assert!(killed.elapsed() < 3 * NODE_TIMEOUT, "{:?}", killed.elapsed()); // seen at a heartbeat after it
    cluster.nodes.truncate(2);
    cluster.has_clients("news", 2).await;
    cluster.posts(0, "news", "the last").await;
    for client in [&mut anna, &mut carl] {
        assert_eq!(client.receives_message().await.1, "the last"); // another leave would have come first
    }
}

#[tokio::test]
async fn members_of_a_stopped_node_leave_at_once() {
    let Some(mut cluster) = Cluster::with(&PRESENCE).await else { return }; // node_timeout is 15 s
    let mut anna = cluster.join_v1(0, "news").await;
    let bert = cluster.join_v1(1, "news").await;
    let who = bert.welcome["who"].clone();
    assert_eq!(anna.receives().await, json!({"type": "join", "who": who}));
    let stopped = Instant::now();
    cluster.nodes[1].terminate();
    assert_eq!(anna.receives().await, json!({"type": "leave", "who": who}));
    assert!(stopped.elapsed() < Duration::from_secs(8), "{:?}", stopped.elapsed());
    let exit = cluster.nodes[1].exit(Duration::from_secs(10)).await.expect("it ends");
    assert_eq!(exit.code(), Some(0));
    cluster.nodes.remove(1);
    cluster.has_clients("news", 1).await;
}

#[tokio::test]
async fn members_of_a_node_that_was_taken_for_dead_come_back_with_it() {
    let Some(cluster) = Cluster::with(&with_timeout()).await else { return };
    let mut anna = cluster.join_v1(0, "news").await;
    let mut bert = cluster.join_v1(1, "news").await;
    let members = BTreeSet::from([name(&anna), name(&bert)]);
    knows(&mut anna, &members).await;
    knows(&mut bert, &members).await;
    cluster.nodes[1].stands_still();
    assert_eq!(anna.receives().await, json!({"type": "leave", "who": bert.welcome["who"]}));
    cluster.nodes[1].continues();
    assert_eq!(anna.receives().await, json!({"type": "join", "who": bert.welcome["who"]}));
    knows(&mut anna, &members).await;
    cluster.posts(2, "news", "hello").await;
    assert_eq!(anna.receives_message().await.1, "hello");
    assert_eq!(bert.receives_message().await.1, "hello");
    knows(&mut bert, &members).await;
    cluster.has_clients("news", 2).await;
}

#[tokio::test]
async fn members_are_known_again_after_redis_has_lost_its_data() {
    let Some(mut cluster) = Cluster::with(&PRESENCE).await else { return };
    let mut anna = cluster.join_v1(0, "news").await;
    let mut bert = cluster.join_v1(1, "news").await;
    let members = BTreeSet::from([name(&anna), name(&bert)]);
    knows(&mut anna, &members).await;
    knows(&mut bert, &members).await;
    cluster.redis.restart(false).await;
    cluster.is_ready().await;
    cluster.has_clients("news", 2).await;
    knows(&mut anna, &members).await;
    knows(&mut bert, &members).await;
}
