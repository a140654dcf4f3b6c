//! A server of the backplane that is missing, wrong, or lost.

use crate::{
    process::Launch,
    support::{get, within},
};
use std::{process::Stdio, time::Duration};
use testing::{Redis, executable};
use tokio::process::Command;

fn over(redis: &Redis) -> Launch {
    Launch::with(&[
        ("backplane.kind", "redis"),
        ("backplane.url", &redis.url()),
        ("backplane.node_timeout", "1s"),
        ("shutdown.drain", "0s"),
    ])
}

/// The exit code and the standard error of a program that cannot start.
async fn ends_with(settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(executable());
    command.env_clear().envs(settings.iter().copied());
    command.env("WORLDCAST_LISTEN", "127.0.0.1:0").env("WORLDCAST_ADMIN__LISTEN", "");
    command.env("WORLDCAST_BACKPLANE__KIND", "redis").stdin(Stdio::null()).kill_on_drop(true);
    let output = within("the end of the program", command.output()).await.expect("a program");
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

#[tokio::test]
async fn a_wrong_set_up_of_the_backplane_ends_the_start_with_its_remedy() {
    let Some(redis) = Redis::start(&[("requirepass", "sesame")]).await else { return };
    let url = ("WORLDCAST_BACKPLANE__URL", redis.url());
    let (url, right) = ((url.0, url.1.as_str()), ("WORLDCAST_BACKPLANE__PASSWORD", "sesame"));
    let (code, error) = ends_with(&[url, ("WORLDCAST_BACKPLANE__PASSWORD", "a-wrong-one")]).await;
    assert_eq!(code, Some(1));
    let expected = format!("worldcast: {} refuses the user or the password (WRONGPASS): check", redis.url());
    assert!(error.contains(&expected) && !error.contains("a-wrong-one"), "{error}");

    redis.cli(&["SET", "worldcast:jobs", "1"]).await;
    let (code, error) = ends_with(&[url, right]).await;
    assert_eq!(code, Some(1));
    assert!(error.contains("such as \"worldcast:jobs\": choose another backplane.prefix"), "{error}");
}

#[tokio::test]
async fn a_wrong_set_up_that_shows_late_ends_the_program() {
    let Some(mut redis) = Redis::start(&[("requirepass", "sesame")]).await else { return };
    redis.kill().await;
    let mut server = over(&redis).start(); // without the password
    redis.restart(false).await;
    let ended = server.exit(Duration::from_secs(20)).await.expect("an end");
    assert_eq!(ended.code(), Some(1));
    assert_eq!(server.log.count("refuses the user or the password (NOAUTH)"), 1, "{}", server.log.text());
}

#[tokio::test]
async fn a_node_without_its_backplane_lives_and_is_not_ready() {
    let Some(mut redis) = Redis::start(&[]).await else { return };
    redis.kill().await;
    let server = over(&redis).start();
    assert!(get(server.admin, "/health").await.starts_with("HTTP/1.1 200 "));
    let answer = get(server.admin, "/ready").await;
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.ends_with(r#"{"reasons":["backplane"]}"#),
        "{answer}"
    );
    let address = redis.url();
    let cannot = format!("backplane: {address}: cannot connect: ");
    assert_eq!(server.log.count(&cannot), 1, "{}", server.log.text());

    redis.restart(false).await;
    let is_ready = async { while !get(server.admin, "/ready").await.starts_with("HTTP/1.1 200 ") {} };
    within("readiness", is_ready).await;
    assert_eq!(server.metrics().await.value("backplane_up"), 1);
    testing::eventually("a line", || server.log.count(&format!("backplane: connected to {address} (")) == 1)
        .await;

    redis.kill().await;
    let is_not_ready = async { while get(server.admin, "/ready").await.starts_with("HTTP/1.1 200 ") {} };
    within("the end of readiness", is_not_ready).await;
    assert_eq!(server.metrics().await.value("backplane_up"), 0);
    assert!(get(server.admin, "/health").await.starts_with("HTTP/1.1 200 "));
    testing::eventually("a line", || server.log.count("the connection has ended") == 1).await;
}

#[tokio::test]
async fn a_server_that_comes_and_goes_fills_no_log() {
    let Some(mut redis) = Redis::start(&[("maxmemory-policy", "allkeys-lru")]).await else { return };
    let server = over(&redis).start();
    for _ in 0..5 {
        let before = server.metrics().await.value("backplane_reconnects_total");
        redis.kill().await;
        redis.restart(false).await;
        let again = async { while server.metrics().await.value("backplane_reconnects_total") == before {} };
        within("a reconnect", again).await;
    }
    let lines = server.log.count("backplane: ");
    assert!(lines <= 6, "{}", server.log.text());
    assert_eq!(server.log.count("its maxmemory-policy is allkeys-lru"), 1, "{}", server.log.text());
}

#[tokio::test]
async fn a_server_that_stops_leaves_nothing_of_its_node_behind() {
    let Some(redis) = Redis::start(&[]).await else { return };
    let mut server = over(&redis).start();
    assert_eq!(redis.cli(&["ZCARD", "worldcast:nodes"]).await, "1");
    server.terminate();
    assert!(server.exit(Duration::from_secs(20)).await.expect("an end").success());
    assert_eq!(redis.cli(&["ZCARD", "worldcast:nodes"]).await, "0");
}

#[tokio::test]
async fn a_server_stops_in_time_while_its_backplane_stands_still() {
    let Some(redis) = Redis::start(&[]).await else { return };
    let mut server = over(&redis).start();
    redis.pause();
    server.terminate();
    assert!(server.exit(Duration::from_secs(5)).await.expect("an end").success());
}
