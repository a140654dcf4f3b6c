//! Many rooms and large rooms.

use crate::support::{Binary, End, Host, Raw, TestServer, raise_descriptor_limit};
use futures_util::{StreamExt, stream};
use tokio::sync::{Mutex, MutexGuard};

/// Descriptors of this process that crowds leave to other tests.
const RESERVE: usize = 400;

/// Clients that connect at the same time.
const AT_ONCE: usize = 64;

/// A server, and the right to be the only crowd; `clients`, or as many as the system allows.
async fn server_for(clients: usize) -> (Binary, usize, MutexGuard<'static, ()>) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    let alone = ONE_AT_A_TIME.lock().await;
    let possible = raise_descriptor_limit().saturating_sub(RESERVE);
    if possible < clients {
        eprintln!("{possible} clients instead of {clients}: the limit of descriptors allows no more");
    }
    (Binary::start(&[("WORLDCAST_LOG__MESSAGES", "false")]), clients.min(possible), alone)
}

#[actix_web::test]
async fn five_thousand_rooms_of_two() {
    let (server, clients, _alone) = server_for(10_000).await;
    let rooms = clients / 2;
    let mut left = join(&server, (0..rooms).map(|room| format!("room-{room}"))).await;
    let mut right = join(&server, (0..rooms).map(|room| format!("room-{room}"))).await;

    for round in ["a", "b"] {
        for (room, client) in left.iter_mut().enumerate() {
            client.sends(crate::support::text(&format!("{round} {room}"))).await;
        }
        for clients in [&mut left, &mut right] {
            for (room, client) in clients.iter_mut().enumerate() {
                // Anything of another room would have come first.
                client.receives_text(&format!("{round} {room}")).await;
            }
        }
    }
}

#[actix_web::test]
async fn a_client_whose_room_would_exceed_limits_rooms_is_closed_and_may_reconnect() {
    let server = TestServer::with(|settings| settings.limits.rooms = 1).await;
    let anna = server.join("news").await;
    server.join("news").await.closes(1000).await; // a room that exists accepts every client

    let refused = server.connect("/websocket/sport").await.receives_until_the_end().await;
    assert_eq!(refused, (vec![], End::Code(1013)));
    anna.closes(1000).await;
    server.has_clients("news", 0).await;
    server.join("sport").await;
}

#[actix_web::test]
async fn one_room_of_ten_thousand() {
    let (server, count, _alone) = server_for(10_000).await;
    let mut clients = join(&server, (0..count).map(|_| "stadium".to_owned())).await;
    assert_eq!(server.clients_in("stadium").await, count as u64);

    for number in 0..10 {
        clients[number * count / 10].sends(crate::support::text(&format!("wave {number}"))).await;
    }
    let mut order = Vec::new();
    for _ in 0..10 {
        order.push(clients[0].reads_text().await);
    }
    for client in &mut clients[1..] {
        for wave in &order {
            client.receives_text(wave).await;
        }
    }
}

/// A client for each name, in their order.
async fn join(server: &Binary, rooms: impl Iterator<Item = String>) -> Vec<Raw> {
    let clients = stream::iter(rooms).map(async |room| server.join_raw(&room).await);
    clients.buffered(AT_ONCE).collect().await
}
