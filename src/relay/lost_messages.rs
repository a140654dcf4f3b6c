//! Notices to members when the backplane has lost messages, or has not confirmed them.

use super::*;
use crate::{
    delivery::Broadcast,
    history::{Audience, Epoch, History, HistoryRequest, HistorySlice, NewMessage, Offset},
    hub::Admission,
    ids::{Reference, RoomSlot, SpeakerId},
    limits::Flow,
    policy::Policy,
    protocol::{Encoding, Framing, Protocol},
    testing::{HISTORY, broadcast, slots, worker},
    wire::Payload,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::{TcpListener, TcpSocket},
    time::timeout,
};

/// A relay, and the state of its thread.
struct Bench {
    relay: Addr<Relay>,
    worker: Rc<WorkerContext>,
}

/// The client's end of a session, and the session's connection.
struct Client {
    id: ConnectionId,
    connection: Rc<Connection>,
    socket: Box<dyn AsyncRead + Unpin>,
}

impl Bench {
    fn new() -> Self {
        let worker = worker().0;
        Self { relay: Relay::new(worker.clone()).start(), worker }
    }

    /// A client whose session is no member of a room yet.
    async fn client(&self, protocol: Protocol) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpSocket::new_v4().unwrap();
        let socket = Box::new(client.connect(listener.local_addr().unwrap()).await.unwrap());
        let (accepted, _) = listener.accept().await.unwrap();
        accepted.writable().await.unwrap();
        let (encoding, backlog) =
            (Encoding { protocol, window: None }, self.worker.shared.limits.backlog.clone());
        let connection = Rc::new(Connection::new(accepted.into(), encoding, backlog));
        let id = ConnectionId::next();
        self.worker.local_sessions.borrow_mut().enter(id, connection.clone());
        Client { id, connection, socket }
    }

    /// Handles these events, and delivers everything.
    async fn handle(&self, mut events: Vec<Event>) {
        events.push(Event::Finished { connection: ConnectionId::next() }); // of no session: it flushes
        self.relay.send(Turn(events)).await.unwrap();
    }

    /// Ends the session; returns all bytes that its client has received.
    async fn received(&self, client: Client) -> String {
        let Client { id, connection, mut socket } = client;
        let history_is_sent = async {
            while connection.awaits_history() {
                yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), history_is_sent).await.expect("the history is sent");
        self.worker.local_sessions.borrow_mut().leave(id, &self.worker.shared.metrics);
        drop(connection);
        let mut received = Vec::new();
        socket.read_to_end(&mut received).await.unwrap();
        String::from_utf8_lossy(&received).into_owned()
    }
}

impl Client {
    /// Its admission, with a history of these messages.
    fn admitted(&self, room: RoomSlot, texts: &[&str]) -> Event {
        self.admitted_with(room, history(texts))
    }

    fn admitted_with(&self, room: RoomSlot, history: HistorySlice) -> Event {
        let (who, name) = (SpeakerId::next(), "news".parse().unwrap());
        let admission = Admission { who, resumed: false, room: name, greeting: None, history };
        let flow = Flow::of(Policy::default().session.outbox);
        Event::Admitted { connection: self.id, room, flow, admission: Box::new(admission) }
    }
}

/// A history of these messages, from its beginning.
fn history(texts: &[&str]) -> HistorySlice {
    let mut history = History::new(HISTORY);
    for text in texts {
        let payload = Payload::Text((*text).into());
        history.append(NewMessage { payload, who: None, audience: Audience::Everyone }, Instant::now());
    }
    history.slice(HistoryRequest { since: None, last: texts.len() })
}

fn message(room: RoomSlot, text: &str) -> Event {
    Event::Broadcast { room, broadcast: broadcast(text, Audience::Everyone) }
}

fn history_lost(room: RoomSlot) -> Event {
    Event::HistoryLost { room, notice: Broadcast::epoch(Epoch::begin(), Offset::default().next()) }
}

