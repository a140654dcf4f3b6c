//! One client: an actor that hears its frames as a stream and tells the hub what it said.

mod budget; // room in the server for what it says
mod crowd; // how many there may be
mod ending; // what is kept of its end
mod intake; // the stream of what it says
mod reading; // the bytes it is made of
mod listener; // the stream of a client that only listens
mod farewell; // the end of a connection
mod pace; // how fast it may speak

pub use budget::{cost, in_flight};
pub use crowd::{Crowd, Crowded, Place};

use crate::{
    config::ByteSize,
    hub::{AskPresence, Audience, Depart, Join, Leave, Publish, Report, SessionId, Speaker},
    outbox::{CloseReason, Outbox, Traffic},
    protocol::{
        Form, Protocol,
        v1::{self, Complaint, Reference, Request},
    },
    relay::Desk,
    room::{Recall, RoomName, Utterance},
    wire::{self, Decoder, Message, Payload, WireError},
};
use actix::{dev::ContextFut, prelude::*};
use budget::Budget;
use bytes::BytesMut;
use intake::Intake;
use listener::Listener;
use pace::Pace;
use std::{net::SocketAddr, rc::Rc, time::Instant};
use tokio::net::TcpStream;

/// A client that was let in, with all that was agreed on in the opening handshake.
pub struct Newcomer {
    pub terms: Terms,
    /// What it wants to hear of what was said before it came.
    pub recall: Recall,
    /// The session that it resumes.
    pub resumes: Option<SessionId>,
    /// Its largest message.
    pub max_message: ByteSize,
    /// How fast it may speak; 0 is no limit.
    pub messages_per_second: u32,
}

/// What a session keeps of its [`Newcomer`] for as long as it lasts.
pub struct Terms {
    /// The client's place among all clients.
    pub place: Place,
    pub room: RoomName,
    /// Whether the client hears itself.
    pub echo: bool,
    /// Whether it may say anything.
    pub may_publish: bool,
    pub form: Form,
    pub peer: Option<SocketAddr>,
}

pub struct Session {
    id: SessionId,
    /// Itself, or the session that it resumes.
    who: SessionId,
    terms: Terms,
    /// What it wants to hear of what was said before, until it joins. Most want nothing, and a session is small.
    recall: Option<Box<Recall>>,
    outbox: Rc<Outbox>,
    budget: Rc<Budget>,
    desk: Rc<Desk>,
    said: Traffic,
    began: Instant,
    /// Bytes of its largest message.
    max_message: usize,
}

/// A session as a future, which ends with it.
pub type Running = ContextFut<Session, Context<Session>>;

impl Session {
    /// A session on `socket`; `unread` are the bytes received after its request. It is no task of its own: it goes
    /// on in the task of its connection.
    pub fn on_socket(desk: Rc<Desk>, newcomer: Newcomer, socket: TcpStream, unread: BytesMut) -> Running {
        let form = newcomer.terms.form;
        let outbox = Rc::new(Outbox::new(socket, form, desk.pool.clone()));
        let mut ctx = Context::new();
        if let Protocol::Events(_) = form.protocol {
            ctx.add_stream(Listener::new(outbox.clone()));
            return ctx.into_future(Self::new(desk, newcomer, outbox));
        }
        let max_frame = match form.protocol {
            Protocol::V1 => v1::max_request(newcomer.max_message.bytes()),
            Protocol::Bare | Protocol::Events(_) => newcomer.max_message.bytes(),
        };
        let decoder = Decoder::new(max_frame, form.window.is_some());
        let pace = Pace::of(newcomer.messages_per_second, &desk.settings.session, Instant::now());
        let session = Self::new(desk, newcomer, outbox);
        let Self { outbox, budget, desk, .. } = &session;
        let (outbox, budget, metrics) = (outbox.clone(), budget.clone(), desk.metrics.clone());
        ctx.add_stream(Intake::new(outbox, budget, metrics, decoder, pace, unread));
        ctx.into_future(session)
    }

    fn new(desk: Rc<Desk>, newcomer: Newcomer, outbox: Rc<Outbox>) -> Self {
        let Newcomer { terms, recall, resumes, max_message, .. } = newcomer;
        let id = SessionId::next();
        let (who, budget) = (resumes.unwrap_or(id), Rc::new(Budget::new(desk.clone(), id)));
        let recall = recall.wants_anything().then(|| Box::new(recall));
        let (said, began) = (Traffic::default(), Instant::now());
        let max_message = max_message.bytes();
        Self { id, who, terms, recall, outbox, budget, desk, said, began, max_message }
    }

    fn hear(&mut self, payload: Payload) {
        match (self.terms.form.protocol, payload) {
            (Protocol::Bare | Protocol::Events(_), payload) => self.say(payload, None),
            (Protocol::V1, Payload::Text(text)) => match Request::read(&text) {
                Ok(Request::Publish { reference, payload }) => self.say(payload, reference),
                Ok(Request::Presence { reference }) => self.ask_presence(reference),
                Err(complaint) => self.complain(&complaint),
            },
            (Protocol::V1, Payload::Binary(_)) => self.complain(&Complaint {
                reference: None,
                code: "request",
                message: "requests are JSON in text frames".to_owned(),
            }),
        }
    }

    fn say(&mut self, payload: Payload, reference: Option<Reference>) {
        if !self.terms.may_publish {
            return self.refuse(reference);
        }
        let Some(room) = self.budget.room() else { return }; // nothing is heard before the admission
        let bytes = payload.as_bytes().len();
        if bytes > self.max_message {
            drop(self.budget.claim());
            return self.depart(CloseReason::Wire(WireError::MessageTooBig)); // JSON may be larger than its message
        }
        self.said.count(1, bytes);
        self.desk.metrics.messages_received.inc();
        self.desk.metrics.bytes_received.inc_by(bytes as u64);
        self.desk.hub.tell(Report::Publish(Publish {
            room,
            speaker: Speaker { session: self.id, reference },
            utterance: Utterance { payload, who: Some(self.who), audience: self.audience() },
            permit: self.budget.claim(), // bounds what waits for the hub
        }));
    }

