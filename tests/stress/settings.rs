//! What the server is started with: bounds that a few hundred clients can reach, deadlines that pass in seconds.

use crate::process::Launch;
use std::time::Duration;

pub const MAX_MESSAGE: usize = 64 << 10;
pub const OUTBOX: usize = 512 << 10;
pub const OUTBOXES: usize = 12 << 20;
pub const IN_FLIGHT: usize = 256 << 10;
pub const ROOMS: usize = 120;

/// What may wait for all clients together: past its bound, everybody may still have a fair share of it.
pub const MOST_WAITING: usize = 2 * OUTBOXES;

pub const HANDSHAKE_WITHIN: Duration = Duration::from_secs(2);
pub const PING_AFTER: Duration = Duration::from_millis(1500);
pub const PONG_WITHIN: Duration = Duration::from_secs(4);
pub const CLOSE_WITHIN: Duration = Duration::from_secs(2);
pub const DRAIN: Duration = Duration::from_millis(1500);

/// `pace`: bytes that are read from one client in a second.
pub fn launch(workers: usize, pace: usize) -> Launch {
    let milliseconds = |duration: Duration| format!("{}ms", duration.as_millis());
    Launch::with(&[
        ("workers", workers.to_string()),
        ("session.bytes_per_second", pace.to_string()),
        ("session.burst", "1s".to_owned()),
        ("session.max_message", MAX_MESSAGE.to_string()),
        ("session.outbox_bytes", OUTBOX.to_string()),
        ("session.outbox_messages", "65536".to_owned()), // bytes decide
        ("session.send_buffer", "16KiB".to_owned()),
        ("session.ping_after", milliseconds(PING_AFTER)),
        ("session.pong_within", milliseconds(PONG_WITHIN)),
        ("session.stalled_write", "3s".to_owned()),
        ("session.close_within", milliseconds(CLOSE_WITHIN)),
        ("session.handshake_within", milliseconds(HANDSHAKE_WITHIN)),
        ("limits.rooms", ROOMS.to_string()),
        ("limits.in_flight_bytes", IN_FLIGHT.to_string()),
        ("limits.outbox_bytes_total", OUTBOXES.to_string()),
        ("history.age", "500ms".to_owned()),
        ("shutdown.drain", milliseconds(DRAIN)),
        ("log.messages", "false".to_owned()),
    ])
}

/// What the server may take from the machine with so many clients, given what it takes at rest: what the limits
/// allow, half a message of each client, and what an allocator keeps for itself.
pub fn most_memory(at_rest: usize, clients: usize) -> usize {
    const SESSION: usize = 16 << 10;
    const FORMS: usize = 4; // as it came, its frame, its compressed frame, and a turn's frames in one piece
    const ALLOCATOR: usize = 16 << 20;
    at_rest + MOST_WAITING + FORMS * IN_FLIGHT + clients * (SESSION + MAX_MESSAGE) + ALLOCATOR
}
