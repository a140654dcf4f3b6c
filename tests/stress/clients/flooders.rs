//! Clients that speak as fast as the socket takes it.

use super::{Client, End};
use std::time::Duration;
use tokio::time::Instant;

/// What a flooder lets pile up on its own side.
const UNSENT: usize = 64 << 10;

/// Speaks without a pause for a second, in messages of one size.
pub async fn floods(client: &mut Client) -> Result<End, End> {
    client.waits_for_greeting().await?;
    client.is_masked = false;
    let length = [30, 200, 2_000, 16_000, 60_000][client.rng.usize(..5)];
    let until = Instant::now() + Duration::from_millis(client.rng.u64(200..1000));
    while Instant::now() < until && !client.stage.is_silent() {
        speaks(client, length);
        client.listens_for(Duration::from_millis(1)).await?;
    }
    Ok(client.closes().await)
}

/// Whatever fits, but not so much that nobody else has a turn.
fn speaks(client: &mut Client, length: usize) {
    for _ in 0..100 {
        if client.line.unsent() >= UNSENT || !client.stage.may_flood(client.room) {
            return;
        }
        client.says(length);
    }
}
