//! The settings of the server: bounds that a few hundred clients reach, deadlines of seconds.

use crate::process::Launch;
use std::time::Duration;

pub const MAX_MESSAGE: usize = 64 << 10;
pub const OUTBOX: usize = 512 << 10;
pub const OUTBOXES: usize = 12 << 20;
pub const IN_FLIGHT: usize = 256 << 10;
/// An eighth is kept for other addresses than that of these clients.
pub const ROOMS: usize = 140;
const HISTORIES: usize = 4 << 20;
const BODIES: usize = 1 << 20;
const ANSWERS: usize = 2 << 20;
/// Of each worker thread; larger than the encoding of the history of one room.
const RECALLS: usize = 2 << 20;
const HISTORY: usize = 256 << 10;
const MAX_HEAD: usize = 16 << 10;
/// Worker threads at most.
const WORKERS: usize = 8;

/// Bytes that may wait for all clients together: beyond the bound each may still hold a fair share.
pub const MAX_WAITING: usize = 2 * OUTBOXES;

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
        ("session.max_head", MAX_HEAD.to_string()),
        ("limits.rooms", ROOMS.to_string()),
        ("limits.in_flight_bytes", IN_FLIGHT.to_string()),
        ("limits.outbox_bytes_total", OUTBOXES.to_string()),
        ("limits.history_bytes_total", HISTORIES.to_string()),
        ("limits.body_bytes", BODIES.to_string()),
        ("limits.answer_bytes", ANSWERS.to_string()),
        ("limits.history_cache_bytes", RECALLS.to_string()),
        ("history.bytes", HISTORY.to_string()),
        ("history.age", "500ms".to_owned()),
        ("shutdown.drain", milliseconds(DRAIN)),
        ("log.messages", "false".to_owned()),
    ])
}

/// Bytes of memory that the server may have with so many clients, given what it has at rest: the
/// sum of docs/operations.md, "Memory".
pub fn most_memory(at_rest: usize, clients: usize) -> usize {
    // As received, as a frame, as a compressed frame, and in a turn's piece.
    const ENCODINGS: usize = 4;
    // A session or a request, with what was read ahead or is written.
    const CONNECTION: usize = (100 << 10) + 2 * MAX_HEAD;
    let outboxes = MAX_WAITING + MAX_WAITING / 3; // the rest of a frame keeps a third more
    let held = outboxes + ENCODINGS * IN_FLIGHT + HISTORIES + BODIES + ANSWERS + WORKERS * RECALLS;
    let each = clients * (CONNECTION + MAX_MESSAGE) + ROOMS * (6 << 8);
    at_rest + (held + each) / 8 * 9 // the allocator rounds up
}
