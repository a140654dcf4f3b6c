//! Tests of the hub over a backplane whose arrivals come later.

use super::*;
use crate::{
    backplane::{Backplane, Delayed, GetPresence, IdempotencyKey, Newcomer, NotPosted, Ordered, Speaker},
    config::Settings,
    history::{Audience, HistoryRequest, NewMessage},
    ids::{Reference, RelayId, SpeakerId},
    limits::{FairSemaphore, Permit},
    testing::message,
    wire::Payload,
};
use std::{cell::RefCell, rc::Rc};

const RELAY: RelayId = RelayId(0);

/// The events of the relay, in words.
type Events = Rc<RefCell<Vec<String>>>;

struct Recorder(Events);

impl Actor for Recorder {
    type Context = Context<Self>;
}

impl Handler<Turn> for Recorder {
    type Result = ();

    fn handle(&mut self, Turn(events): Turn, _: &mut Self::Context) {
        self.0.borrow_mut().extend(events.iter().map(describe));
    }
}

fn describe(event: &Event) -> String {
    match event {
        Event::Admitted { admission, .. } => {
            format!(
                "admitted after {} of {}",
                admission.history.messages.len(),
                admission.history.until.offset
            )
        }
        Event::Broadcast { broadcast, .. } => match broadcast.author() {
            Some(author) => format!("message, ack {}", broadcast.ack(author).is_some()),
            None if broadcast.bytes() == 1 => "message".to_owned(),
            None => "notice".to_owned(),
        },
        Event::Presence { presence, .. } => format!("presence of {}", presence.present.clients),
        Event::Refused { reason, .. } => format!("refused: {}", reason.name()),
        Event::Unconfirmed { .. } => "unconfirmed".to_owned(),
        Event::HistoryLost { .. } => "history lost".to_owned(),
        Event::Finished { .. } => "finished".to_owned(),
        Event::Draining { .. } => "draining".to_owned(),
    }
}

/// Lets the first requests of the delayed backplane arrive.
#[derive(Message)]
#[rtype(result = "()")]
struct Release(usize);

impl Handler<Release> for Hub {
    type Result = ();

    fn handle(&mut self, Release(count): Release, ctx: &mut Self::Context) {
        let Backplane::Delayed(delayed) = &mut self.store.backplane else { panic!("arrivals come at once") };
        delayed.release(count, Instant::now(), &mut self.arrived);
        self.handle_arrivals(ctx);
        self.end_turn();
    }
}

/// Lets the delayed backplane give up every request.
#[derive(Message)]
#[rtype(result = "()")]
struct LoseAll;

impl Handler<LoseAll> for Hub {
    type Result = ();

    fn handle(&mut self, _: LoseAll, _: &mut Self::Context) {
        let Backplane::Delayed(delayed) = &mut self.store.backplane else { panic!("arrivals come at once") };
        delayed.lose_all();
    }
}

