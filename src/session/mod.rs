//! One client: an actor that hears its frames as a stream and tells the hub what it said.

mod budget; // room in the server for what it says
mod crowd; // how many there may be
mod intake; // the stream of what it says
mod pace; // how fast it may speak

pub use budget::in_flight;
pub use crowd::{Crowd, Crowded, Place};

use crate::{
    hub::{Audience, Depart, Join, Leave, Publish, SessionId},
    logging::TARGET,
    metrics::CloseLabels,
    outbox::{CloseReason, Outbox, QueueLimits, Traffic},
    relay::Desk,
    room::RoomName,
    wire::{self, Decoder, Message, Payload, WindowBits, WireError},
};
use actix::prelude::*;
use budget::Budget;
use bytes::BytesMut;
use intake::Intake;
use pace::Pace;
use std::{net::SocketAddr, rc::Rc, time::Instant};
use tokio::{net::TcpStream, sync::oneshot};

/// What was agreed on in the opening handshake.
pub struct Terms {
    /// The client's place among all clients.
    pub place: Place,
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
    pub fn start(desk: Rc<Desk>, terms: Terms, socket: TcpStream, unread: BytesMut) -> oneshot::Receiver<()> {
        let (ended, when_ended) = oneshot::channel();
        let settings = &desk.settings.session;
        let outbox = Rc::new(Outbox::new(socket, terms.window, QueueLimits::of(settings), desk.pool.clone()));
        let id = SessionId::next();
        let budget = Rc::new(Budget::new(desk.clone(), id));
        let decoder = Decoder::new(settings.max_message.bytes(), terms.window.is_some());
        let pace = Pace::of(settings, Instant::now());
        Self::create(|ctx| {
            ctx.add_stream(Intake::new(
                outbox.clone(),
                budget.clone(),
                desk.metrics.clone(),
                decoder,
                pace,
                unread,
            ));
            let said = Traffic::default();
            Self { id, terms, outbox, budget, desk, said, began: Instant::now(), _ended: ended }
        });
        when_ended
    }

    fn say(&mut self, payload: Payload) {
        let bytes = payload.as_bytes().len();
        self.said.count(1, bytes);
        self.desk.metrics.messages_received.inc();
        self.desk.metrics.bytes_received.inc_by(bytes as u64);
        self.desk.hub.do_send(Publish {
            room: self.terms.room.clone(),
            payload,
            audience: if self.terms.echo { Audience::Everyone } else { Audience::EveryoneBut(self.id) },
            permit: self.budget.claim(), // bounds what lies in the hub's mailbox
        });
    }

    /// Ends the session behind what it said itself, which is on its way.
    fn depart(&self, reason: CloseReason) {
        self.outbox.depart(reason);
        self.desk.hub.do_send(Depart { session: self.id, relay: self.desk.relay }); // once: nothing is read after it
    }

    fn count_end(&self, reason: &CloseReason) {
        // 1005 and 1006 stand for no code and no frame (RFC 6455 §7.4.1).
        let code = reason.code().map_or(if reason.can_be_told() { 1005 } else { 1006 }, u16::from);
        self.desk.metrics.closes.get_or_create(&CloseLabels { code, reason: reason.name() }).inc();
    }

    fn log_end(&self, reason: &CloseReason) {
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
        let Desk { relay, hub, roster, metrics, .. } = &*self.desk;
        metrics.sessions_begun.inc();
        roster.borrow_mut().enter(self.id, self.outbox.clone());
        hub.do_send(Join { session: self.id, relay: *relay, room: self.terms.room.clone() }); // once
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        if std::thread::panicking() {
            self.outbox.abort(CloseReason::Failed);
        }
        let Desk { relay, hub, roster, .. } = &*self.desk;
        roster.borrow_mut().leave(self.id);
        hub.do_send(Leave { session: self.id, relay: *relay, room: self.terms.room.clone() }); // once
        let reason = self.outbox.reason().unwrap_or(&CloseReason::ConnectionLost);
        self.count_end(reason);
        self.log_end(reason);
    }
}

impl StreamHandler<Result<Message, WireError>> for Session {
    fn handle(&mut self, message: Result<Message, WireError>, _: &mut Self::Context) {
        match message {
            Ok(Message::Text(text)) => self.say(Payload::Text(text)),
            Ok(Message::Binary(bytes)) => self.say(Payload::Binary(bytes)),
            Ok(Message::Ping(payload)) => self.outbox.push(wire::pong(&payload), 1),
            Ok(Message::Close(frame)) => {
                self.depart(CloseReason::ClosedByClient(frame.map(|frame| frame.code)))
            }
            Ok(Message::Pong(_) | Message::Continuation(_) | Message::Nop) => {} // that it came is all it says
            Err(error) => self.depart(CloseReason::Wire(error)),
        }
    }
}

fn or_dash(known: Option<impl ToString>) -> String {
    known.map_or_else(|| "-".to_owned(), |known| known.to_string())
}
