//! The sessions of one worker thread, and the rooms of which they are members.

use super::{
    credit::Patience,
    local_room::{FETCHED_TOGETHER, LocalRoom},
};
use crate::{
    connection::{Connection, Membership},
    delivery::{Broadcast, Subscriber},
    ids::{ConnectionId, RoomSlot},
    limits::Flow,
    metrics::Metrics,
    policy::Policy,
    protocol::{CloseReason, Protocol},
    wire::Deflater,
};
use std::{cell::Cell, collections::HashMap, rc::Rc, sync::Arc, time::Instant};

/// The sessions of one thread, shared by its relay and by themselves; without a lock, since no
/// other thread uses it.
pub struct LocalSessions {
    /// The connections of the sessions; each knows its membership.
    sessions: HashMap<ConnectionId, Rc<Connection>>,
    rooms: Vec<LocalRoom>,
    /// Rooms with messages since the last flush.
    dirty: Vec<RoomSlot>,
    /// Rooms that hold back credit because a member lags.
    lagging: Vec<RoomSlot>,
    /// Compresses the messages for all sessions.
    deflater: Deflater,
    patience: Patience,
}

impl LocalSessions {
    /// No sessions, under `policy`.
    pub fn new(policy: &Policy) -> Self {
        Self {
            sessions: HashMap::new(),
            rooms: vec![],
            dirty: vec![],
            lagging: vec![],
            deflater: Deflater::new(policy.compression),
            patience: Patience::of(policy),
        }
    }

    /// Adds a session, which is not a member of a room yet.
    pub fn enter(&mut self, session: ConnectionId, connection: Rc<Connection>) {
        self.sessions.insert(session, connection);
    }

    /// Removes a session, and its membership if it has one.
    pub fn leave(&mut self, session: ConnectionId, metrics: &Metrics) {
        let Some(connection) = self.sessions.remove(&session) else { return };
        let Some(Membership { room, index, .. }) = connection.membership() else { return };
        self.rooms[room.index()].remove(index.get(), &self.patience, metrics);
        self.free_slots();
        if self.sessions.is_empty() {
            self.sessions.shrink_to_fit();
        }
    }

    /// Drops unused slots at the end of the list, and their memory after many rooms have ended.
    fn free_slots(&mut self) {
        while self.rooms.last().is_some_and(LocalRoom::is_empty) {
            self.rooms.pop();
        }
        if self.rooms.capacity() > 4 * self.rooms.len().max(16) {
            self.rooms.shrink_to(2 * self.rooms.len());
        }
    }

    /// Makes the session a member of the room, which receives messages from now on. Returns `None`
    /// for a session that has left before its admission.
    pub fn admit(&mut self, subscriber: Subscriber, room: RoomSlot, flow: Flow) -> Option<&Rc<Connection>> {
        let connection = self.sessions.get(&subscriber.connection)?;
        if self.rooms.len() <= room.index() {
            self.rooms.resize_with(room.index() + 1, LocalRoom::default);
        }
        let index = Cell::new(self.rooms[room.index()].admit(subscriber, connection.clone(), &flow));
        connection.admitted(Membership { room, index, flow });
        Some(connection)
    }

    /// Queues a message for the next flush.
    pub fn queue(&mut self, room: RoomSlot, broadcast: Arc<Broadcast>) {
        let Some(local) = self.rooms.get_mut(room.index()).filter(|local| !local.is_empty()) else {
            return; // all members have left since
        };
        let author = broadcast.author().and_then(|author| self.sessions.get(&author)?.membership());
        if let Some(author) = author.filter(|author| author.room == room) {
            local.mark_needs_slices(author.index.get());
        }
        if local.queue(broadcast) {
            self.dirty.push(room);
        }
    }

    /// Delivers to every member the messages in its room since the last flush, in one piece.
    pub fn flush(&mut self, metrics: &Metrics) {
        for slots in std::mem::take(&mut self.dirty).chunks(FETCHED_TOGETHER) {
            slots.iter().filter_map(|slot| self.rooms.get(slot.index())).for_each(LocalRoom::prefetch);
            for slot in slots {
                let Some(room) = self.rooms.get_mut(slot.index()) else { continue }; // all members have left
                if room.flush(&self.deflater, &self.patience, metrics) {
                    self.lagging.push(*slot);
                }
            }
        }
    }

    /// Closes the members of the room whose protocol has no notices.
    pub fn close_without_notices(&self, room: RoomSlot, reason: &CloseReason) {
        let members = self.rooms.get(room.index()).into_iter().flat_map(LocalRoom::connections);
        members
            .filter(|connection| connection.encoding.protocol != Protocol::V1)
            .for_each(|connection| connection.close(reason.clone()));
    }

