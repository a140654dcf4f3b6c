//! The session: an actor that receives the messages of one client as a stream and sends commands to
//! the hub.

mod permits; // permits for the messages of the client
mod summary; // the count and the log line of a session that has ended
mod input; // the input stream of a WebSocket session
mod event_stream; // the input stream of an event stream
mod closing_handshake; // close frame, half-close, FIN

use crate::{
    backplane::{Finish, GetPresence, Newcomer, Speaker},
    config::{ByteSize, RoomName},
    connection::{Connection, Traffic},
    history::{Audience, HistoryRequest, NewMessage},
    hub::{Command, Join, Leave, Publish},
    ids::{ConnectionId, Reference, SpeakerId},
    limits::{ConnectionSlot, RateLimit, Source},
    protocol::{
        CloseReason, Encoding, Protocol,
        v1::{self, Request, RequestError},
    },
    relay::WorkerContext,
    wire::{self, Decoder, Message, Payload, WireError},
};
use actix::{dev::ContextFut, prelude::*};
use bytes::BytesMut;
use event_stream::EventStreamInput;
use input::SocketDriver;
use permits::Permits;
use std::{net::SocketAddr, rc::Rc, time::Instant};
use tokio::net::TcpStream;

/// An accepted opening handshake, with everything that was negotiated in it.
pub struct Handshake {
    /// The part that the session keeps.
    pub options: SessionOptions,
    /// The part of the history to deliver before new messages.
    pub history: HistoryRequest,
    /// The speaker whose lost session the client resumes.
    pub resumes: Option<SpeakerId>,
    /// The largest payload of a message, inclusive; a larger one closes the session with 1009.
    pub max_message: ByteSize,
    /// The rate limit for messages; 0 is no limit.
    pub messages_per_second: u32,
}

/// The part of a [`Handshake`] that a session keeps until its end.
pub struct SessionOptions {
    /// The place of this connection in the connection limits, until it is dropped.
    pub slot: ConnectionSlot,
    /// The room.
    pub room: RoomName,
    /// The client receives its own messages too.
    pub echo: bool,
    /// The client may publish; a client without a key may not where keys are required.
    pub may_publish: bool,
    /// The negotiated encoding.
    pub encoding: Encoding,
    /// The address of the client, for limits and the log.
    pub peer: Option<SocketAddr>,
}

/// The actor of one client.
pub struct Session {
    id: ConnectionId,
    /// The speaker of this connection's messages; after a resume that of the lost session.
    who: SpeakerId,
    options: SessionOptions,
    /// Kept until the session joins. Boxed, since most clients request nothing: with 8 bytes more, the
    /// task of a session would be 128 bytes larger.
    request: Option<Box<JoinRequest>>,
    connection: Rc<Connection>,
    permits: Rc<Permits>,
    worker: Rc<WorkerContext>,
    received: Traffic,
    began: Instant,
    /// The largest payload in bytes, inclusive.
    max_message: usize,
}

/// The wishes of a client that comes back.
#[derive(Default)]
struct JoinRequest {
    /// The part of the history to deliver before new messages.
    history: HistoryRequest,
    /// The client continues as the speaker of a lost session.
    resumed: bool,
}

/// A session as a future, ready at the end of the session.
pub type SessionTask = ContextFut<Session, Context<Session>>;

impl Session {
    /// Creates a session on `socket`; `unread` are the bytes received after the request. The task
    /// of the connection polls it: a session has no task of its own.
    pub fn on_socket(
        worker: Rc<WorkerContext>,
        handshake: Handshake,
        socket: TcpStream,
        unread: BytesMut,
    ) -> SessionTask {
        let encoding = handshake.options.encoding;
        let connection = Rc::new(Connection::new(socket, encoding, worker.shared.limits.backlog.clone()));
        let mut ctx = Context::new();
        if let Protocol::Events(_) = encoding.protocol {
            ctx.add_stream(EventStreamInput::new(connection.clone()));
            return ctx.into_future(Self::new(worker, handshake, connection));
        }
        let max_frame = match encoding.protocol {
            Protocol::V1 => v1::max_request(handshake.max_message.bytes()),
            Protocol::Raw | Protocol::Events(_) => handshake.max_message.bytes(),
        };
        let decoder = Decoder::new(max_frame, encoding.window.is_some());
        let rate_limit =
            RateLimit::of(handshake.messages_per_second, &worker.shared.settings.session, Instant::now());
        let session = Self::new(worker, handshake, connection);
        let Self { connection, permits, worker, .. } = &session;
        let (connection, permits, metrics) =
            (connection.clone(), permits.clone(), worker.shared.metrics.clone());
        ctx.add_stream(SocketDriver::new(connection, permits, metrics, decoder, rate_limit, unread));
        ctx.into_future(session)
    }

