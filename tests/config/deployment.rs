//! The files of deploy/ for several nodes, with the real programs: nodes, Redis, nginx.

use crate::{shipped::unchanged, support::Operator};
use serde_json::Value;
use std::{
    env, fs,
    net::SocketAddr,
    process::{Command, Stdio},
    time::Duration,
};
use testing::{Client, End, Launch, Nginx, Program, Raw, Redis, eventually, within};
use tokio::{io::AsyncBufReadExt, time::sleep};
use toml::Table;
use worldcast::config::Settings;

const NODES: &str = include_str!("../../deploy/nodes.toml");
const NGINX: &str = include_str!("../../deploy/nginx.conf");

fn path(name: &str) -> String {
    format!("{}/deploy/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Three nodes and a Redis with their shipped files. It saves nothing: a busy disk would delay it.
async fn nodes() -> Option<(Redis, Vec<Program>)> {
    let redis = Redis::start_with_file(&path("redis.conf"), &[("appendonly", "no")]).await?;
    let nodes: Vec<_> = (0..3).map(|_| node(&redis)).collect();
    for node in &nodes {
        becomes_ready(node.admin).await;
    }
    Some((redis, nodes))
}

fn node(redis: &Redis) -> Program {
    let launch = Launch::with(&[
        ("backplane.url", redis.url()),
        ("shutdown.drain", "0s".to_owned()),
        ("workers", "1".to_owned()),
    ]);
    launch.arguments(["--config", &path("nodes.toml")]).start()
}

/// nginx in front of these nodes, with its shipped file; it listens for clients and for operators.
async fn nginx(nodes: &[Program]) -> Option<Nginx> {
    let names: Vec<_> = (1..=nodes.len())
        .flat_map(|number| [format!("node-{number}:8080"), format!("node-{number}:8081")])
        .collect();
    let addresses = nodes.iter().flat_map(|node| [node.listeners[0], node.admin]);
    let replaced: Vec<_> = names.iter().map(String::as_str).zip(addresses.map(|it| it.to_string())).collect();
    Nginx::start(NGINX, &[8080, 8081], &replaced).await
}

/// The status and the rest of the answer to a request on a connection of its own.
async fn answer(address: SocketAddr, head: &str, body: &str) -> (u16, String) {
    let mut raw = Raw::connect(address).await;
    let length = body.len();
    raw.sends(format!(
        "{head} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    ))
    .await;
    let answer = String::from_utf8(raw.reads_to_the_end().await).expect("text");
    (answer[9..12].parse().expect("a status"), answer)
}

async fn status(address: SocketAddr, head: &str, body: &str) -> u16 {
    answer(address, head, body).await.0
}

/// Waits until `/ready` is 200.
async fn becomes_ready(address: SocketAddr) {
    has_status_of_readiness(address, 200).await;
}

async fn has_status_of_readiness(address: SocketAddr, expected: u16) {
    within(format!("/ready to be {expected}"), async {
        while status(address, "GET /ready", "").await != expected {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

async fn join(balancer: SocketAddr) -> Client {
    let mut client = Client::connect(balancer, "/websocket/news").await;
    assert_eq!(client.receives().await, "world");
    client
}

#[tokio::test]
async fn nginx_spreads_clients_of_every_kind_over_nodes_that_share_their_rooms() {
    let Some((_redis, nodes)) = nodes().await else { return };
    let Some(nginx) = nginx(&nodes).await else { return };
    let balancer = nginx.listeners[0];
    let mut clients = Vec::new();
    for _ in 0..6 {
        clients.push(join(balancer).await);
    }
    for node in &nodes {
        assert_eq!(node.metrics().await.value("sessions"), 2, "{}", node.log.text());
    }
    let mut events = Raw::connect(balancer).await;
    events.sends("GET /rooms/news/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let head = events.reads_head().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let mut events = events.into_buffered();

    clients[0].publishes("from a client").await;
    for client in &mut clients {
        assert_eq!(client.receives().await, "from a client");
    }
    // An event is not kept until there are many.
    within("an event", async {
        let mut line = String::new();
        while line.trim_end() != "data: from a client" {
            line.clear();
            assert_ne!(events.read_line(&mut line).await.expect("text"), 0, "the stream has ended");
        }
    })
    .await;
    let large = "a".repeat(60 << 10); // more than nginx keeps in memory
    assert_eq!(status(balancer, "POST /rooms/news/messages", &large).await, 201);
    for client in &mut clients {
        assert_eq!(client.receives().await, large);
    }
    let (status, page) = answer(balancer, "GET /", "").await;
    assert!(status == 200 && page.contains("<title>"), "{page}");
}

#[tokio::test]
async fn nginx_passes_the_address_of_the_page_on_and_writes_no_session_token() {
    let Some((_redis, nodes)) = nodes().await else { return };
    let Some(nginx) = nginx(&nodes[..]).await else { return };
    let balancer = nginx.listeners[0];
    let own = format!("http://{balancer}");
    let path = "/websocket/news?session=SECRET";
    let connect = |origin: String| async move {
        Client::try_connect_with(balancer, path, &[("Origin", &origin)]).await.map(drop)
    };
    connect(own).await.expect("a page of the server itself");
    assert!(connect("http://elsewhere.example".to_owned()).await.is_err());
    eventually("both handshakes to be logged", || nginx.log("access.log").lines().count() >= 2).await;
    assert!(!nginx.log("access.log").contains("SECRET"), "{}", nginx.log("access.log"));
}

#[tokio::test]
async fn behind_nginx_a_node_that_is_killed_or_stops_is_missed_by_nobody_who_comes_later() {
    let Some((redis, mut nodes)) = nodes().await else { return };
    let Some(nginx) = nginx(&nodes).await else { return };
    let balancer = nginx.listeners[0];
    let mut clients = vec![join(balancer).await, join(balancer).await, join(balancer).await];
    nodes[1].signal(rustix::process::Signal::KILL);
    within("the end of a node", nodes[1].exit(testing::PATIENCE)).await.expect("it ends");
    assert_eq!(clients.remove(1).ended_with().await, End::Lost);
    for number in 0..6 {
        let text = format!("after the death of a node: {number}");
        clients.push(join(balancer).await);
        assert_eq!(status(balancer, "POST /rooms/news/messages", &text).await, 201);
        for client in &mut clients {
            assert_eq!(client.receives().await, text);
        }
    }
    becomes_ready(nginx.listeners[1]).await;

    nodes[0].terminate();
    let mut posted = 0;
    while nodes[0].exit(Duration::ZERO).await.is_none() {
        assert_eq!(status(balancer, "POST /rooms/news/messages", "while a node stops").await, 201);
        posted += 1;
    }
    assert!(posted > 0);
    let mut survivor = join(balancer).await;
    survivor.publishes("of the last node").await;
    assert_eq!(survivor.receives().await, "of the last node");

    drop(redis);
    has_status_of_readiness(nginx.listeners[1], 503).await;
}

#[tokio::test]
async fn redis_takes_its_file_and_a_node_has_nothing_to_say_against_it() {
    let Some(redis) = Redis::start_with_file(&path("redis.conf"), &[]).await else { return };
    for (key, value) in [
        ("maxmemory-policy", "noeviction"),
        ("maxmemory", "1073741824"),
        ("appendonly", "yes"),
        ("appendfsync", "everysec"),
        ("timeout", "0"),
        ("tcp-keepalive", "60"),
    ] {
        assert_eq!(redis.cli(&["CONFIG", "GET", key]).await, format!("{key}\n{value}"));
    }
    let limits = redis.cli(&["CONFIG", "GET", "client-output-buffer-limit"]).await;
    assert!(limits.contains("pubsub 67108864 33554432 30"), "{limits}");
    let node = node(&redis);
    becomes_ready(node.admin).await;
    let log = node.log.text();
    let complaints = log.lines().filter(|line| line.contains("backplane: ") && !line.contains(" INFO "));
    assert_eq!(complaints.collect::<Vec<_>>(), [""; 0]);
    assert!(log.contains("backplane: connected to"), "{log}");
}

#[test]
fn the_file_of_a_node_has_only_values_that_differ() {
    let stdout = Operator::with_file(NODES).checks();
    let (file, default) = (NODES.parse().unwrap(), Table::try_from(Settings::default()).unwrap());
    // An empty list shows where the public page belongs.
    assert_eq!(unchanged(&file, &default), ["hosts"]);
    assert!(stdout.contains("redis://redis:6379") && stdout.contains("0.0.0.0:8081"), "{stdout}");
}

/// The services of the compose file, by a parser of YAML; `None` if it is not installed.
fn compose() -> Option<Value> {
    let script = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)";
    let file = fs::File::open(path("compose.yml")).expect("the file");
    let output = Command::new("python3").args(["-c", script]).stdin(file).output();
    let Some(output) = output.ok().filter(|output| !output.stderr.ends_with(b"No module named 'yaml'\n"))
    else {
        let required = env::var("WORLDCAST_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|name| name == "python3"), "python3 has no module yaml");
        println!("skipped: python3 with PyYAML not found");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().map(|text| text.as_str().expect("text"))
}

#[test]
fn the_services_of_the_compose_file_find_each_other_and_their_files() {
    let Some(compose) = compose() else { return };
    let services = compose["services"].as_object().expect("services");
    let names: Vec<_> = services.keys().map(String::as_str).collect();
    for name in ["node-1", "node-2", "node-3"] {
        assert_eq!(services[name], services["node-1"]);
        for port in [8080, 8081] {
            assert!(
                NGINX.contains(&format!("server {name}:{port}")),
                "{name}:{port} is missing in nginx.conf"
            );
        }
    }
    assert_eq!(NGINX.matches("server node-").count(), 6);
    let node = &services["node-1"];
    let settings: Settings = toml::from_str(NODES).expect("settings");
    let url = toml::from_str::<Table>(NODES).expect("TOML")["backplane"]["url"].to_string();
    assert_eq!(url, "\"redis://redis:6379\"");
    assert!(names.contains(&"redis"));
    for service in services.values() {
        for volume in texts(&service["volumes"]) {
            let (from, to) = volume.split_once(':').expect("two paths");
            let file = from.strip_prefix("./").map(path);
            let exists =
                file.map_or_else(|| !compose["volumes"][from].is_string(), |file| fs::exists(file).unwrap());
            assert!(exists, "{volume}");
            let to = to.trim_end_matches(":ro");
            let used = texts(&service["command"]).any(|argument| argument == to);
            let known = ["/data", "/etc/nginx/nginx.conf"].contains(&to); // where the images look
            assert!(used || known, "{to} is used by nobody");
        }
        for name in texts(&service["depends_on"]) {
            assert!(names.contains(&name), "{name} is no service");
        }
    }
    for variable in texts(&node["environment"]) {
        Operator::with_file(NODES).sets(variable, "a-key-of-sixteen-characters").checks();
    }
    let descriptors = node["ulimits"]["nofile"].as_u64().expect("a number") as usize;
    assert!(descriptors > settings.limits.connections + 96 + 4 * 512);
    let grace = node["stop_grace_period"].as_str().and_then(|text| text.strip_suffix('s')).expect("seconds");
    let grace = Duration::from_secs(grace.parse().expect("a number"));
    assert!(grace > settings.shutdown.drain + settings.session.close_within + Duration::from_secs(1));
    let built = format!("{}/{}", path(""), node["build"]["context"].as_str().expect("a folder"));
    assert!(
        fs::exists(format!("{built}/{}", node["build"]["dockerfile"].as_str().expect("a file"))).unwrap()
    );
    assert_eq!(services["nginx"]["ports"], serde_json::json!(["8080:8080"]));
}

#[tokio::test]
async fn the_health_check_of_the_compose_file_succeeds_while_a_node_is_ready() {
    let Some(compose) = compose() else { return };
    let Some(mut redis) = Redis::start_with_file(&path("redis.conf"), &[]).await else { return };
    let node = node(&redis);
    becomes_ready(node.admin).await;
    assert_eq!(compose["services"]["nginx"]["healthcheck"], compose["services"]["node-1"]["healthcheck"]);
    let words: Vec<_> = texts(&compose["services"]["node-1"]["healthcheck"]["test"]).collect();
    assert_eq!(words[..3], ["CMD", "bash", "-c"]);
    // As Docker Compose reads it: $$ is a dollar sign.
    let script = words[3].replace("$$", "$").replace("/8081;", &format!("/{};", node.admin.port()));
    let is_healthy = || {
        let mut shell = Command::new("bash");
        shell.args(["-c", &script]).stdin(Stdio::null()).status().expect("bash").success()
    };
    assert!(is_healthy());
    redis.kill().await;
    has_status_of_readiness(node.admin, 503).await;
    assert!(!is_healthy());
}
