//! What a newcomer hears first: a greeting or a welcome, and what it missed.

use super::history_cache::HistoryCache;
use crate::{
    hub::Admission,
    outbox::Connection,
    protocol::{Protocol, Seal, sse, v1},
    room::RoomSlot,
    wire,
};
use bytes::Bytes;

/// Greets a session that has just been let into its room; returns how many messages it missed, and their bytes.
pub fn greet(
    connection: &Connection,
    room: RoomSlot,
    mut admission: Admission,
    seal: &Seal,
    cache: &mut HistoryCache,
) -> (usize, usize) {
    let (missed, messages) = cache.slice(room, connection.form, &admission.history, admission.who);
    let fits = connection.history_fits(missed.len());
    if !fits {
        admission.history.give_up();
    }
    let first = match connection.form.protocol {
        Protocol::Bare => admission.greeting,
        Protocol::V1 => Some(welcome(&admission, seal)),
        Protocol::Events(framing) => {
            let Admission { room, history, .. } = &admission;
            Some(sse::welcome(room, history.from, history.complete).framed(framing).clone())
        }
    };
    first.iter().for_each(|first| connection.push(first, 1));
    if fits {
        connection.push_history(&missed, messages);
    }
    (messages, missed.len())
}

fn welcome(Admission { who, room, history, .. }: &Admission, seal: &Seal) -> Bytes {
    let (position, recovered) = (history.from, history.complete);
    wire::plain(&v1::welcome(v1::Welcome {
        room,
        session: seal.sealed(*who),
        who: *who,
        position,
        recovered,
    }))
}
