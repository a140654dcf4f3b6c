//! Clients that read too little, nothing, or never answer.

use super::{Client, End, PATIENCE};
use crate::settings::{PING_AFTER, PONG_WITHIN};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The time for which they do so.
const STUBBORN: Duration = Duration::from_secs(3);

/// Reads a little from time to time.
pub async fn reads_slowly(client: &mut Client) -> Result<End, End> {
    let until = Instant::now() + STUBBORN;
    while Instant::now() < until {
        sleep(Duration::from_millis(20)).await;
        client.reads(8 << 10)?;
    }
    Ok(client.closes().await)
}

/// Reads nothing for a time; then everything.
///
/// A reset that arrives while its window is closed may be ignored, and the kernel probes only now
/// and then (RFC 5961 §3.2): then bytes of its own must show the client that the connection is
/// lost.
pub async fn reads_nothing(client: &mut Client) -> Result<End, End> {
    sleep(STUBBORN).await;
    let end = client.closes().await;
    if end != End::Never {
        return Ok(end);
    }
    client.sends_bytes(b"hello?");
    Ok(client.ends_within(PATIENCE).await)
}

/// Reads, but sends nothing at all until its session is closed.
pub async fn sends_nothing(client: &mut Client) -> Result<End, End> {
    client.answers = false;
    let began = Instant::now();
    let end = client.ends_within(PING_AFTER + PONG_WITHIN + PATIENCE).await;
    let too_early = end == End::Code(1001) && began.elapsed() < PING_AFTER + PONG_WITHIN / 2;
    if too_early { Err(End::Lost) } else { Ok(end) }
}