    fn audience(&self) -> Audience {
        if self.terms.echo { Audience::Everyone } else { Audience::EveryoneBut(self.who) }
    }

    /// Only who has a key may publish here.
    fn refuse(&self, reference: Option<Reference>) {
        let reason = CloseReason::MayNotPublish;
        drop(self.budget.claim());
        match self.terms.form.protocol {
            Protocol::Bare | Protocol::Events(_) => self.depart(reason),
            Protocol::V1 => {
                let (code, message) = (reason.name(), reason.to_string());
                self.complain(&Complaint { reference, code, message });
            }
        }
    }

    fn ask_presence(&self, reference: Option<Reference>) {
        self.desk.hub.tell(Report::AskPresence(AskPresence {
            session: self.id,
            relay: self.desk.relay,
            room: self.terms.room.clone(),
            reference,
            permit: self.budget.claim(), // bounds what waits for the hub
        }));
    }

    fn complain(&self, complaint: &Complaint) {
        drop(self.budget.claim());
        self.outbox.push(&wire::plain(&v1::error(complaint)), 1);
    }

    /// Ends the session behind what it said itself, which is on its way.
    fn depart(&self, reason: CloseReason) {
        self.outbox.depart(reason);
        let depart = Depart { session: self.id, relay: self.desk.relay };
        self.desk.hub.tell(Report::Depart(depart)); // once: nothing is read after it
    }
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let Desk { relay, hub, roster, metrics, .. } = &*self.desk;
        metrics.sessions_begun.inc();
        roster.borrow_mut().enter(self.id, self.outbox.clone());
        let room = self.terms.room.clone();
        let recall = self.recall.take().map(|recall| *recall).unwrap_or_default();
        let join = Join { session: self.id, who: self.who, relay: *relay, room, recall };
        hub.tell(Report::Join(join)); // once
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        if std::thread::panicking() {
            self.outbox.end(CloseReason::Failed);
        }
        let Desk { relay, hub, roster, .. } = &*self.desk;
        roster.borrow_mut().leave(self.id);
        let room = self.terms.room.clone();
        hub.tell(Report::Leave(Leave { session: self.id, who: self.who, relay: *relay, room })); // once
        let reason = self.outbox.reason().unwrap_or(&CloseReason::ConnectionLost);
        self.count_end(reason);
        self.log_end(reason);
    }
}

impl StreamHandler<Result<Message, WireError>> for Session {
    fn handle(&mut self, message: Result<Message, WireError>, _: &mut Self::Context) {
        match message {
            Ok(Message::Text(text)) => self.hear(Payload::Text(text)),
            Ok(Message::Binary(bytes)) => self.hear(Payload::Binary(bytes)),
            Ok(Message::Ping(payload)) => {
                self.desk.hub.hand_over(); // whoever hears a pong knows that what it said before has reached the hub
                self.outbox.push(&wire::pong(&payload), 1);
            }
            Ok(Message::Close(frame)) => {
                self.depart(CloseReason::ClosedByClient(frame.map(|frame| frame.code)))
            }
            Ok(Message::Pong(_) | Message::Continuation(_) | Message::Nop) => {} // that it came is all it says
            Err(error) => self.depart(CloseReason::Wire(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        hub::Describe,
        metrics::CloseLabels,
        relay::{Relay, tests::desk},
    };
    use tokio::{io::AsyncReadExt, net::TcpListener, task::spawn_local};

    #[derive(actix::Message)]
    #[rtype(result = "()")]
    struct Panic;

    impl Handler<Panic> for Session {
        type Result = ();

        fn handle(&mut self, _: Panic, _: &mut Self::Context) {
            panic!("as it was told to");
        }
    }

    fn newcomer(desk: &Desk) -> Newcomer {
        let crowd = Crowd::new(desk.settings.limits.clone(), desk.metrics.clone());
        Newcomer {
            terms: Terms {
                place: crowd.enter(None, Instant::now()).unwrap(),
                room: "news".parse().unwrap(),
                echo: true,
                may_publish: true,
                form: Form { protocol: Protocol::Bare, window: None },
                peer: None,
            },
            recall: Recall::default(),
            resumes: None,
            max_message: desk.settings.session.max_message,
            messages_per_second: 0,
        }
    }

    #[actix::test]
    async fn a_panic_ends_its_session_and_nothing_else() {
        let (desk, hub) = desk();
        Relay::new(desk.clone()).start();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut sessions = Vec::new();
        for _ in 0..2 {
            let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (socket, _) = listener.accept().await.unwrap();
            let session = Session::on_socket(desk.clone(), newcomer(&desk), socket, BytesMut::new());
            sessions.push((session.address(), spawn_local(session), client));
        }

        let (fails, task, mut client) = sessions.remove(0);
        fails.do_send(Panic);
        assert!(task.await.unwrap_err().is_panic());
        let mut farewell = Vec::new();
        client.read_to_end(&mut farewell).await.unwrap();
        assert!(farewell.ends_with(CloseReason::Failed.to_string().as_bytes()), "{farewell:?}");
        let facts = hub.send(Describe { room: "news".parse().unwrap() }).await.unwrap();
        assert_eq!(facts.clients, 1, "the other stays");
        assert!(sessions[0].0.connected());
        let failed = CloseLabels { code: 1011, reason: "failed" };
        assert_eq!(desk.metrics.closes.get_or_create(&failed).get(), 1);
    }
}
