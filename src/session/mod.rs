//! One client: an actor that hears its frames as a stream and tells the hub what it said.

mod budget; // room in the server for what it says
mod intake; // the stream of what it says

pub use budget::in_flight;

use crate::{
    hub::{Audience, Join, Leave, Publish, SessionId},
    logging::TARGET,
    outbox::{CloseReason, Outbox, QueueLimits, Traffic},
    relay::Desk,
    room::RoomName,
    wire::{self, Decoder, Message, Payload, WindowBits, WireError},
};
use actix::prelude::*;
use budget::Budget;
use bytes::BytesMut;
use intake::Intake;
use std::{net::SocketAddr, rc::Rc, sync::Arc, time::Instant};
use tokio::{
    net::TcpStream,
    sync::{Semaphore, oneshot},
};

/// What was agreed on in the opening handshake.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    pub room: RoomName,
    /// Whether the client hears itself.
    pub echo: bool,
    /// The window of compressed messages to the client, when compression was agreed on.
    pub window: Option<WindowBits>,
    pub peer: Option<SocketAddr>,
}

pub struct Session {
    id: SessionId,
    terms: Terms,
    outbox: Rc<Outbox>,
    budget: Rc<Budget>,
    desk: Rc<Desk>,
    said: Traffic,
    began: Instant,
    /// Dropped with the session; whoever waits for its end sees it then.
    _ended: oneshot::Sender<()>,
}

impl Session {
    /// Starts a session on `socket`, behind whose opening handshake `unread` came; the receiver
    /// resolves when it has ended.
    pub fn start(
        desk: Rc<Desk>,
        in_flight: Arc<Semaphore>,
        terms: Terms,
        socket: TcpStream,
        unread: BytesMut,
    ) -> oneshot::Receiver<()> {
        let (ended, when_ended) = oneshot::channel();
        let settings = &desk.settings.session;
        let outbox = Rc::new(Outbox::new(socket, terms.window, QueueLimits::of(settings)));
        let budget = Rc::new(Budget::new(in_flight));
        let decoder = Decoder::new(settings.max_message.bytes(), terms.window.is_some());
        Self::create(|ctx| {
            ctx.add_stream(Intake::new(outbox.clone(), budget.clone(), decoder, unread));
            let (id, said) = (SessionId::next(), Traffic::default());
            Self { id, terms, outbox, budget, desk, said, began: Instant::now(), _ended: ended }
        });
        when_ended
    }

    fn say(&mut self, payload: Payload) {
        self.said.count(1, payload.as_bytes().len());
        self.desk.hub.do_send(Publish {
            room: self.terms.room.clone(),
            payload,
            audience: if self.terms.echo { Audience::Everyone } else { Audience::EveryoneBut(self.id) },
            permit: self.budget.claim(), // bounds what lies in the hub's mailbox
        });
    }

    fn log_end(&self) {
        let reason = self.outbox.reason().unwrap_or(&CloseReason::ConnectionLost);
        let level = if reason.is_fault() { log::Level::Info } else { log::Level::Debug };
        if level > log::max_level() {
            return;
        }
        let sent = self.outbox.sent();
        log::log!(
            target: TARGET,
            level,
            "session {} from {} in {} ended after {:.1?}: {} ({reason}); received {} messages, {} bytes; sent {} messages, {} bytes",
            self.id,
            or_dash(self.terms.peer),
            self.terms.room,
            self.began.elapsed(),
            or_dash(reason.code().map(u16::from)),
            self.said.messages,
            self.said.bytes,
            sent.messages,
            sent.bytes,
        );
    }
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let Desk { relay, hub, roster, .. } = &*self.desk;
        roster.borrow_mut().enter(self.id, self.outbox.clone());
        hub.do_send(Join { session: self.id, relay: *relay, room: self.terms.room.clone() }); // once
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        if std::thread::panicking() {
            self.outbox.abort(CloseReason::Failed);
        }
        let Desk { relay, hub, roster, .. } = &*self.desk;
        roster.borrow_mut().leave(self.id);
        hub.do_send(Leave { relay: *relay, room: self.terms.room.clone() }); // once
        self.log_end();
    }
}

impl StreamHandler<Result<Message, WireError>> for Session {
    fn handle(&mut self, message: Result<Message, WireError>, _: &mut Self::Context) {
        match message {
            Ok(Message::Text(text)) => self.say(Payload::Text(text)),
            Ok(Message::Binary(bytes)) => self.say(Payload::Binary(bytes)),
            Ok(Message::Ping(payload)) => self.outbox.push(wire::pong(&payload), 1),
            Ok(Message::Close(frame)) => {
                self.outbox.end(CloseReason::ClosedByClient(frame.map(|frame| frame.code)))
            }
            Ok(Message::Pong(_) | Message::Continuation(_) | Message::Nop) => {} // that it came is all it says
            Err(error) => self.outbox.end(CloseReason::Wire(error)),
        }
    }
}

fn or_dash(known: Option<impl ToString>) -> String {
    known.map_or_else(|| "-".to_owned(), |known| known.to_string())
}
