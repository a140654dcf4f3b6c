//! What a newcomer hears first: a greeting or a welcome, and what it missed.

use crate::{
    connection::Connection,
    delivery::HistoryCache,
    hub::Admission,
    ids::RoomSlot,
    protocol::{Protocol, SessionTokens, sse, v1},
    wire,
};
use bytes::Bytes;

/// Greets a session that has just been let into its room; returns how many messages it missed, and their bytes.
pub fn greet(
    connection: &Connection,
    room: RoomSlot,
    mut admission: Admission,
    tokens: &SessionTokens,
    cache: &mut HistoryCache,
) -> (usize, usize) {
    let (missed, messages) = cache.slice(room, connection.encoding, &admission.history, admission.who);
    let fits = connection.history_fits(missed.len());
    if !fits {
        admission.history.discard();
    }
    let first = match connection.encoding.protocol {
        Protocol::Raw => admission.greeting,
        Protocol::V1 => Some(welcome(&admission, tokens)),
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

fn welcome(Admission { who, room, history, .. }: &Admission, tokens: &SessionTokens) -> Bytes {
    let (position, recovered) = (history.from, history.complete);
    wire::plain(&v1::welcome(v1::Welcome {
        room,
        session: tokens.issue(*who),
        who: *who,
        position,
        recovered,
    }))
}
