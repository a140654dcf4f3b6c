//! The sessions of one thread and the rooms they are in.

use super::batch::Batch;
use crate::{
    config::CompressionSettings,
    hub::{Publication, SessionId},
    metrics::Metrics,
    outbox::{Outbox, Traffic},
    room::RoomSlot,
    wire::Compression,
};
use bytes::Bytes;
use std::{collections::HashMap, rc::Rc, sync::Arc};

/// Shared by the relay and the sessions of its thread; no lock, since no other thread sees it.
pub struct Roster {
    sessions: HashMap<SessionId, Seat>,
    rooms: Vec<Members>,
    /// Rooms in which something was said since the last flush.
    stirred: Vec<RoomSlot>,
    compression: Compression,
}

/// Where a session is found again.
struct Seat {
    outbox: Rc<Outbox>,
    place: Option<(RoomSlot, usize)>,
}

/// One room's members at this relay, and what they have not been sent yet.
#[derive(Default)]
struct Members {
    members: Vec<Member>,
    said: Vec<Arc<Publication>>,
}

struct Member {
    session: SessionId,
    outbox: Rc<Outbox>,
    /// How much had been said when it came; less than nothing of `said` is for it.
    hears_from: usize,
    /// Whether something in `said` is its own and not for itself.
    hears_gaps: bool,
}

impl Roster {
    pub fn new(settings: &CompressionSettings) -> Self {
        let compression = Compression { level: settings.level, threshold: settings.threshold.bytes() };
        Self { sessions: HashMap::new(), rooms: Vec::new(), stirred: Vec::new(), compression }
    }

    /// The session exists from now on, in no room yet.
    pub fn enter(&mut self, session: SessionId, outbox: Rc<Outbox>) {
        self.sessions.insert(session, Seat { outbox, place: None });
    }

    /// The session is gone, and nothing of it stays.
    pub fn leave(&mut self, session: SessionId) {
        let Some(Seat { place: Some((room, index)), .. }) = self.sessions.remove(&session) else { return };
        let members = &mut self.rooms[room.index()].members;
        members.swap_remove(index);
        if let Some(moved) = members.get(index) {
            let seat = self.sessions.get_mut(&moved.session).expect("every member has a seat");
            seat.place = Some((room, index));
        }
        if members.is_empty() {
            members.shrink_to_fit();
        }
        if self.sessions.is_empty() {
            self.sessions.shrink_to_fit();
        }
    }

    /// Puts the session into the room; it hears what is said from now on. An unknown session has
    /// left before its admission came.
    pub fn admit(&mut self, session: SessionId, room: RoomSlot) -> Option<&Rc<Outbox>> {
        let seat = self.sessions.get_mut(&session)?;
        if self.rooms.len() <= room.index() {
            self.rooms.resize_with(room.index() + 1, Members::default);
        }
        let Members { members, said } = &mut self.rooms[room.index()];
        seat.place = Some((room, members.len()));
        members.push(Member {
            session,
            outbox: seat.outbox.clone(),
            hears_from: said.len(),
            hears_gaps: false,
        });
        Some(&seat.outbox)
    }

    /// Keeps what was said for the next flush.
    pub fn say(&mut self, room: RoomSlot, publication: Arc<Publication>) {
        let Some(members) = self.rooms.get_mut(room.index()).filter(|room| !room.members.is_empty()) else {
            return; // everybody has left since
        };
        if members.said.is_empty() {
            self.stirred.push(room);
        }
        members.mark_author(&self.sessions, room, &publication);
        members.said.push(publication);
    }

    /// Sends every member what was said in its room since the last flush, at once.
    pub fn flush(&mut self, metrics: &Metrics) {
        for room in std::mem::take(&mut self.stirred) {
            self.rooms[room.index()].flush(&self.compression, metrics);
        }
    }

    pub fn outbox(&self, session: SessionId) -> Option<&Rc<Outbox>> {
        self.sessions.get(&session).map(|seat| &seat.outbox)
    }

    pub fn outboxes(&self) -> impl Iterator<Item = &Rc<Outbox>> {
        self.sessions.values().map(|seat| &seat.outbox)
    }

    pub fn sessions(&self) -> impl Iterator<Item = SessionId> + '_ {
        self.sessions.keys().copied()
    }
}

impl Members {
    fn mark_author(
        &mut self,
        sessions: &HashMap<SessionId, Seat>,
        room: RoomSlot,
        publication: &Publication,
    ) {
        let author = publication.audience.left_out().and_then(|author| sessions.get(&author));
        if let Some((at, index)) = author.and_then(|author| author.place)
            && at == room
        {
            self.members[index].hears_gaps = true;
        }
    }

    fn flush(&mut self, compression: &Compression, metrics: &Metrics) {
        let said = std::mem::take(&mut self.said);
        let mut batch = Batch::new(&said, compression);
        let mut sent = Traffic::default();
        for member in &mut self.members {
            member.hear(&mut batch, &mut sent);
        }
        metrics.messages_sent.inc_by(sent.messages);
        metrics.bytes_sent.inc_by(sent.bytes);
        if let Some(oldest) = said.first() {
            metrics.delivery_seconds.observe(oldest.taken.elapsed().as_secs_f64());
        }
    }
}

impl Member {
    fn hear(&mut self, batch: &mut Batch, sent: &mut Traffic) {
        let Self { session, outbox, hears_from, hears_gaps } = self;
        let mut push = |part: Bytes, messages| {
            sent.count(messages, part.len());
            outbox.push(part, messages);
        };
        if std::mem::take(hears_gaps) {
            batch.parts_for(*session, *hears_from, outbox.window, push);
        } else {
            let (part, messages) = batch.from(*hears_from, outbox.window);
            push(part, messages);
        }
        *hears_from = 0;
    }
}
