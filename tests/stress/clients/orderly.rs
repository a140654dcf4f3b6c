//! Clients that follow every rule: they join, publish, receive, and close.

use super::{Client, End};
use crate::{
    model::{ClientId, Departure, RoomId, SubscribeOptions},
    plan::Visit,
    settings::ROOMS,
    stage::Stage,
};
use std::rc::Rc;

/// The number of the first room that only hoppers enter.
const HOPPERS_ROOMS: u32 = 1000;

/// Receives everything until all clients leave.
pub async fn reads_on(client: &mut Client) -> Result<End, End> {
    client.reads_until(&client.stage.leave.clone()).await?;
    Ok(client.closes().await)
}

/// Publishes now and then until all clients are silent.
pub async fn publishes_now_and_then(client: &mut Client) -> Result<End, End> {
    client.waits_for_greeting().await?;
    while !client.stage.is_silent() {
        client.reads_for_a_while(100..600).await?;
        publishes_something(client);
    }
    reads_on(client).await
}

/// Stays for a while and publishes a little.
pub async fn visits_shortly(client: &mut Client) -> Result<End, End> {
    if client.rng.bool() {
        client.waits_for_greeting().await?;
    }
    for _ in 0..client.rng.u8(..6) {
        publishes_something(client);
        client.reads_for_a_while(0..250).await?;
    }
    Ok(client.closes().await)
}

/// Publishes messages in fragments, with pings between them.
pub async fn publishes_in_fragments(client: &mut Client) -> Result<End, End> {
    client.waits_for_greeting().await?;
    for _ in 0..8 {
        let (length, pieces) = (client.rng.usize(..4000), client.rng.usize(1..20));
        client.publishes_in_fragments(length, pieces);
        client.reads_for_a_while(0..150).await?;
    }
    Ok(client.closes().await)
}

/// Publishes, does not answer the server's close frame, and keeps its connection for as long as the
/// server runs.
pub async fn straggles(client: &mut Client) -> Result<End, End> {
    client.answers = false;
    let end = publishes_now_and_then(client).await;
    client.stage.stopped.cancelled().await;
    end
}

/// Visits one room after the other, alone, and receives itself in each; then many at once, more
/// than there may be.
pub async fn hops(stage: &Rc<Stage>, visit: &Visit) -> End {
    let first = visit.client.0 / ClientId::PER_VISIT * ClientId::PER_VISIT + HOPPERS_ROOMS;
    let mut end = End::Answered;
    for hop in 0..4 {
        end = receives_its_echo(stage, visit, hop, RoomId(first)).await.unwrap_or_else(|end| end);
        if end != End::Answered {
            return end;
        }
    }
    let crowd = visit.seed as usize % ROOMS;
    let all = (0..crowd as u32).map(|hop| receives_its_echo(stage, visit, 4 + hop, RoomId(first + hop)));
    for ended in futures_util::future::join_all(all).await {
        end = end.max(ended.unwrap_or_else(|end| end));
    }
    end
}

async fn receives_its_echo(stage: &Rc<Stage>, visit: &Visit, hop: u32, room: RoomId) -> Result<End, End> {
    let id = ClientId(visit.client.0 + hop);
    let mut client = Client::joins(stage, visit, id, room, SubscribeOptions { echo: true }).await?;
    let end = publishes_once(&mut client).await.unwrap_or_else(|end| end);
    client.leaves(if end == End::Answered { Departure::Orderly } else { Departure::Sudden });
    Ok(end)
}

async fn publishes_once(client: &mut Client) -> Result<End, End> {
    client.waits_for_greeting().await?;
    client.publishes(50);
    client.reads_until_all_is_delivered().await?;
    Ok(client.closes().await)
}

/// Mostly little, sometimes much.
fn publishes_something(client: &mut Client) {
    let length = match client.rng.u8(..50) {
        0 => client.rng.usize(..16 << 10),
        1..10 => client.rng.usize(..2000),
        _ => client.rng.usize(..200),
    };
    client.publishes(length);
}
