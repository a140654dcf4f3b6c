//! The first frames of an admitted session: a greeting or a welcome, and the requested history.

use crate::{
    connection::Connection,
    delivery::HistoryCache,
    hub::Admission,
    ids::RoomSlot,
    protocol::{Protocol, SessionTokens, sse, v1},
    wire,
};
use bytes::Bytes;

/// Sends the first frames to an admitted session; returns the number of history messages and their
/// bytes. History that does not fit the backlog of all outboxes is omitted, and the welcome says
/// so.
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