/// Lets something arrive that another node has submitted.
#[derive(Message)]
#[rtype(result = "()")]
struct FromElsewhere(&'static str);

impl Handler<FromElsewhere> for Hub {
    type Result = ();

    fn handle(&mut self, FromElsewhere(room): FromElsewhere, ctx: &mut Self::Context) {
        let slot = self.store.rooms.find(&name(room)).expect("the room is open").slot();
        let mut history = crate::history::History::new(crate::testing::HISTORY);
        let messages = smallvec::smallvec![history.append(message(1), Instant::now())];
        let answer = Err(NotPosted::Unavailable); // nobody here waits for it
        self.arrived.push_back(Arrival::Messages(Ordered { room: slot, messages, answer, pending: None }));
        self.handle_arrivals(ctx);
        self.end_turn();
    }
}

/// Asks for the names of the rooms that exist.
#[derive(Message)]
#[rtype(result = "Vec<String>")]
struct Names;

impl Handler<Names> for Hub {
    type Result = Vec<String>;

    fn handle(&mut self, _: Names, _: &mut Self::Context) -> Vec<String> {
        self.store.rooms.after(None).map(|room| room.name().to_string()).collect()
    }
}

fn name(room: &str) -> RoomName {
    room.parse().unwrap()
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.rooms.presence = true;
    settings.rooms.gather_presence = Duration::ZERO;
    settings.limits.rooms = 2;
    settings
}

struct Bench {
    hub: Addr<Hub>,
    events: Events,
}

impl Bench {
    fn new(settings: Settings) -> Self {
        let mut hub = Hub::new(Arc::new(Policy::new(&settings)), Arc::default());
        hub.store.backplane = Backplane::Delayed(Delayed::default());
        let (hub, events) = (hub.start(), Events::default());
        let bench = Self { hub, events: events.clone() };
        let turns = Recorder(events).start().recipient();
        bench.command(Command::RelayStarted(RelayStarted { relay: RELAY, turns }));
        bench
    }

    fn command(&self, command: Command) {
        self.hub.do_send(Commands(vec![command]));
    }

    fn join(&self, room: &str) -> Client {
        let client = Client { connection: ConnectionId::next(), who: SpeakerId::next(), room: name(room) };
        let Client { connection, who, room } = client.clone();
        let newcomer = Newcomer { connection, relay: RELAY, who, resumed: false, room };
        let (source, history) = (Source::new(None, false), HistoryRequest { since: None, last: 10 });
        self.command(Command::Join(Join { newcomer, source, history, peer: None }));
        client
    }

    fn leave(&self, client: &Client) {
        let Client { connection, who, room } = client.clone();
        self.command(Command::Leave(Leave { connection, who, relay: RELAY, room }));
    }

    fn publish(&self, client: &Client, slot: RoomSlot) {
        let reference = Reference::try_from("1".to_owned()).ok();
        let speaker = Speaker { connection: client.connection, reference };
        let payload = Payload::Text("!".into());
        let message = NewMessage { payload, who: Some(client.who), audience: Audience::Everyone };
        self.command(Command::Publish(Publish { room: slot, speaker, message, permit: None, peer: None }));
    }

    fn finish(&self, client: &Client) {
        self.command(Command::Finish(Finish { connection: client.connection, relay: RELAY }));
    }

    /// Sends a request over HTTP; its answer is a task.
    fn post(&self, room: &str, key: Option<&str>) -> tokio::task::JoinHandle<Result<Posted, NotPosted>> {
        let permit = Permit::new(FairSemaphore::new(1).try_acquire(1).unwrap(), None);
        let key = key.map(|key| IdempotencyKey { key: key.to_owned(), fingerprint: 1 });
        let (room, payloads) = (name(room), vec![Payload::Text("!".into())]);
        let source = Source::new(None, false);
        let answer = self.hub.send(Post { room, payloads, key, source, permit, peer: None });
        actix::spawn(async { answer.await.unwrap() })
    }

    /// Lets `count` requests arrive; returns the events since the last call.
    async fn release(&self, count: usize) -> Vec<String> {
        self.hub.send(Release(count)).await.unwrap();
        self.events().await
    }

    /// The events since the last call, when the hub and its relay have handled everything.
    async fn events(&self) -> Vec<String> {
        self.names().await;
        for _ in 0..3 {
            tokio::task::yield_now().await; // the relay is an actor of this thread
        }
        self.events.take()
    }

    async fn names(&self) -> Vec<String> {
        self.hub.send(Names).await.unwrap()
    }
}

#[derive(Clone)]
struct Client {
    connection: ConnectionId,
    who: SpeakerId,
    room: RoomName,
}

/// The slot of the first room.
const FIRST: RoomSlot = RoomSlot(0);

#[actix::test]
async fn a_client_is_admitted_when_its_history_comes_and_misses_nothing() {
    let bench = Bench::new(settings());
    let _before = bench.post("news", None);
    bench.join("news");
    let _after = bench.post("news", None);
    assert!(bench.events().await.is_empty());
    assert_eq!(bench.release(1).await, ["message"], "the newcomer is no member at its relay yet");
    assert_eq!(bench.release(1).await, ["admitted after 1 of 1"]);
    assert_eq!(bench.release(1).await, ["message"]);
}

#[actix::test]
async fn a_client_that_leaves_before_its_admission_leaves_nothing_behind() {
    let bench = Bench::new(settings());
    let client = bench.join("news");
    bench.leave(&client);
    assert_eq!(bench.names().await, ["news"], "its request is pending");
    assert!(bench.release(1).await.is_empty());
    assert!(bench.names().await.is_empty());
}

#[actix::test]
async fn a_session_finishes_after_its_own_messages() {
    let bench = Bench::new(settings());
    let client = bench.join("news");
    bench.release(1).await;
    bench.publish(&client, FIRST);
    bench.finish(&client);
    assert!(bench.events().await.is_empty());
    assert_eq!(bench.release(2).await, ["message, ack true", "finished"]);
}

#[actix::test]
async fn a_barrier_is_reached_after_everything_that_was_submitted() {
    let bench = Bench::new(settings());
    let post = bench.post("news", None);
    let mut barrier = Box::pin(bench.hub.send(Barrier));
    assert!(futures_util::poll!(&mut barrier).is_pending());
    bench.release(1).await;
    assert!(futures_util::poll!(&mut barrier).is_pending());
    bench.release(1).await;
    barrier.await.unwrap();
    assert_eq!(post.await.unwrap().unwrap().offset.to_string(), "1");
}

#[actix::test]
async fn a_room_lives_and_keeps_its_slot_while_a_message_is_pending() {
    let mut settings = settings();
    settings.history.messages = 0;
    let bench = Bench::new(settings);
    let (first, second) = (bench.post("first", None), bench.post("second", None));
    bench.names().await;
    assert_eq!(bench.post("third", None).await.unwrap(), Err(NotPosted::TooManyRooms));
    assert_eq!(bench.names().await, ["first", "second"]);
    bench.release(1).await;
    first.await.unwrap().unwrap();
    assert_eq!(bench.names().await, ["second"], "nobody is in the first, and it remembers nothing");
    bench.release(1).await;
    second.await.unwrap().unwrap();
    assert!(bench.names().await.is_empty());
}

#[actix::test]
async fn a_request_that_is_repeated_while_it_is_pending_is_published_once() {
    let bench = Bench::new(settings());
    let (first, again) = (bench.post("news", Some("order 7")), bench.post("news", Some("order 7")));
    bench.names().await;
    bench.release(2).await;
    let first = first.await.unwrap().unwrap();
    assert_eq!(first, again.await.unwrap().unwrap());
    assert_eq!(first.offset.to_string(), "1");
    let facts = bench.hub.send(Describe { room: name("news") }).await.unwrap().unwrap();
    assert_eq!(facts.memory.unwrap().remembered, 1);
}

#[actix::test]
async fn a_request_for_presence_is_answered_after_the_joins_before_it() {
    let bench = Bench::new(settings());
    let first = bench.join("news");
    bench.release(1).await;
    bench.join("news");
    assert_eq!(bench.release(1).await, ["admitted after 0 of 0"]);
    let Client { connection, room, .. } = first;
    let request = GetPresence { connection, relay: RELAY, room, reference: None, permit: None };
    bench.command(Command::GetPresence(request));
    assert!(bench.events().await.is_empty());
    assert_eq!(bench.release(2).await, ["message, ack false", "presence of 2"]);
}

#[actix::test]
async fn messages_of_other_nodes_are_delivered_without_anybody_who_waits_for_them() {
    let bench = Bench::new(settings());
    bench.join("news");
    bench.release(1).await;
    bench.hub.do_send(FromElsewhere("news"));
    assert_eq!(bench.events().await, ["message"]);
}

#[actix::test]
async fn a_history_that_never_comes_is_unavailable_and_a_room_that_does_not_exist_has_none() {
    let bench = Bench::new(settings());
    let read = |room: &str| bench.hub.send(Read { room: name(room), history: HistoryRequest::default() });
    assert!(read("news").await.unwrap().unwrap().is_none());
    bench.join("news");
    let slice = actix::spawn(read("news"));
    bench.names().await;
    bench.hub.send(LoseAll).await.unwrap();
    assert_eq!(slice.await.unwrap().unwrap().err(), Some(Unavailable));
}

#[actix::test]
async fn a_request_whose_answer_is_dropped_says_that_the_node_stopped() {
    let bench = Bench::new(settings());
    let posted = bench.post("news", None);
    bench.names().await;
    bench.hub.send(LoseAll).await.unwrap();
    assert_eq!(posted.await.unwrap(), Err(NotPosted::Stopped));
}
