//! The session: an actor that receives the messages of one client as a stream and sends commands to
//! the hub.

mod handshake; // the options of a session
mod input; // the input stream of a WebSocket session
mod permits; // the permit of a message that waits
mod requests; // messages and requests, as commands to the hub
mod event_stream; // the input stream of an event stream
mod closing_handshake; // close frame, half-close, FIN
mod summary; // the count and the log line of a session that has ended

pub use handshake::{Handshake, Rights, SessionOptions};

use crate::{
    backplane::Newcomer,
    connection::{Connection, Traffic},
    history::HistoryRequest,
    hub::{Command, Join, Leave},
    ids::{ConnectionId, SpeakerId},
    limits::RateLimit,
    protocol::{CloseReason, Protocol, v1},
    relay::WorkerContext,
    transport::Transport,
    wire::{self, Decoder, WireError},
};
use actix::{dev::ContextFut, prelude::*};
use bytes::BytesMut;
use event_stream::EventStreamInput;
use input::{Incoming, SocketDriver};
use permits::Permits;
use std::{rc::Rc, time::Instant};

/// The actor of one client.
pub struct Session {
    id: ConnectionId,
    /// The speaker of this connection's messages; after a resume that of the lost session.
    who: SpeakerId,
    options: SessionOptions,
    /// Kept until the session joins. Boxed, since most clients request nothing: with 16 bytes more,
    /// the task of a session would be 128 bytes larger.
    request: Option<Box<JoinRequest>>,
    connection: Rc<Connection>,
    worker: Rc<WorkerContext>,
    received: Traffic,
    began: Instant,
    /// The largest payload in bytes, inclusive.
    max_message: usize,
}

/// The options of a join: the requested history, and whether the client resumes.
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
    /// Creates a session on `transport`; `unread` are the bytes received after the request. The
    /// task of the connection polls it: a session has no task of its own.
    pub fn on_transport(
        worker: Rc<WorkerContext>,
        handshake: Handshake,
        transport: Transport,
        unread: BytesMut,
    ) -> SessionTask {
        let encoding = handshake.options.encoding;
        let connection = Rc::new(Connection::new(transport, encoding, worker.shared.limits.backlog.clone()));
        let mut ctx = Context::new();
        if let Protocol::Events(_) = encoding.protocol {
            ctx.add_stream(EventStreamInput::new(connection.clone(), worker.clone()));
            return ctx.into_future(Self::new(worker, handshake, connection));
        }
        let max_frame = match encoding.protocol {
            Protocol::V1 => v1::max_request(handshake.max_message),
            Protocol::Raw | Protocol::Events(_) => handshake.max_message,
        };
        let decoder = Decoder::new(max_frame, encoding.window.is_some());
        let rate_limit = {
            let session = worker.shared.policy.load().session;
            let (messages, bytes) = (handshake.messages_per_second, session.bytes_per_second);
            RateLimit::of(messages, bytes, session.burst, Instant::now())
        };
        let permits = Permits::new(handshake.options.source());
        ctx.add_stream(SocketDriver::new(
            connection.clone(),
            worker.clone(),
            decoder,
            rate_limit,
            permits,
            unread,
        ));
        ctx.into_future(Self::new(worker, handshake, connection))
    }

    fn new(worker: Rc<WorkerContext>, handshake: Handshake, connection: Rc<Connection>) -> Self {
        let Handshake { options, history, resumes, max_message, .. } = handshake;
        let id = ConnectionId::next();
        let request = JoinRequest { history, resumed: resumes.is_some() };
        let asks = request.resumed || request.history.wants_anything();
        let who = resumes.unwrap_or_else(SpeakerId::next);
        let request = asks.then(|| Box::new(request));
        let (received, began) = (Traffic::default(), Instant::now());
        Self { id, who, options, request, connection, worker, received, began, max_message }
    }
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let WorkerContext { relay, hub, local_sessions, shared, .. } = &*self.worker;
        shared.metrics.sessions_begun.inc();
        local_sessions.borrow_mut().enter(self.id, self.connection.clone());
        let room = self.options.room.clone();
        let JoinRequest { history, resumed } =
            self.request.take().map(|request| *request).unwrap_or_default();
        let source = self.options.source();
        let newcomer = Newcomer { connection: self.id, relay: *relay, who: self.who, resumed, room };
        let join = Join { newcomer, source, history, peer: self.options.peer };
        hub.send(Command::Join(join)); // once
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        if std::thread::panicking() {
            self.connection.close(CloseReason::Failed);
        }
        let WorkerContext { relay, hub, local_sessions, shared, .. } = &*self.worker;
        local_sessions.borrow_mut().leave(self.id, &shared.metrics);
        let room = self.options.room.clone();
        hub.send(Command::Leave(Leave { connection: self.id, who: self.who, relay: *relay, room })); // once
        let reason = self.connection.reason().unwrap_or(&CloseReason::ConnectionLost);
        self.count_close(reason);
        self.log_close(reason);
    }
}

impl StreamHandler<Result<Incoming, WireError>> for Session {
    fn handle(&mut self, incoming: Result<Incoming, WireError>, _: &mut Self::Context) {
        match incoming {
            Ok(Incoming::Message { room, payload, permit }) => self.on_message(room, payload, permit),
            Ok(Incoming::Ping(payload)) => {
                self.worker.hub.flush(); // a pong promises that the hub has all earlier messages
                self.connection.push(&wire::pong(&payload), 1);
            }
            Ok(Incoming::Close(frame)) => {
                self.finish(CloseReason::ClosedByClient(frame.map(|frame| frame.code)));
            }
            Err(error) => self.finish(CloseReason::Wire(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hub::Describe, metrics::CloseLabels, protocol::Encoding, relay::Relay, testing::worker};
    use tokio::{
        io::AsyncReadExt,
        net::{TcpListener, TcpStream},
        task::spawn_local,
    };

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
        let (limits, policy) = (&worker.shared.limits.connections, worker.shared.policy.load());
        Handshake {
            options: SessionOptions {
                slot: limits.acquire(policy.limits.connections, None, Instant::now()).unwrap(),
                room: "news".parse().unwrap(),
                echo: true,
                rights: Rights { publish: true },
                encoding: Encoding { protocol: Protocol::Raw, window: None },
                peer: None,
            },
            history: HistoryRequest::default(),
            resumes: None,
            max_message: 64 << 10,
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
            let session =
                Session::on_transport(worker.clone(), handshake(&worker), socket.into(), BytesMut::new());
            sessions.push((session.address(), spawn_local(session), client));
        }

        let (fails, task, mut client) = sessions.remove(0);
        fails.do_send(Panic);
        assert!(task.await.unwrap_err().is_panic());
        let mut received = Vec::new();
        client.read_to_end(&mut received).await.unwrap();
        assert!(received.ends_with(CloseReason::Failed.to_string().as_bytes()), "{received:?}");
        let facts = hub.send(Describe { room: "news".parse().unwrap() }).await.unwrap().unwrap();
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

    /// The blocks of 256 and of 320 bytes that each idle session has beside its task.
    #[test]
    fn the_input_and_the_connection_of_a_session_fit_their_blocks() {
        let (actix, counts) = (size_of::<usize>(), 2 * size_of::<usize>()); // of an `Rc`
        assert!(size_of::<SocketDriver>() + actix <= 256, "{} bytes", size_of::<SocketDriver>());
        assert!(size_of::<Connection>() + counts <= 320, "{} bytes", size_of::<Connection>());
    }
}
