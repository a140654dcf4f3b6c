//! Clients that read too little, nothing, or never answer.

use super::{Client, End, PATIENCE};
use crate::settings::{PING_AFTER, PONG_WITHIN};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long they keep it up.
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

/// Reads nothing for a time; then everything that there is.
///
/// A reset that comes while its window is shut may not be believed, and the kernel asks back only now and then
/// (RFC 5961 §3.2): then a word of its own must show the client that nobody is there any more.
pub async fn hears_nothing(client: &mut Client) -> Result<End, End> {
    sleep(STUBBORN).await;
    let end = client.closes().await;
    if end != End::Never {
        return Ok(end);
    }
    client.sends_bytes(b"hello?");
    Ok(client.ends_within(PATIENCE).await)
}

/// Listens, but sends nothing at all until it is sent away.
pub async fn says_nothing(client: &mut Client) -> Result<End, End> {
    client.answers = false;
    let began = Instant::now();
    let end = client.ends_within(PING_AFTER + PONG_WITHIN + PATIENCE).await;
    let too_early = end == End::Code(1001) && began.elapsed() < PING_AFTER + PONG_WITHIN / 2;
    if too_early { Err(End::Lost) } else { Ok(end) }
}
