//! Clients that publish as fast as the socket accepts.

use super::{Client, End};
use crate::settings::OUTBOX;
use std::time::Duration;
use tokio::time::Instant;

/// The bytes that a flooder leaves unsent on its own side.
const UNSENT: usize = 64 << 10;

/// Publishes without a pause, in messages of one size, at most twice the bytes that its room allows
/// in flight.
pub async fn floods(client: &mut Client) -> Result<End, End> {
    client.waits_for_greeting().await?;
    client.is_masked = false;
    let length = [30, 200, 2_000, 16_000, 60_000][client.rng.usize(..5)];
    let until = Instant::now() + Duration::from_millis(client.rng.u64(200..1000));
    let mut left = OUTBOX / 4 / length;
    while left > 0 && Instant::now() < until && !client.stage.is_silent() {
        left -= publishes_many(client, length, left.min(100));
        client.reads_for(Duration::from_millis(1)).await?;
    }
    Ok(client.closes().await)
}

/// Publishes at most `most` messages, as many as fit; returns their number.
fn publishes_many(client: &mut Client, length: usize, most: usize) -> usize {
    let fits = (0..most).take_while(|_| {
        let fits = client.line.unsent() < UNSENT;
        if fits {
            client.publishes(length);
        }
        fits
    });
    fits.count()
}
