//! Questions about rooms that are not open on this node: Redis is asked.

use super::{Node, Purpose, mirror::message_at};
use crate::{
    backplane::{
        Described, Query,
        redis::call::{Call, Fetch, Reply, RoomState},
    },
    config::RoomName,
    history::{History, HistoryLimits, Position},
};
use std::time::Instant;

/// Questions without an answer; more are refused.
const QUERIES: usize = 64;

/// Answers a question by what Redis has replied.
pub(super) fn answer(query: Query, reply: Reply, now: Instant) {
    let state = match reply {
        Reply::Room(state) => state,
        Reply::NoRoom => return query.answer_nothing(),
        _ => return,
    };
    match query {
        Query::Read { limits, request, reader } => {
            let slice = history_of(state, limits, now).0.slice(request);
            drop(reader.send(Some(slice))); // a reader that has gone needs no answer
        }
        Query::Describe { limits, reader } => {
            let (history, clients) = history_of(state, limits, now);
            let (position, remembered) = (history.position(), history.messages());
            drop(reader.send(Some(Described { position, remembered, clients })));
        }
    }
}

/// The history that Redis has of a room, and the clients in it.
fn history_of(state: RoomState, limits: HistoryLimits, now: Instant) -> (History, usize) {
    let RoomState { until, forks, entries, clients, .. } = state;
    let mut messages = Vec::new();
    for entry in entries {
        let mut offset = entry.first();
        for stored in entry.messages {
            messages.push(message_at(stored, Position { offset, ..entry.until }, now));
            offset = offset.next();
        }
    }
    let history = History::of(limits, until, forks, messages, now);
    (history, clients.into_iter().map(|(_, clients)| clients).sum())
}

impl Node {
    /// Asks Redis about a room that is not open here. Without a connection, or with too many
    /// questions, there is no answer.
    pub fn ask(&mut self, room: &RoomName, query: Query) {
        let asked = self.calls.values().filter(|purpose| matches!(purpose, Purpose::Query(_))).count();
        let Some(connection) = self.connection.as_ref().filter(|_| asked < QUERIES) else { return };
        let limits = match &query {
            Query::Read { limits, .. } | Query::Describe { limits, .. } => *limits,
        };
        let (room, life) = (room.clone(), connection.life.clone());
        let call = Call::Fetch(Fetch { room, life, after: None, begin: None, limits });
        self.call(call, Purpose::Query(query));
    }

    /// Asks which process Redis is, unless it is being asked.
    pub(super) fn ask_life(&mut self) {
        if !self.calls.values().any(|purpose| matches!(purpose, Purpose::Life)) {
            self.call(Call::GetLife, Purpose::Life);
        }
    }
}
