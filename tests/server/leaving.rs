//! A client that disconnects, in any way, leaves nothing behind.

use crate::support::{Binary, End, Host, Raw, frame, handshake, within};

const ROUNDS: usize = 125;

/// Eight ways to vanish, 125 times each.
#[actix_web::test]
async fn a_thousand_clients_that_vanish_in_any_way_leave_nothing_behind() {
    let mut server = Binary::start(&[("WORLDCAST_LOG__LINES_PER_SECOND", "0")]);
    let before = server.sockets();
    let mut staying = server.join("news").await;

    for round in 0..ROUNDS {
        vanish(&server).await;
        staying.publishes(round.to_string()).await;
    }

    for round in 0..ROUNDS {
        assert_eq!(staying.receives().await, round.to_string());
    }
    server.has_clients("news", 1).await;
    server.has_clients("quiet", 0).await;
    staying.closes(1000).await;
    server.has_clients("news", 0).await;
    let freed = async { while server.sockets() != before && server.clients_in("news").await == 0 {} };
    within("every socket to be closed", freed).await;
    server.signal(rustix::process::Signal::TERM);
    for line in server.ends().await.0 {
        let expected = ["server: re", "session ", "SIGTERM: ", "stopped"];
        assert!(expected.iter().any(|text| line.contains(&format!("INFO  worldcast] {text}"))), "{line}");
        let ends_well = ["(closed by the client)", "(connection lost)"].iter().any(|end| line.contains(end));
        assert!(ends_well || !line.contains(" ended after "), "{line}");
    }
}

/// One client for each way, all at the same time.
async fn vanish(server: &Binary) {
    tokio::join!(
        sends_close_frame(server),
        ends_without_close_frame(server),
        half_closes(server),
        resets(server),
        dies_with_unread_input(server),
        dies_within_a_frame(server),
        dies_within_the_handshake(server),
        dies_before_the_handshake_is_answered(server),
    );
}

async fn sends_close_frame(server: &Binary) {
    assert_eq!(server.join("news").await.closes(1000).await, End::Code(1000));
}

async fn ends_without_close_frame(server: &Binary) {
    drop(server.join_raw("quiet").await);
}

async fn half_closes(server: &Binary) {
    let mut client = server.join_raw("quiet").await;
    client.half_closes().await;
    client.reads_to_the_end().await;
}

async fn resets(server: &Binary) {
    server.join_raw("news").await.resets();
}

async fn dies_with_unread_input(server: &Binary) {
    let mut client = Raw::connect(server.address()).await;
    client.sends(handshake("/websocket/news", "")).await;
    client.reads_head().await;
}

async fn dies_within_a_frame(server: &Binary) {
    let mut client = server.join_raw("news").await;
    client.sends(&frame(0x81, &[b'x'; 1000])[..500]).await;
}

async fn dies_within_the_handshake(server: &Binary) {
    let mut client = Raw::connect(server.address()).await;
    client.sends(&handshake("/websocket/news", "")[..60]).await;
}

async fn dies_before_the_handshake_is_answered(server: &Binary) {
    let mut client = Raw::connect(server.address()).await;
    client.sends(handshake("/websocket/news", "")).await;
    client.resets();
}