    /// Returns `true` if a room holds back credit.
    pub fn holds_credit(&self) -> bool {
        !self.lagging.is_empty()
    }

    /// Releases credit in rooms that have caught up, or have waited long enough.
    pub fn release_credit(&mut self, now: Instant, metrics: &Metrics) {
        let (rooms, patience) = (&mut self.rooms, &self.patience);
        self.lagging.retain(|slot| {
            let room = rooms.get_mut(slot.index());
            room.is_some_and(|room| !room.release_credit(now, patience, metrics))
        });
    }

    /// Returns the connection of a session, unless it has left.
    pub fn connection(&self, session: ConnectionId) -> Option<&Rc<Connection>> {
        self.sessions.get(&session)
    }

    /// Returns the number of sessions.
    pub fn count(&self) -> usize {
        self.sessions.len()
    }

    /// Iterates over all connections, in no order.
    pub fn connections(&self) -> impl Iterator<Item = &Rc<Connection>> {
        self.sessions.values()
    }

    /// Iterates over all sessions, in no order.
    pub fn sessions(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        self.sessions.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock,
        history::Audience,
        ids::SpeakerId,
        limits::Backlog,
        protocol::{Encoding, Protocol},
        testing::{broadcast, slot, slots},
    };
    use bytes::Bytes;
    use std::{
        io::Read,
        net::{TcpListener, TcpStream},
        time::Duration,
    };

    const RAW: Encoding = Encoding { protocol: Protocol::Raw, window: None };

    fn subscriber(client: &Client) -> Subscriber {
        Subscriber { connection: client.0, who: SpeakerId::next(), resumed: false }
    }

    /// The client's end of a session's socket.
    struct Client(ConnectionId, TcpStream);

    impl Client {
        /// A client whose session has entered, without a room yet.
        async fn enters(local_sessions: &mut LocalSessions) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (socket, _) = listener.accept().unwrap();
            socket.set_nonblocking(true).unwrap();
            let socket = tokio::net::TcpStream::from_std(socket).unwrap();
            socket.writable().await.unwrap();
            let policy = Policy::default();
            let backlog = Backlog::new(policy.session.outbox, policy.limits.outbox_bytes_total);
            let connection = Connection::new(socket.into(), RAW, Arc::new(backlog));
            let session = ConnectionId::next();
            local_sessions.enter(session, Rc::new(connection));
            Self(session, client)
        }

