//! The first frames of an admitted session: a greeting or a welcome, and the requested history.

use crate::{
    connection::Connection,
    delivery::HistoryCache,
    history::{HistorySlice, Position},
    hub::Admission,
    ids::RoomSlot,
    protocol::{Protocol, SessionTokens, sse, v1},
    wire,
};
use bytes::Bytes;

/// Sends the greeting or the welcome to an admitted session that receives no history.
pub fn greet(connection: &Connection, admission: &Admission, tokens: &SessionTokens) {
    if let Some(first) = first_frame(connection, admission, tokens) {
        connection.push(&first, 1);
    }
}

/// Sends the greeting or the welcome, and the history, which `cache` has encoded completely.
/// History that does not fit the backlog of all outboxes is omitted, and the welcome says so.
pub fn send_history(
    connection: &Connection,
    room: RoomSlot,
    admission: &mut Admission,
    tokens: &SessionTokens,
    cache: &HistoryCache,
) {
    let (mut history, mut messages) =
        cache.frames(room, connection.encoding, &admission.history, admission.who);
    if !connection.history_fits(history.iter().map(Bytes::len).sum()) {
        admission.history.discard();
        (history, messages) = (Vec::new(), 0);
    }
    connection.send_history(first_frame(connection, admission, tokens), history, messages);
}

fn first_frame(connection: &Connection, admission: &Admission, tokens: &SessionTokens) -> Option<Bytes> {
    match connection.encoding.protocol {
        Protocol::Raw => admission.greeting.clone(),
        Protocol::V1 => Some(welcome(admission, tokens)),
        Protocol::Events(framing) => {
            let Admission { room, history, .. } = admission;
            Some(sse::welcome(room, position(history), history.complete).framed(framing).clone())
        }
    }
}

fn welcome(Admission { who, room, history, .. }: &Admission, tokens: &SessionTokens) -> Bytes {
    let (position, recovered) = (position(history), history.complete);
    wire::plain(&v1::welcome(v1::Welcome {
        room,
        session: tokens.issue(*who),
        who: *who,
        position,
        recovered,
    }))
}

/// Returns the position before the history. Its epoch is the present one, also for a client that
/// resumes from an earlier one: offsets rise over epochs, and messages carry no epoch.
fn position(HistorySlice { from, until, .. }: &HistorySlice) -> Position {
    Position { epoch: until.epoch, offset: from.offset }
}
