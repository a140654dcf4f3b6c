//! A client that comes back at another node receives what it missed, each message once.

use crate::support::{Addresses, Cluster, Events, Follower, V1, end_of, within, worldcast};
use futures_util::future::join_all;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

#[tokio::test]
async fn a_client_that_resumes_on_another_node_receives_exactly_the_missed_messages() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut bert = cluster.join(0, "news").await;
    bert.publishes("1").await;
    bert.receives().await;
    let anna = cluster.join_v1(0, "news").await;
    let since = anna.since_welcome();
    anna.closes().await;
    for number in 2..=5 {
        bert.publishes(number.to_string()).await;
    }
    bert.receives_many(4).await;
    for node in 0..3 {
        let mut anna = V1::connect(cluster.address(node), &format!("/websocket/news?{since}")).await;
        assert_eq!((&anna.welcome["recovered"], &anna.welcome["offset"]), (&json!(true), &json!(1)));
        bert.publishes((6 + node).to_string()).await;
        for number in 2..=6 + node as u64 {
            assert_eq!(anna.receives_message().await, (number, number.to_string()));
        }
    }
}

#[tokio::test]
async fn a_client_keeps_its_name_on_another_node_without_a_configured_secret() {
    let Some(cluster) = Cluster::start().await else { return };
    let anna = cluster.join_v1(0, "news").await;
    let (who, since) = (anna.welcome["who"].clone(), anna.since_welcome());
    anna.closes().await;
    for node in [1, 2, 0] {
        let anna = V1::connect(cluster.address(node), &format!("/websocket/news?{since}")).await;
        assert_eq!(anna.welcome["who"], who, "node {node}");
    }
    let forged = since.replace("session=", "session=0");
    let bert = V1::connect(cluster.address(1), &format!("/websocket/news?{forged}")).await;
    assert_ne!(bert.welcome["who"], who);
}

#[tokio::test]
async fn without_echo_a_resume_on_another_node_leaves_out_the_own_messages() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut bert = cluster.join(2, "news").await;
    let mut anna = V1::connect(cluster.address(0), "/websocket/news?echo=false").await;
    let since = anna.since_welcome();
    anna.publishes("from anna").await;
    assert_eq!(bert.receives().await, "from anna");
    bert.publishes("from bert").await;
    bert.receives().await;

    let mut again = V1::connect(cluster.address(1), &format!("/websocket/news?echo=false&{since}")).await;
    assert_eq!(again.welcome["recovered"], true);
    assert_eq!(again.receives_message().await, (2, "from bert".to_owned()));
    anna.publishes("the first session still publishes").await;
    assert_eq!(bert.receives().await, "the first session still publishes");
    again.publishes("me too").await;
    assert_eq!(bert.receives().await, "me too");
    bert.publishes("from bert").await;
    // 3 and 4 would have come first.
    assert_eq!(again.receives_message().await, (5, "from bert".to_owned()));
}

#[tokio::test]
async fn a_client_that_cannot_recover_everything_is_told_by_every_node() {
    let Some(cluster) = Cluster::with(&[("history.messages", "3")]).await else { return };
    let anna = cluster.join_v1(0, "news").await;
    let (since, ahead) = (anna.since_welcome(), anna.since(99));
    anna.closes().await;
    for number in 1..=4 {
        cluster.posts(1, "news", &number.to_string()).await;
    }
    let mut top = 4;
    for node in 0..3 {
        for position in [since.as_str(), ahead.as_str(), "since=0123456789abcdef-4"] {
            let mut late = V1::connect(cluster.address(node), &format!("/websocket/news?{position}")).await;
            let told = (&late.welcome["recovered"], &late.welcome["offset"]);
            assert_eq!(told, (&json!(false), &json!(top)), "node {node}: {position}");
            cluster.posts(0, "news", "live").await;
            top += 1;
            assert_eq!(late.receives_message().await, (top, "live".to_owned()));
        }
    }
}

#[tokio::test]
async fn an_event_stream_resumes_on_another_node() {
    let Some(cluster) = Cluster::start().await else { return };
    const EVENTS: &str = "/rooms/news/events";
    let mut anna = Events::connect(cluster.address(0), EVENTS, "").await;
    anna.receives().await;
    cluster.posts(1, "news", "1").await;
    let last = anna.receives().await.expect("an event").id;
    drop(anna);
    for number in 2..=4 {
        cluster.posts(2, "news", &number.to_string()).await;
    }
    for node in [1, 2, 0] {
        let mut anna = Events::connect(cluster.address(node), EVENTS, &last).await;
        assert!(anna.receives_data().await.contains(r#""recovered":true"#));
        for number in 2..=4 {
            assert_eq!(anna.receives_data().await, number.to_string());
        }
    }
}

#[tokio::test]
async fn a_client_that_is_cut_off_a_thousand_times_on_three_nodes_receives_every_message_once() {
    const CLIENTS: u64 = 20;
    const CUTS: usize = 50;
    let large = [
        ("history.messages", "100000"),
        ("history.bytes", "64MiB"),
        ("limits.history_bytes_total", "128MiB"),
    ];
    let Some(cluster) = Cluster::with(&large).await else { return };
    let nodes = Addresses::new(cluster.addresses());
    let mut publisher = cluster.join(0, "news").await;
    let publishing = async {
        for burst in 0_u64.. {
            for number in 1..=10 {
                publisher.publishes((10 * burst + number).to_string()).await;
            }
            publisher.receives_many(10).await;
        }
    };
    let cutting = (0..CLIENTS).map(async |client| {
        let mut random = fastrand::Rng::with_seed(client);
        let mut subscriber = Follower::joins(&nodes, client as usize, "news").await;
        let mut last = None;
        for _ in 0..CUTS {
            for _ in 0..random.u32(0..20) {
                let number: u64 = subscriber.receives().await.parse().expect("a number");
                assert!(
                    last.is_none_or(|last| number == last + 1),
                    "{number} after {last:?}, client {client}"
                );
                last = Some(number);
            }
            subscriber.resumes().await; // unread messages are lost with the connection
            assert_eq!(subscriber.told, 0, "client {client} after {last:?}");
        }
    });
    tokio::select! {
        () = publishing => unreachable!("it goes on without end"),
        _ = join_all(cutting) => {}
    }
}

#[tokio::test]
async fn lines_of_a_pipe_to_one_node_are_printed_by_a_listen_on_another() {
    let Some(cluster) = Cluster::start().await else { return };
    cluster.posts(2, "news", "before").await;
    let mut listen = worldcast("listen", cluster.address(1), &["--last", "1"]);
    let mut printed = BufReader::new(listen.stdout.take().expect("a pipe")).lines();
    let mut line = async || within("a line", printed.next_line()).await.expect("text").expect("a line");
    assert_eq!(line().await, "before");

    let mut pipe = worldcast("pipe", cluster.address(0), &[]);
    let lines: Vec<_> = (0..500).map(|number| format!("line {number}")).collect();
    let input = pipe.stdin.as_mut().expect("a pipe");
    input.write_all((lines.join("\n") + "\n").as_bytes()).await.expect("it reads");
    assert_eq!(end_of(pipe).await, (Some(0), String::new()));
    for expected in &lines {
        assert_eq!(line().await, *expected);
    }
    cluster.posts(2, "news", "the next").await;
    assert_eq!(line().await, "the next");
}