        /// Returns all bytes received, after the end of the session.
        fn received(mut self) -> Vec<u8> {
            let mut received = Vec::new();
            self.1.read_to_end(&mut received).unwrap();
            received
        }
    }

    fn local_sessions() -> (LocalSessions, RoomSlot) {
        (LocalSessions::new(&Policy::default()), slot())
    }

    fn flow() -> Flow {
        Flow::of(Policy::default().session.outbox)
    }

    fn message(text: &str) -> Arc<Broadcast> {
        broadcast(text, Audience::Everyone)
    }

    fn leave(local_sessions: &mut LocalSessions, session: ConnectionId) {
        local_sessions.leave(session, &Metrics::new());
    }

    fn flush(local_sessions: &mut LocalSessions) {
        local_sessions.flush(&Metrics::new());
    }

    #[tokio::test]
    async fn a_newcomer_receives_no_earlier_message() {
        let (mut local_sessions, news) = local_sessions();
        let (anna, bert) =
            (Client::enters(&mut local_sessions).await, Client::enters(&mut local_sessions).await);
        local_sessions.admit(subscriber(&anna), news, flow());
        local_sessions.queue(news, message("a"));
        local_sessions.admit(subscriber(&bert), news, flow());
        local_sessions.queue(news, message("b"));
        flush(&mut local_sessions);
        local_sessions.queue(news, message("c"));
        flush(&mut local_sessions);

        drop(local_sessions);
        assert_eq!(anna.received(), b"\x81\x01a\x81\x01b\x81\x01c");
        assert_eq!(bert.received(), b"\x81\x01b\x81\x01c");
    }

    #[tokio::test]
    async fn live_messages_wait_behind_a_history_that_is_not_encoded_yet() {
        let (mut local_sessions, news) = local_sessions();
        let anna = Client::enters(&mut local_sessions).await;
        let connection = local_sessions.admit(subscriber(&anna), news, flow()).unwrap().clone();
        connection.await_history();
        local_sessions.queue(news, message("live"));
        flush(&mut local_sessions);
        let (first, history) = (Bytes::from_static(b"\x81\x05world"), Bytes::from_static(b"\x81\x03old"));
        connection.send_history(Some(first.clone()), vec![history], 1);
        assert_eq!((connection.sent().messages, connection.accepted()), (3, 7 + 5 + 6));
        connection.send_history(Some(first), vec![], 0); // once

        drop((connection, local_sessions));
        assert_eq!(anna.received(), b"\x81\x05world\x81\x03old\x81\x04live");
    }

    #[tokio::test]
    async fn a_newcomer_that_waits_too_long_for_its_history_is_closed() {
        let (mut local_sessions, news) = local_sessions();
        let anna = Client::enters(&mut local_sessions).await;
        let connection = local_sessions.admit(subscriber(&anna), news, flow()).unwrap().clone();
        connection.await_history();
        local_sessions.queue(news, message("live"));
        flush(&mut local_sessions);
        let deadlines = Policy::default().session.deadlines;
        let now = clock::now();
        connection.check_deadlines(now + deadlines.stalled_write - Duration::from_secs(1), &deadlines);
        assert!(connection.awaits_history());
        connection.check_deadlines(now + deadlines.stalled_write + Duration::from_secs(1), &deadlines);
        assert!(!connection.awaits_history());
        connection.send_history(None, vec![Bytes::from_static(b"late")], 1);

        drop((connection, local_sessions));
        let received = anna.received();
        assert_eq!(received[2..4], 1013_u16.to_be_bytes(), "a close frame and nothing else");
        assert_eq!(received.len(), 2 + usize::from(received[1]));
    }

    #[tokio::test]
    async fn a_member_that_left_receives_nothing_and_the_others_do() {
        let (mut local_sessions, news) = local_sessions();
        let (anna, bert) =
            (Client::enters(&mut local_sessions).await, Client::enters(&mut local_sessions).await);
        local_sessions.admit(subscriber(&anna), news, flow());
        local_sessions.admit(subscriber(&bert), news, flow());
        local_sessions.queue(news, message("a"));
        leave(&mut local_sessions, anna.0);
        assert_eq!(anna.received(), b"", "its outbox is gone with it");
        flush(&mut local_sessions);

        leave(&mut local_sessions, bert.0);
        assert_eq!(bert.received(), b"\x81\x01a");
    }

    #[tokio::test]
    async fn a_member_whose_place_changed_still_receives_and_leaves() {
        let (mut local_sessions, news) = local_sessions();
        let mut clients = Vec::new();
        for _ in 0..3 {
            let client = Client::enters(&mut local_sessions).await;
            local_sessions.admit(subscriber(&client), news, flow());
            clients.push(client);
        }
        let last = clients.pop().unwrap();
        for client in clients {
            local_sessions.leave(client.0, &Metrics::new()); // the last one moves to its place
        }
        local_sessions.queue(news, message("a"));
        flush(&mut local_sessions);
        local_sessions.leave(last.0, &Metrics::new());
        assert!(local_sessions.rooms.is_empty(), "nobody is left");
        assert_eq!(last.received(), b"\x81\x01a");
    }

    #[tokio::test]
    async fn an_admission_that_comes_too_late_is_ignored() {
        let (mut local_sessions, news) = local_sessions();
        let anna = Client::enters(&mut local_sessions).await;
        leave(&mut local_sessions, anna.0);
        assert!(local_sessions.admit(subscriber(&anna), news, flow()).is_none());
    }

    #[tokio::test]
    async fn the_memory_of_rooms_goes_with_their_clients() {
        let (mut local_sessions, slots) = (local_sessions().0, slots(1000));
        let (anna, bert) =
            (Client::enters(&mut local_sessions).await, Client::enters(&mut local_sessions).await);
        local_sessions.admit(subscriber(&anna), slots[3], flow());
        local_sessions.admit(subscriber(&bert), slots[999], flow());
        local_sessions.queue(slots[999], message("a"));
        leave(&mut local_sessions, bert.0);
        assert_eq!(local_sessions.rooms.len(), 4);
        assert!(local_sessions.rooms.capacity() <= 64, "{}", local_sessions.rooms.capacity());
        flush(&mut local_sessions); // of a room that is gone
        leave(&mut local_sessions, anna.0);
        assert!(local_sessions.rooms.is_empty());
    }

    #[tokio::test]
    async fn the_next_room_in_a_slot_receives_nothing_of_the_last() {
        let (mut local_sessions, membership) = local_sessions();
        let (anna, bert) =
            (Client::enters(&mut local_sessions).await, Client::enters(&mut local_sessions).await);
        local_sessions.admit(subscriber(&anna), membership, flow());
        local_sessions.queue(membership, message("a"));
        leave(&mut local_sessions, anna.0);
        local_sessions.admit(subscriber(&bert), membership, flow());
        local_sessions.queue(membership, message("b"));
        flush(&mut local_sessions);

        drop(local_sessions);
        assert_eq!(bert.received(), b"\x81\x01b");
    }
}