/// Asserts that `parts` follow each other in `text`.
fn assert_in_turn(text: &str, parts: &[&str]) {
    let rest = parts.iter().try_fold(text, |rest, part| rest.split_once(part).map(|(_, rest)| rest));
    assert!(rest.is_some(), "{parts:?} in {text:?}");
}

const EVENTS: [Protocol; 2] = [Protocol::Events(Framing::Chunked), Protocol::Events(Framing::Close)];
const LOST: &str = "messages that this client received are no longer in the history";

#[actix::test]
async fn a_lost_history_is_told_in_worldcast_v1_between_the_messages_before_and_after() {
    let (bench, room) = (Bench::new(), slots(1)[0]);
    let client = bench.client(Protocol::V1).await;
    let events = [client.admitted(room, &[]), message(room, "a"), history_lost(room), message(room, "b")];
    bench.handle(events.into()).await;
    let received = bench.received(client).await;
    assert_in_turn(
        &received,
        &["welcome", r#""text":"a""#, r#"{"type":"epoch","epoch":""#, r#"","kept":1}"#, r#""text":"b""#],
    );
    assert!(!received.contains(LOST), "{received}");
}

#[actix::test]
async fn a_hole_that_nobody_can_fill_is_told_with_the_offset_behind_it() {
    let (bench, room) = (Bench::new(), slots(1)[0]);
    let client = bench.client(Protocol::V1).await;
    let until = history(&["one", "two", "three"]).until;
    let hole = Event::HistoryLost { room, notice: Broadcast::hole(Offset::default().next(), until) };
    bench.handle(vec![client.admitted(room, &[]), hole]).await;
    assert_in_turn(
        &bench.received(client).await,
        &[r#"{"type":"epoch","epoch":""#, r#","kept":1,"offset":3}"#],
    );
}

#[actix::test]
async fn a_lost_history_closes_raw_clients_and_event_streams_behind_the_messages_before_it() {
    let (bench, room) = (Bench::new(), slots(1)[0]);
    for protocol in [Protocol::Raw].into_iter().chain(EVENTS) {
        let client = bench.client(protocol).await;
        let events = [client.admitted(room, &[]), message(room, "before"), history_lost(room)];
        bench.handle(events.into()).await;
        bench.handle(vec![message(room, "after")]).await;
        assert_eq!(client.connection.reason(), Some(&CloseReason::HistoryLost));
        let received = bench.received(client).await;
        assert_in_turn(&received, &["before", LOST]);
        assert!(!received.contains("after") && !received.contains("epoch\":\"\","), "{received}");
    }
}

#[actix::test]
async fn a_newcomer_that_waits_for_the_lost_history_receives_it_before_it_is_told() {
    let (bench, room) = (Bench::new(), slots(1)[0]);
    for (protocol, told) in [(Protocol::Raw, LOST), (Protocol::V1, r#""kept":1"#), (EVENTS[0], LOST)] {
        let client = bench.client(protocol).await;
        let events = [client.admitted(room, &["old", "older"]), history_lost(room)];
        bench.handle(events.into()).await;
        assert_in_turn(&bench.received(client).await, &["old", "older", told]);
    }
}

#[actix::test]
async fn a_lost_history_disturbs_no_other_room_and_no_later_member() {
    let (bench, rooms) = (Bench::new(), slots(2));
    let (member, other) = (bench.client(Protocol::Raw).await, bench.client(Protocol::Raw).await);
    let later = bench.client(Protocol::Raw).await;
    bench.handle(vec![member.admitted(rooms[0], &[]), other.admitted(rooms[1], &[])]).await;
    bench.handle(vec![history_lost(rooms[0]), later.admitted(rooms[0], &[])]).await;
    bench.handle(rooms.iter().map(|room| message(*room, "a")).collect()).await;
    assert_eq!(bench.received(other).await, "\u{fffd}\u{1}a");
    assert_eq!(bench.received(later).await, "\u{fffd}\u{1}a");
    assert!(bench.received(member).await.ends_with(LOST));
}

#[actix::test]
async fn an_unconfirmed_message_is_an_error_with_its_ref_in_worldcast_v1_and_the_session_stays() {
    let (bench, room) = (Bench::new(), slots(1)[0]);
    let client = bench.client(Protocol::V1).await;
    let reference = Reference::try_from("a1".to_owned()).ok();
    let unconfirmed = |reference| Event::Unconfirmed { connection: client.id, reference };
    let events = [
        client.admitted(room, &[]),
        message(room, "a"),
        unconfirmed(reference),
        unconfirmed(None),
        message(room, "b"),
    ];
    bench.handle(events.into()).await;
    let received = bench.received(client).await;
    assert_in_turn(
        &received,
        &[
            r#""text":"a""#,
            r#"{"type":"error","ref":"a1","code":"backplane","message":""#,
            r#"may still be published"}"#,
            r#"{"type":"error","code":"backplane","message":""#,
            r#""text":"b""#,
        ],
    );
}

#[actix::test]
async fn an_unconfirmed_message_closes_a_raw_client_as_overloaded() {
    let (bench, room) = (Bench::new(), slots(1)[0]);
    let client = bench.client(Protocol::Raw).await;
    bench.handle(vec![client.admitted(room, &[]), message(room, "a")]).await;
    bench.handle(vec![Event::Unconfirmed { connection: client.id, reference: None }]).await;
    bench.handle(vec![message(room, "b")]).await;
    assert_eq!(client.connection.reason(), Some(&CloseReason::Overloaded));
    let received = bench.received(client).await;
    assert_in_turn(&received, &["a", "overloaded: "]);
    assert!(received.ends_with("within session.stalled_write"), "{received}");
}

#[actix::test]
async fn a_newcomer_whose_room_cannot_be_opened_is_closed_for_the_backplane() {
    let bench = Bench::new();
    for protocol in [Protocol::Raw, Protocol::V1].into_iter().chain(EVENTS) {
        let client = bench.client(protocol).await;
        let reason = CloseReason::Backplane;
        bench.handle(vec![Event::Refused { connection: client.id, reason: reason.clone() }]).await;
        assert_eq!(reason.code().map(u16::from), Some(1013));
        assert!(bench.received(client).await.contains(&reason.to_string()));
    }
}

/// Members of `worldcast.v1` that have lost nothing need the epoch too: their later positions are
/// of it.
#[actix::test]
async fn an_epoch_that_loses_nothing_is_told_in_worldcast_v1_and_closes_nobody() {
    let (bench, room) = (Bench::new(), slots(1)[0]);
    for protocol in [Protocol::Raw, Protocol::V1].into_iter().chain(EVENTS) {
        let client = bench.client(protocol).await;
        let Event::HistoryLost { notice, .. } = history_lost(room) else { unreachable!() };
        let epoch = Event::Broadcast { room, broadcast: notice };
        let events = [client.admitted(room, &[]), message(room, "before"), epoch, message(room, "after")];
        bench.handle(events.into()).await;
        assert_eq!(client.connection.reason(), None);
        let received = bench.received(client).await;
        assert_in_turn(&received, &["before", "after"]);
        assert_eq!(received.contains(r#"{"type":"epoch""#), protocol == Protocol::V1, "{received}");
    }
}

#[actix::test]
async fn a_client_that_resumes_from_an_earlier_epoch_is_welcomed_in_the_present_one() {
    let (bench, room) = (Bench::new(), slots(1)[0]);
    let long = "x".repeat(50_000); // several steps
    for protocol in [Protocol::V1, EVENTS[0]] {
        let client = bench.client(protocol).await;
        let mut history = history(&["first", &long, &long, "last"]);
        history.from.epoch = Epoch::begin();
        let present = history.until.epoch.to_string();
        bench.handle(vec![client.admitted_with(room, history)]).await;
        assert_in_turn(&bench.received(client).await, &["welcome", &present, "first", &long, &long, "last"]);
    }
}
