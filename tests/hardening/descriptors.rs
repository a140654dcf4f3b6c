//! A process without descriptors accepts nobody for a while, says so once, and goes on when it can.

use crate::{
    process::Launch,
    support::{Client, eventually, within},
};
use std::time::Duration;
use tokio::{net::TcpStream, time::sleep};

#[tokio::test]
async fn accepting_pauses_without_descriptors_and_goes_on_when_clients_leave() {
    let server = Launch::with(&[("workers", "1")]).descriptors(64).start();
    let mut inside = Client::joins(&server, "/").await;
    let mut crowd = Vec::new();
    for _ in 0..80 {
        crowd.push(TcpStream::connect(server.listeners[0]).await.expect("the kernel takes it"));
    }

    eventually("the log to say why nobody is accepted", || server.log.count("Too many open files") > 0).await;
    inside.hears_itself("those who are here notice nothing").await;
    sleep(Duration::from_secs(3)).await; // in which every attempt fails
    assert_eq!(server.log.count("Too many open files"), 1, "a line a minute:\n{}", server.log.text());
    drop(crowd);
    within("a client to be accepted again", Client::joins(&server, "/")).await;
}
