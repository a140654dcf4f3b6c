//! A process without descriptors accepts nobody for a while, says so once, and goes on when it can.

use crate::{
    process::{Launch, Server, handshake},
    support::{Client, eventually, head, within},
};
use tokio::{io::AsyncWriteExt, net::TcpStream};

/// A connection that asks to be let in, whether or not it is accepted.
async fn knocks(server: &Server) -> TcpStream {
    let mut socket = TcpStream::connect(server.listeners[0]).await.expect("the kernel takes it");
    socket.write_all(handshake("/", "").as_bytes()).await.expect("the kernel takes it");
    socket
}

#[tokio::test]
async fn accepting_pauses_without_descriptors_and_goes_on_when_clients_leave() {
    const MOST: u32 = 64;
    let server = Launch::with(&[("workers", "1")]).descriptors(MOST).start();
    let complaints = || server.log.count("Too many open files");
    let remedy = "raise their hard limit";
    let mut inside = Client::joins(&server, "/").await;
    let mut let_in = Vec::new();
    for _ in 0..server.free_descriptors(MOST) {
        let mut socket = knocks(&server).await;
        within("a client to be let in", head(&mut socket)).await;
        let_in.push(socket);
    }
    let mut waits = knocks(&server).await;
    eventually("the log to say why nobody is accepted", || complaints() > 0).await;

    assert_eq!(server.log.count(remedy), complaints());
    inside.hears_itself("those who are here notice nothing").await;
    for _ in 0..4 {
        let_in.pop();
        within("whoever waits to be let in", head(&mut waits)).await;
        let_in.push(waits); // takes the last descriptor, so the next attempt fails again
        waits = knocks(&server).await;
    }
    assert_eq!(complaints(), 1, "a line a minute:\n{}", server.log.text());
    drop((let_in, waits));
    within("a client to be accepted again", Client::joins(&server, "/")).await;
    assert!(server.metrics().await.value("accept_errors_total") >= 5, "it was tried again each time");
}
