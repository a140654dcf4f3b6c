//! Listeners of either family, and more than one for operators.

use crate::{
    process::Launch,
    support::{Client, get},
};
use std::net::SocketAddr;

#[tokio::test]
async fn clients_of_ipv4_and_ipv6_meet_in_one_room() {
    let server = Launch::with(&[("listen", "127.0.0.1:0,[::1]:0")]).start();
    let [four, six] = server.listeners[..] else { panic!("{:?}", server.listeners) };
    assert!(four.is_ipv4() && six.is_ipv6());
    let mut anna = Client::joins(&server, "/websocket/news").await;
    let mut bert = testing::Client::connect(six, "/websocket/news").await;
    assert_eq!(bert.receives().await, "world");
    anna.publishes("over IPv4").await;
    bert.publishes("over IPv6").await;
    let mut received = [bert.receives().await, bert.receives().await];
    received.sort();
    assert_eq!(received, ["over IPv4", "over IPv6"]);
    assert!(get(six, "/rooms/news").await.contains("\"clients\":2"));
}

#[tokio::test]
async fn every_admin_listener_answers_the_same() {
    let server = Launch::with(&[("admin.listen", "127.0.0.1:0,127.0.0.1:0,[::1]:0")]).start();
    let log = server.log.text();
    let admins: Vec<SocketAddr> = log
        .lines()
        .filter_map(|line| line.split_once("admin at http://")?.1.split('/').next()?.parse().ok())
        .collect();
    assert_eq!(admins.len(), 3, "{log}");
    for admin in admins {
        assert!(get(admin, "/ready").await.ends_with("\r\n\r\nready\n"), "{admin}");
        assert!(get(admin, "/metrics").await.contains("\nworldcast_sessions 0\n"), "{admin}");
        assert!(get(admin, "/").await.starts_with("HTTP/1.1 404 "), "{admin}");
    }
}
