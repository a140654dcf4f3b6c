//! Clients that speak as fast as the socket takes it.

use super::{Client, End};
use crate::settings::OUTBOX;
use std::time::Duration;
use tokio::time::Instant;

/// What a flooder lets pile up on its own side.
const UNSENT: usize = 64 << 10;

/// Speaks without a pause, in messages of one size, and twice what its room lets be under way when it gets that far in a second.
pub async fn floods(client: &mut Client) -> Result<End, End> {
    client.waits_for_greeting().await?;
    client.is_masked = false;
    let length = [30, 200, 2_000, 16_000, 60_000][client.rng.usize(..5)];
    let until = Instant::now() + Duration::from_millis(client.rng.u64(200..1000));
    let mut left = OUTBOX / 4 / length;
    while left > 0 && Instant::now() < until && !client.stage.is_silent() {
        left -= speaks(client, length, left.min(100));
        client.listens_for(Duration::from_millis(1)).await?;
    }
    Ok(client.closes().await)
}

/// At most so many messages, and what fits; returns how many.
fn speaks(client: &mut Client, length: usize, most: usize) -> usize {
    let fits = (0..most).take_while(|_| {
        let fits = client.line.unsent() < UNSENT;
        if fits {
            client.says(length);
        }
        fits
    });
    fits.count()
}
