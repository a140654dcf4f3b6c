//! What a newcomer hears first: the greeting, and what it missed.

use crate::{hub::Admission, outbox::Outbox, wire};
use bytes::{Bytes, BytesMut};

/// Greets a session that has just been let into its room.
pub fn greet(outbox: &Outbox, Admission { greeting, recalled }: Admission) {
    if let Some(greeting) = greeting {
        outbox.push(greeting, 1);
    }
    let frames: Vec<_> = recalled.said.iter().map(|said| wire::plain(&said.payload)).collect();
    let missed = joined(&frames);
    if outbox.has_room_to_recall(missed.len()) {
        outbox.push_recalled(missed, frames.len());
    }
}

fn joined(frames: &[Bytes]) -> Bytes {
    let mut all = BytesMut::with_capacity(frames.iter().map(Bytes::len).sum());
    frames.iter().for_each(|frame| all.extend_from_slice(frame));
    all.freeze()
}