    fn new(worker: Rc<WorkerContext>, handshake: Handshake, connection: Rc<Connection>) -> Self {
        let Handshake { options, history, resumes, max_message, .. } = handshake;
        let id = ConnectionId::next();
        let request = JoinRequest { history, resumed: resumes.is_some() };
        let asks = request.resumed || request.history.wants_anything();
        let (who, permits) =
            (resumes.unwrap_or_else(SpeakerId::next), Rc::new(Permits::new(worker.clone(), id)));
        let request = asks.then(|| Box::new(request));
        let (received, began) = (Traffic::default(), Instant::now());
        let max_message = max_message.bytes();
        Self { id, who, options, request, connection, permits, worker, received, began, max_message }
    }

    fn on_message(&mut self, payload: Payload) {
        match (self.options.encoding.protocol, payload) {
            (Protocol::Raw | Protocol::Events(_), payload) => self.publish(payload, None),
            (Protocol::V1, Payload::Text(text)) => match Request::read(&text) {
                Ok(Request::Publish { reference, payload }) => self.publish(payload, reference),
                Ok(Request::Presence { reference }) => self.query_presence(reference),
                Err(error) => self.send_error(&error),
            },
            (Protocol::V1, Payload::Binary(_)) => self.send_error(&RequestError {
                reference: None,
                code: "request",
                message: "requests are JSON in text frames".to_owned(),
            }),
        }
    }

    fn publish(&mut self, payload: Payload, reference: Option<Reference>) {
        if !self.options.may_publish {
            return self.refuse(reference);
        }
        let Some(room) = self.permits.room() else { return }; // no message is accepted before the admission
        let bytes = payload.as_bytes().len();
        if bytes > self.max_message {
            // The frame was within its limit, which allows for the escapes of JSON.
            drop(self.permits.take());
            return self.finish(CloseReason::Wire(WireError::MessageTooBig));
        }
        self.received.count(1, bytes);
        self.worker.shared.metrics.messages_received.inc();
        self.worker.shared.metrics.bytes_received.inc_by(bytes as u64);
        self.worker.hub.send(Command::Publish(Publish {
            room,
            speaker: Speaker { connection: self.id, reference },
            message: NewMessage { payload, who: Some(self.who), audience: self.audience() },
            permit: self.permits.take(), // held until delivery; bounds the commands in the mailbox of the hub
            peer: self.options.peer,
        }));
    }

    fn audience(&self) -> Audience {
        if self.options.echo { Audience::Everyone } else { Audience::Except(self.who) }
    }

    /// Refuses a message of a client without the right to publish: the raw protocol closes, `v1`
    /// answers with an error.
    fn refuse(&self, reference: Option<Reference>) {
        let reason = CloseReason::MayNotPublish;
        drop(self.permits.take());
        match self.options.encoding.protocol {
            Protocol::Raw | Protocol::Events(_) => self.finish(reason),
            Protocol::V1 => {
                let (code, message) = (reason.name(), reason.to_string());
                self.send_error(&RequestError { reference, code, message });
            }
        }
    }

    fn query_presence(&self, reference: Option<Reference>) {
        self.worker.hub.send(Command::GetPresence(GetPresence {
            connection: self.id,
            relay: self.worker.relay,
            room: self.options.room.clone(),
            reference,
            permit: self.permits.take(), // bounds the commands in the mailbox of the hub
        }));
    }

    fn send_error(&self, error: &RequestError) {
        drop(self.permits.take());
        self.connection.push(&wire::plain(&v1::error(error)), 1);
    }

