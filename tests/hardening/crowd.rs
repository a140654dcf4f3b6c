//! Clients beyond a limit are refused early, with the time to retry.

use crate::{
    process::{Launch, Server},
    support::{Client, handshake_answer, reaches},
};

fn start(limit: &str, value: &str) -> Server {
    Launch::with(&[(limit, value)]).start()
}

/// The status and the Retry-After of the answer to one client more.
async fn refusal(server: &Server) -> (String, String) {
    let head = handshake_answer(server).await.to_lowercase();
    let retry = head.lines().find_map(|line| line.strip_prefix("retry-after: ")).unwrap_or_default();
    (head[9..12].to_owned(), retry.to_owned())
}

fn expected(status: &str, retry_after: &str) -> (String, String) {
    (status.to_owned(), retry_after.to_owned())
}

#[tokio::test]
async fn a_client_beyond_limits_connections_is_refused_until_another_leaves() {
    let server = start("limits.connections", "2");
    let first = Client::joins(&server, "/").await;
    let mut second = Client::joins(&server, "/websocket/news").await;

    assert_eq!(refusal(&server).await, expected("503", "10"));
    reaches(&server, "refusals_total{reason=\"connections\"}", 1).await;
    second.receives_its_echo("those who are here notice nothing").await;
    drop(first);
    reaches(&server, "sessions", 1).await;
    Client::joins(&server, "/").await;
}

#[tokio::test]
async fn one_address_takes_no_more_than_limits_connections_per_ip() {
    let server = start("limits.connections_per_ip", "1");
    let only = Client::joins(&server, "/").await;

    assert_eq!(refusal(&server).await, expected("429", "10"));
    reaches(&server, "refusals_total{reason=\"connections_per_ip\"}", 1).await;
    drop(only);
    reaches(&server, "sessions", 0).await;
    Client::joins(&server, "/").await;
}

#[tokio::test]
async fn no_more_than_limits_connections_per_second_begin_at_once() {
    let server = start("limits.connections_per_second", "3");
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(refusal(&server).await);
    }

    let refused = answers.iter().filter(|answer| **answer == expected("503", "1")).count();
    let taken = answers.iter().filter(|(status, _)| status == "101").count();
    assert_eq!(taken + refused, 6, "{answers:?}");
    assert!(refused > 0, "six came within far less than a second: {answers:?}");
    reaches(&server, "refusals_total{reason=\"connections_per_second\"}", refused as u64).await;
}
