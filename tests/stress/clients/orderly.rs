//! Clients as they should be: they come, they talk, they hear, they say goodbye.

use super::{Client, End};
use crate::{
    model::{ClientId, Entrance, Parting, RoomId},
    plan::Visit,
    settings::ROOMS,
    stage::Stage,
};
use std::rc::Rc;

/// Where the rooms begin that only hoppers enter.
const HOPPERS_ROOMS: u32 = 1000;

/// Hears everything until everybody leaves.
pub async fn listens(client: &mut Client) -> Result<End, End> {
    client.listens_until(&client.stage.farewell.clone()).await?;
    Ok(client.closes().await)
}

/// Says something now and then until nobody says anything any more.
pub async fn talks(client: &mut Client) -> Result<End, End> {
    client.waits_for_greeting().await?;
    while !client.stage.is_silent() {
        client.listens_awhile(100..600).await?;
        says_something(client);
    }
    listens(client).await
}

/// Stays for a while and says a little.
pub async fn passes_by(client: &mut Client) -> Result<End, End> {
    if client.rng.bool() {
        client.waits_for_greeting().await?;
    }
    for _ in 0..client.rng.u8(..6) {
        says_something(client);
        client.listens_awhile(0..250).await?;
    }
    Ok(client.closes().await)
}

/// Says messages in as many pieces as it likes, with pings between them.
pub async fn speaks_in_pieces(client: &mut Client) -> Result<End, End> {
    client.waits_for_greeting().await?;
    for _ in 0..8 {
        let (length, pieces) = (client.rng.usize(..4000), client.rng.usize(1..20));
        client.says_in_pieces(length, pieces);
        client.listens_awhile(0..150).await?;
    }
    Ok(client.closes().await)
}

/// Talks, takes the server's goodbye without answering it, and keeps its connection for as long as there is a server.
pub async fn straggles(client: &mut Client) -> Result<End, End> {
    client.answers = false;
    let end = talks(client).await;
    client.stage.stopped.cancelled().await;
    end
}

/// Visits one room after the other, alone, and hears itself in each; then many at once, more than there may be.
pub async fn hops(stage: &Rc<Stage>, visit: &Visit) -> End {
    let first = visit.client.0 / ClientId::PER_VISIT * ClientId::PER_VISIT + HOPPERS_ROOMS;
    let mut end = End::Answered;
    for hop in 0..4 {
        end = hears_itself(stage, visit, hop, RoomId(first)).await.unwrap_or_else(|end| end);
        if end != End::Answered {
            return end;
        }
    }
    let crowd = visit.seed as usize % ROOMS;
    let all = (0..crowd as u32).map(|hop| hears_itself(stage, visit, 4 + hop, RoomId(first + hop)));
    for ended in futures_util::future::join_all(all).await {
        end = end.max(ended.unwrap_or_else(|end| end));
    }
    end
}

async fn hears_itself(stage: &Rc<Stage>, visit: &Visit, hop: u32, room: RoomId) -> Result<End, End> {
    let id = ClientId(visit.client.0 + hop);
    let mut client = Client::joins(stage, visit, id, room, Entrance { echo: true }).await?;
    let end = says_one_thing(&mut client).await.unwrap_or_else(|end| end);
    client.leaves(if end == End::Answered { Parting::Orderly } else { Parting::Sudden });
    Ok(end)
}

async fn says_one_thing(client: &mut Client) -> Result<End, End> {
    client.waits_for_greeting().await?;
    client.says(50);
    client.listens_until_all_is_heard().await?;
    Ok(client.closes().await)
}

/// Mostly little, sometimes much.
fn says_something(client: &mut Client) {
    let length = match client.rng.u8(..50) {
        0 => client.rng.usize(..16 << 10),
        1..10 => client.rng.usize(..2000),
        _ => client.rng.usize(..200),
    };
    client.says(length);
}