    /// Closes after everything that this session published has been delivered.
    fn finish(&self, reason: CloseReason) {
        self.connection.stop_reading(reason);
        let finish = Finish { connection: self.id, relay: self.worker.relay };
        self.worker.hub.send(Command::Finish(finish)); // sent once: nothing is read after it
    }
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let WorkerContext { relay, hub, local_sessions, shared } = &*self.worker;
        shared.metrics.sessions_begun.inc();
        local_sessions.borrow_mut().enter(self.id, self.connection.clone());
        let room = self.options.room.clone();
        let JoinRequest { history, resumed } =
            self.request.take().map(|request| *request).unwrap_or_default();
        let source = Source::new(self.options.peer.map(|peer| peer.ip()), false);
        let newcomer = Newcomer { connection: self.id, relay: *relay, who: self.who, resumed, room };
        let join = Join { newcomer, source, history, peer: self.options.peer };
        hub.send(Command::Join(join)); // once
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        if std::thread::panicking() {
            self.connection.close(CloseReason::Failed);
        }
        let WorkerContext { relay, hub, local_sessions, shared } = &*self.worker;
        local_sessions.borrow_mut().leave(self.id, &shared.metrics);
        let room = self.options.room.clone();
        hub.send(Command::Leave(Leave { connection: self.id, who: self.who, relay: *relay, room })); // once
        let reason = self.connection.reason().unwrap_or(&CloseReason::ConnectionLost);
        self.count_close(reason);
        self.log_close(reason);
    }
}

impl StreamHandler<Result<Message, WireError>> for Session {
    fn handle(&mut self, message: Result<Message, WireError>, _: &mut Self::Context) {
        match message {
            Ok(Message::Text(text)) => self.on_message(Payload::Text(text)),
            Ok(Message::Binary(bytes)) => self.on_message(Payload::Binary(bytes)),
            Ok(Message::Ping(payload)) => {
                self.worker.hub.flush(); // a pong promises that the hub has all earlier messages
                self.connection.push(&wire::pong(&payload), 1);
            }
            Ok(Message::Close(frame)) => {
                self.finish(CloseReason::ClosedByClient(frame.map(|frame| frame.code)));
            }
            Ok(Message::Pong(_)) => {} // its arrival is recorded where the socket is read
            Err(error) => self.finish(CloseReason::Wire(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        hub::Describe, limits::ConnectionLimits, metrics::CloseLabels, relay::Relay, testing::worker,
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

    fn handshake(worker: &WorkerContext) -> Handshake {
        let limits =
            ConnectionLimits::new(worker.shared.settings.limits.clone(), worker.shared.metrics.clone());
        Handshake {
            options: SessionOptions {
                slot: limits.acquire(None, Instant::now()).unwrap(),
                room: "news".parse().unwrap(),
                echo: true,
                may_publish: true,
                encoding: Encoding { protocol: Protocol::Raw, window: None },
                peer: None,
            },
            history: HistoryRequest::default(),
            resumes: None,
            max_message: worker.shared.settings.session.max_message,
            messages_per_second: 0,
        }
    }

    #[actix::test]
    async fn a_panic_ends_its_session_and_nothing_else() {
        let (worker, hub) = worker();
        Relay::new(worker.clone()).start();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut sessions = Vec::new();
        for _ in 0..2 {
            let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (socket, _) = listener.accept().await.unwrap();
            let session = Session::on_socket(worker.clone(), handshake(&worker), socket, BytesMut::new());
            sessions.push((session.address(), spawn_local(session), client));
        }

        let (fails, task, mut client) = sessions.remove(0);
        fails.do_send(Panic);
        assert!(task.await.unwrap_err().is_panic());
        let mut received = Vec::new();
        client.read_to_end(&mut received).await.unwrap();
        assert!(received.ends_with(CloseReason::Failed.to_string().as_bytes()), "{received:?}");
        let facts = hub.send(Describe { room: "news".parse().unwrap() }).await.unwrap();
        assert_eq!(facts.clients, 1, "the other stays");
        assert!(sessions[0].0.connected());
        let failed = CloseLabels { code: 1011, reason: "failed" };
        assert_eq!(worker.shared.metrics.closes.get_or_create(&failed).get(), 1);
    }

    /// The allocator has blocks of 512 and of 640 bytes, and a server has a task for each client.
    #[test]
    fn the_task_of_a_session_fits_a_block_of_512_bytes() {
        assert!(size_of::<SessionTask>() <= 512, "{} bytes", size_of::<SessionTask>());
    }
}
