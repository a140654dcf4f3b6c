//! Three nodes that share one Redis.

use super::{Client, Http, Launch, Program, Redis, Reply, V1, within};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use tokio::time::sleep;

/// Nodes that a cluster begins with.
const NODES: usize = 3;

/// The pause between two questions to a node.
const PAUSE: Duration = Duration::from_millis(10);

/// The settings of every node, which those of a test override. The short time for restoring lets
/// the first room of a new Redis open soon.
const SETTINGS: [(&str, &str); 5] = [
    ("backplane.kind", "redis"),
    ("backplane.restore", "100ms"),
    ("log.messages", "false"),
    ("shutdown.drain", "0s"),
    ("workers", "1"),
];

/// Redis and the nodes, all of which are killed with this handle.
pub struct Cluster {
    pub redis: Redis,
    pub nodes: Vec<Program>,
    settings: Vec<(String, String)>,
}

impl Cluster {
    /// Three nodes that are ready; `None` if Redis is not installed.
    pub async fn start() -> Option<Self> {
        Self::with(&[]).await
    }

    /// The same with these settings on every node.
    pub async fn with(settings: &[(&str, &str)]) -> Option<Self> {
        Self::over(Redis::start(&[]).await?, settings).await.into()
    }

    /// Three nodes over this Redis.
    pub async fn over(redis: Redis, settings: &[(&str, &str)]) -> Self {
        let mut cluster = Self::without_nodes_with(redis, settings);
        for _ in 0..NODES {
            cluster.nodes.push(cluster.start_node());
        }
        cluster.is_ready().await;
        cluster
    }

    /// Redis, and no nodes yet.
    pub fn without_nodes(redis: Redis) -> Self {
        Self::without_nodes_with(redis, &[])
    }

    /// The same with these settings for every node.
    pub fn without_nodes_with(redis: Redis, settings: &[(&str, &str)]) -> Self {
        Self { redis, nodes: Vec::new(), settings: owned(settings) }
    }

    /// One more node, which may not be ready yet.
    pub fn start_node(&self) -> Program {
        self.start_node_at(&self.redis.url())
    }

    /// One more node that reaches Redis at this URL.
    pub fn start_node_at(&self, url: &str) -> Program {
        let of_test: Vec<_> =
            self.settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        Launch::with(&[&SETTINGS[..], &[("backplane.url", url)], &of_test].concat()).start()
    }

    /// Waits until every node is ready.
    pub async fn is_ready(&self) {
        for node in &self.nodes {
            is_ready(node).await;
        }
    }

    /// The address of a node for clients.
    pub fn address(&self, node: usize) -> SocketAddr {
        self.nodes[node].listeners[0]
    }

    /// The addresses of all nodes.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.listeners[0]).collect()
    }

    /// A client in `room` that has received the greeting, and so receives every later message.
    pub async fn join(&self, node: usize, room: &str) -> Client {
        self.connect(node, &format!("/websocket/{room}")).await
    }

    /// A client at `path` that has received the greeting.
    pub async fn connect(&self, node: usize, path: &str) -> Client {
        let mut client = Client::connect(self.address(node), path).await;
        assert_eq!(client.receives().await, "world");
        client
    }

    /// A client of worldcast.v1 in `room` that was welcomed.
    pub async fn join_v1(&self, node: usize, room: &str) -> V1 {
        V1::connect(self.address(node), &format!("/websocket/{room}")).await
    }

    /// Publishes `text` over HTTP.
    pub async fn posts(&self, node: usize, room: &str, text: &str) -> Value {
        let path = format!("/rooms/{room}/messages");
        let reply = Http::post(self.address(node), &path).text(text).reply().await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json()
    }

    /// The answer to a GET.
    pub async fn gets(&self, node: usize, path: &str) -> Reply {
        Http::get(self.address(node), path).reply().await
    }

    /// The texts of the history of `room`, as a node answers.
    pub async fn history(&self, node: usize, room: &str) -> Vec<String> {
        let reply = self.gets(node, &format!("/rooms/{room}/messages?last=1000")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let json = reply.json();
        let messages = json["messages"].as_array().unwrap_or_else(|| panic!("no messages in {json}"));
        messages.iter().map(|message| message["text"].as_str().expect("text").to_owned()).collect()
    }

    /// Waits until every node counts exactly so many clients in `room`.
    pub async fn has_clients(&self, room: &str, clients: u64) {
        for node in &self.nodes {
            let what = format!("{room} to have {clients} clients");
            within(what, async {
                while clients_in(node, room).await != clients {
                    sleep(PAUSE).await;
                }
            })
            .await;
        }
    }

    /// Kills a node (SIGKILL) and waits for its end; the others keep their places.
    pub async fn kills(&mut self, node: usize) {
        self.nodes[node].signal(Signal::KILL);
        within("the end of a node", self.nodes[node].exit(super::PATIENCE)).await.expect("it ends");
    }

    /// Starts a new node in the place of one that has ended, and waits until it is ready.
    pub async fn restarts(&mut self, node: usize) {
        self.nodes[node] = self.start_node();
        is_ready(&self.nodes[node]).await;
    }
}

fn owned(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The status and the body of `/ready`.
pub async fn readiness(node: &Program) -> (u16, String) {
    let reply = Http::get(node.admin, "/ready").reply().await;
    (reply.status, reply.body)
}

/// The status of `/health`.
pub async fn health(node: &Program) -> u16 {
    Http::get(node.admin, "/health").reply().await.status
}

/// Waits until the node is ready.
pub async fn is_ready(node: &Program) {
    within("a node to be ready", async {
        while readiness(node).await.0 != 200 {
            sleep(PAUSE).await;
        }
    })
    .await;
}

/// Waits until `worldcast_{metric}` of the node is at least `least`.
pub async fn reaches(node: &Program, metric: &str, least: u64) {
    within(format!("{metric} to be {least} or more"), async {
        while node.metrics().await.value(metric) < least {
            sleep(PAUSE).await;
        }
    })
    .await;
}

/// The number of clients in `room` on all nodes, as this one counts.
pub async fn clients_in(node: &Program, room: &str) -> u64 {
    let reply = Http::get(node.listeners[0], &format!("/rooms/{room}")).reply().await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["clients"].as_u64().unwrap_or_else(|| panic!("no number of clients in {reply:?}"))
}

/// Requests the members, and returns the notices before the answer, and the answer.
pub async fn receives_presence(client: &mut V1) -> (Vec<Value>, Value) {
    client.sends(json!({"type": "presence"})).await;
    let mut notices = Vec::new();
    loop {
        let received = client.receives().await;
        if received["type"] == "presence" {
            return (notices, received);
        }
        notices.push(received);
    }
}
