//! The sessions of one thread and the rooms they are in.

use super::{
    batch::{Batch, Hearer},
    held::Held,
};
use crate::{
    config::CompressionSettings,
    hub::{Publication, SessionId},
    metrics::Metrics,
    outbox::{Outbox, Traffic},
    room::{Credit, Flow, RoomSlot},
    wire::Compression,
};
use bytes::Bytes;
use std::{
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

/// Shared by the relay and the sessions of its thread; no lock, since no other thread sees it.
pub struct Roster {
    sessions: HashMap<SessionId, Seat>,
    rooms: Vec<Members>,
    /// Rooms in which something was said since the last flush.
    stirred: Vec<RoomSlot>,
    /// Rooms whose speakers wait for who is behind.
    behind: Vec<RoomSlot>,
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
    /// Of the room that lies here now.
    flow: Option<Flow>,
    held: Held,
}

struct Member {
    hearer: Hearer,
    outbox: Rc<Outbox>,
    /// How much had been said when it came; less than nothing of `said` is for it.
    hears_from: usize,
    /// Whether something in `said` is its own, and it hears that in another way than all others.
    is_author: bool,
}

impl Roster {
    pub fn new(settings: &CompressionSettings) -> Self {
        let compression = Compression { level: settings.level, threshold: settings.threshold.bytes() };
        Self { sessions: HashMap::new(), rooms: vec![], stirred: vec![], behind: vec![], compression }
    }

    /// The session exists from now on, in no room yet.
    pub fn enter(&mut self, session: SessionId, outbox: Rc<Outbox>) {
        self.sessions.insert(session, Seat { outbox, place: None });
    }

    /// The session is gone, and nothing of it stays.
    pub fn leave(&mut self, session: SessionId) {
        let Some(Seat { place: Some((room, index)), .. }) = self.sessions.remove(&session) else { return };
        let room_here = &mut self.rooms[room.index()];
        let members = &mut room_here.members;
        members.swap_remove(index);
        if let Some(moved) = members.get(index) {
            let seat = self.sessions.get_mut(&moved.hearer.session).expect("every member has a seat");
            seat.place = Some((room, index));
        }
        if members.is_empty() {
            room_here.end();
        }
        if self.sessions.is_empty() {
            self.sessions.shrink_to_fit();
        }
    }

    /// Puts the session into the room; it hears what is said from now on. An unknown session has
    /// left before its admission came.
    pub fn admit(&mut self, hearer: Hearer, room: RoomSlot, flow: Flow) -> Option<&Rc<Outbox>> {
        let seat = self.sessions.get_mut(&hearer.session)?;
        if self.rooms.len() <= room.index() {
            self.rooms.resize_with(room.index() + 1, Members::default);
        }
        let Members { members, said, flow: known, .. } = &mut self.rooms[room.index()];
        known.get_or_insert(flow);
        seat.place = Some((room, members.len()));
        members.push(Member {
            hearer,
            outbox: seat.outbox.clone(),
            hears_from: said.len(),
            is_author: false,
        });
        seat.outbox.admitted();
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
        for slot in std::mem::take(&mut self.stirred) {
            if self.rooms[slot.index()].flush(&self.compression, metrics) {
                self.behind.push(slot);
            }
        }
    }

    /// How fast one may speak in the session's room; `None` before its admission.
    pub fn flow(&self, session: SessionId) -> Option<Flow> {
        let (room, _) = self.sessions.get(&session)?.place?;
        self.rooms[room.index()].flow.clone()
    }

    /// Whether speakers wait for hearers.
    pub fn holds_credit(&self) -> bool {
        !self.behind.is_empty()
    }

    /// Lets the speakers go on in rooms that have caught up, or were waited for long enough.
    pub fn release_credit(&mut self, now: Instant) {
        let rooms = &mut self.rooms;
        self.behind.retain(|slot| !rooms[slot.index()].release_credit(now));
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
        let author = publication.author().and_then(|author| sessions.get(&author));
        if let Some((at, index)) = author.and_then(|author| author.place)
            && at == room
        {
            self.members[index].is_author = true;
        }
    }

    /// Sends what was said to everybody; says whether speakers begin to wait for who is behind.
    fn flush(&mut self, compression: &Compression, metrics: &Metrics) -> bool {
        let said = std::mem::take(&mut self.said);
        let mut batch = Batch::new(&said, compression);
        let (mut sent, mut behind) = (Traffic::default(), false);
        for member in &mut self.members {
            member.hear(&mut batch, &mut sent);
            behind |= member.outbox.has_backlog();
        }
        metrics.messages_sent.inc_by(sent.messages);
        metrics.bytes_sent.inc_by(sent.bytes);
        if let Some(oldest) = said.first() {
            metrics.delivery_seconds.observe(oldest.taken.elapsed().as_secs_f64());
        }
        behind && !self.patience().is_zero() && self.held.keep(credits(&said), Instant::now())
    }

    fn patience(&self) -> Duration {
        self.flow.as_ref().map_or(Duration::ZERO, |flow| flow.patience)
    }

    /// Whether somebody has not taken yet what it was sent.
    fn is_behind(&self) -> bool {
        self.members.iter().any(|member| member.outbox.has_backlog())
    }

    /// Nobody here is in the room any more; another may lie here next.
    fn end(&mut self) {
        self.members.shrink_to_fit();
        self.flow = None;
        self.held = Held::default();
    }

    /// Gives back the credit of those who spoke when nobody is behind any more, or was waited for long enough; says
    /// whether it did.
    fn release_credit(&mut self, now: Instant) -> bool {
        let released = self.held.is_over(self.patience(), now) || !self.is_behind();
        if released {
            self.held = Held::default();
        }
        released
    }
}

impl Member {
    fn hear(&mut self, batch: &mut Batch, sent: &mut Traffic) {
        let Self { hearer, outbox, hears_from, is_author } = self;
        let mut push = |part: Bytes, messages| {
            sent.count(messages, part.len());
            outbox.push(part, messages);
        };
        let resumed = hearer.who != hearer.session; // what the lost session said may still be on its way
        if std::mem::take(is_author) || resumed {
            batch.parts_for(*hearer, *hears_from, outbox.form, push);
        } else {
            let (part, messages) = batch.from(*hears_from, outbox.form);
            push(part, messages);
        }
        *hears_from = 0;
    }
}

fn credits(said: &[Arc<Publication>]) -> impl Iterator<Item = Credit> + '_ {
    said.iter().filter_map(|publication| publication.credit().cloned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Settings,
        hub::Audience,
        outbox::{Pool, QueueLimits, Way},
        protocol::{Form, Protocol},
        relay::tests::{publication, slot},
    };
    use std::{
        io::Read,
        net::{TcpListener, TcpStream},
    };

    const BARE: Form = Form { protocol: Protocol::Bare, window: None };

    fn hearer(client: &Client) -> Hearer {
        Hearer { session: client.0, who: client.0 }
    }

    /// The other end of a session's socket.
    struct Client(SessionId, TcpStream);

    impl Client {
        /// A client whose session exists, in no room yet.
        async fn enters(roster: &mut Roster) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (socket, _) = listener.accept().unwrap();
            socket.set_nonblocking(true).unwrap();
            let socket = tokio::net::TcpStream::from_std(socket).unwrap();
            socket.writable().await.unwrap();
            let limits = QueueLimits::of(&Settings::default().session);
            let outbox =
                Outbox::new(Way::Socket(socket), BARE, limits, Pool::new(usize::MAX, Arc::default()));
            let session = SessionId::next();
            roster.enter(session, Rc::new(outbox));
            Self(session, client)
        }

        /// All that it ever heard; its session is over.
        fn heard(mut self) -> Vec<u8> {
            let mut heard = Vec::new();
            self.1.read_to_end(&mut heard).unwrap();
            heard
        }
    }

    fn roster() -> (Roster, RoomSlot) {
        (Roster::new(&Settings::default().compression), slot())
    }

    fn flow() -> Flow {
        Flow::of(&Settings::default())
    }

    fn said(text: &str) -> Arc<Publication> {
        publication(text, Audience::Everyone)
    }

    fn flush(roster: &mut Roster) {
        roster.flush(&Metrics::new());
    }

    #[tokio::test]
    async fn a_newcomer_hears_nothing_of_what_was_said_before_it_came() {
        let (mut roster, news) = roster();
        let (anna, bert) = (Client::enters(&mut roster).await, Client::enters(&mut roster).await);
        roster.admit(hearer(&anna), news, flow());
        roster.say(news, said("a"));
        roster.admit(hearer(&bert), news, flow());
        roster.say(news, said("b"));
        flush(&mut roster);
        roster.say(news, said("c"));
        flush(&mut roster);

        drop(roster);
        assert_eq!(anna.heard(), b"\x81\x01a\x81\x01b\x81\x01c");
        assert_eq!(bert.heard(), b"\x81\x01b\x81\x01c");
    }

    #[tokio::test]
    async fn who_has_left_hears_nothing_more_and_everybody_else_does() {
        let (mut roster, news) = roster();
        let (anna, bert) = (Client::enters(&mut roster).await, Client::enters(&mut roster).await);
        roster.admit(hearer(&anna), news, flow());
        roster.admit(hearer(&bert), news, flow());
        roster.say(news, said("a"));
        roster.leave(anna.0);
        assert_eq!(anna.heard(), b"", "its outbox is gone with it");
        flush(&mut roster);

        roster.leave(bert.0);
        assert_eq!(bert.heard(), b"\x81\x01a");
    }

    #[tokio::test]
    async fn an_admission_that_comes_too_late_is_ignored() {
        let (mut roster, news) = roster();
        let anna = Client::enters(&mut roster).await;
        roster.leave(anna.0);
        assert!(roster.admit(hearer(&anna), news, flow()).is_none());
    }

    #[tokio::test]
    async fn the_next_room_in_the_same_place_hears_nothing_of_the_last() {
        let (mut roster, place) = roster();
        let (anna, bert) = (Client::enters(&mut roster).await, Client::enters(&mut roster).await);
        roster.admit(hearer(&anna), place, flow());
        roster.say(place, said("a"));
        roster.leave(anna.0);
        roster.admit(hearer(&bert), place, flow());
        roster.say(place, said("b"));
        flush(&mut roster);

        drop(roster);
        assert_eq!(bert.heard(), b"\x81\x01b");
    }
}
