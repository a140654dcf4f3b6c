//! The first contact with Redis: a node waits for one that is away, and ends at a wrong set-up.

use crate::support::{
    Client, Cluster, Program, Redis, health, is_ready, readiness, redis_of_version, within,
};
use std::{collections::BTreeMap, net::TcpListener, process::Stdio};
use testing::executable;
use tokio::process::Command;

const SECRET: &str = "a-password-that-nobody-guesses";

/// The exit code and the log of a node with these settings, which must end by itself.
async fn refusal(settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let basic = [("listen", "127.0.0.1:0"), ("admin.listen", "127.0.0.1:0"), ("backplane.kind", "redis")];
    let variables: BTreeMap<_, _> = basic
        .iter()
        .chain(settings)
        .map(|(key, value)| (format!("WORLDCAST_{}", key.to_uppercase().replace('.', "__")), *value))
        .collect();
    let mut command = Command::new(executable());
    command.env_clear().envs(variables).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    let output = within("the end of a node that cannot work", command.stderr(Stdio::piped()).output()).await;
    let output = output.expect("a child");
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

/// The node ends with code 1, and its last line has these texts.
async fn is_refused(settings: &[(&str, &str)], texts: &[&str]) {
    let (code, log) = refusal(settings).await;
    let last = log.lines().last().unwrap_or_default();
    assert_eq!(code, Some(1), "{log}");
    assert!(texts.iter().all(|text| last.contains(text)), "{texts:?} in {log}");
    assert!(!log.contains(SECRET), "{log}");
}

/// A client in the default room that was greeted.
async fn joins(node: &Program) -> Client {
    let mut client = Client::connect(node.listeners[0], "/").await;
    assert_eq!(client.receives().await, "world");
    client
}

#[tokio::test]
async fn a_node_starts_without_redis_and_becomes_ready_with_it() {
    let Some(mut redis) = Redis::start(&[]).await else { return };
    redis.kill().await;
    let address = redis.address().to_string();
    let mut cluster = Cluster::without_nodes(redis);
    let node = cluster.start_node();
    let (status, reason) = readiness(&node).await;
    assert!(status == 503 && reason.contains("backplane"), "{status} {reason}");
    assert_eq!(health(&node).await, 200);
    within("a line about it", async {
        while node.log.count(&address) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;

    cluster.redis.restart(true).await;
    is_ready(&node).await;
    let mut client = joins(&node).await;
    client.publishes("hello").await;
    assert_eq!(client.receives().await, "hello");
}

#[tokio::test]
async fn a_wrong_password_ends_a_node_with_a_remedy_and_the_right_one_does_not() {
    let Some(redis) = Redis::start(&[("requirepass", SECRET)]).await else { return };
    let url = redis.url();
    is_refused(&[("backplane.url", &url)], &["backplane.password"]).await;
    let wrong = [("backplane.url", url.as_str()), ("backplane.password", "wrong-but-not-empty")];
    is_refused(&wrong, &["backplane.password"]).await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("password");
    std::fs::write(&file, format!("{SECRET}\n")).expect("a file");
    let file = file.display().to_string();
    let in_url = url.replace("redis://", &format!("redis://:{SECRET}@"));
    for settings in [
        &[("backplane.password", SECRET)][..],
        &[("backplane.password_file", &file)],
        &[("backplane.url", &in_url)],
    ] {
        let cluster =
            Cluster::without_nodes_with(Redis::start(&[]).await.expect("it is installed"), settings);
        let node = match settings[0].0 {
            "backplane.url" => cluster.start_node_at(&in_url),
            _ => cluster.start_node_at(&url),
        };
        is_ready(&node).await;
        assert_eq!(node.log.count(SECRET), 0, "{}", node.log.text());
    }
}

#[tokio::test]
async fn a_database_that_redis_does_not_have_ends_a_node_with_a_remedy() {
    let Some(redis) = Redis::start(&[("databases", "1")]).await else { return };
    is_refused(&[("backplane.url", &format!("{}/7", redis.url()))], &["backplane.url", "7"]).await;
}

#[tokio::test]
async fn a_redis_that_is_too_old_ends_a_node_with_the_version_it_needs() {
    let old = redis_of_version("6.0.16").await;
    is_refused(&[("backplane.url", &format!("redis://{old}"))], &["6.0.16", "6.2"]).await;
}

#[tokio::test]
async fn a_prefix_of_another_program_ends_a_node_with_a_remedy() {
    let Some(redis) = Redis::start(&[]).await else { return };
    redis.cli(&["SET", "worldcast:session:1", "of another program"]).await;
    is_refused(&[("backplane.url", &redis.url())], &["backplane.prefix", "worldcast:"]).await;
    assert_eq!(redis.cli(&["GET", "worldcast:session:1"]).await, "of another program");
    let cluster = Cluster::without_nodes_with(redis, &[("backplane.prefix", "chat:")]);
    is_ready(&cluster.start_node()).await;
}

#[tokio::test]
async fn clusters_with_prefixes_of_their_own_share_a_redis_and_no_room() {
    let Some(redis) = Redis::start(&[]).await else { return };
    let url = redis.url();
    let one = Cluster::without_nodes_with(redis, &[("backplane.prefix", "one:")]);
    let Some(other) = Redis::start(&[]).await else { return };
    let other = Cluster::without_nodes_with(other, &[("backplane.prefix", "other:")]);
    let nodes = [one.start_node(), one.start_node(), other.start_node_at(&url)];
    let mut clients = Vec::new();
    for node in &nodes {
        is_ready(node).await;
        clients.push(joins(node).await);
    }
    let [anna, bert, carl] = &mut clients[..] else { unreachable!("three of them") };
    anna.publishes("of one").await;
    assert_eq!(bert.receives().await, "of one");
    carl.publishes("of the other").await;
    assert_eq!(carl.receives().await, "of the other"); // "of one" would have come first
    bert.publishes("again").await;
    assert_eq!(anna.receives_many(2).await, ["of one", "again"]);
    let keys = one.redis.cli(&["KEYS", "*"]).await;
    assert!(keys.lines().all(|key| key.starts_with("one:") || key.starts_with("other:")), "{keys}");
}

#[tokio::test]
async fn a_redis_that_evicts_keys_is_a_warning() {
    let Some(redis) = Redis::start(&[("maxmemory", "64mb"), ("maxmemory-policy", "allkeys-lru")]).await
    else {
        return;
    };
    let cluster = Cluster::without_nodes(redis);
    let node = cluster.start_node();
    is_ready(&node).await;
    within("a warning", async {
        while node.log.count("maxmemory-policy") == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn nodes_reach_redis_at_a_unix_socket() {
    let Some(redis) = Redis::start(&[]).await else { return };
    let url = format!("redis+unix://{}", redis.socket().display());
    let cluster = Cluster::without_nodes(redis);
    let nodes = [cluster.start_node_at(&url), cluster.start_node()];
    let mut clients = Vec::new();
    for node in &nodes {
        is_ready(node).await;
        clients.push(joins(node).await);
    }
    clients[0].publishes("hello").await;
    assert_eq!(clients[1].receives().await, "hello");
}

#[tokio::test]
async fn a_port_where_something_else_answers_is_reported_and_ends_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address"); // it accepts, and never answers
    let Some(redis) = Redis::start(&[]).await else { return };
    let cluster = Cluster::without_nodes_with(redis, &[("backplane.timeout", "500ms")]);
    let node = cluster.start_node_at(&format!("redis://{address}"));
    within("a line about it", async {
        while node.log.count(&address.to_string()) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!((readiness(&node).await.0, health(&node).await), (503, 200));
}
