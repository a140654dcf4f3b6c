//! The bounded queue in front of one socket: the only place where a slow client can make the server
//! remember anything.
//!
//! A push tries the socket first; only what the kernel did not take is queued. The session's input
//! stream drives the rest: it flushes, closes and ends when the outbox says so.

mod phase; // how far the end is
mod liveness; // the signs of life
mod queue; // what the kernel did not take
mod writing; // into it, or into the queue

pub use liveness::{Liveness, Pause};
pub use phase::Phase;

use crate::{
    clock,
    config::SessionSettings,
    limits::Backlog,
    protocol::{CloseReason, Encoding, Protocol, sse},
    transport::{self, Transport},
    wire,
};
use bytes::Bytes;
use liveness::Action;
use queue::{Queue, QueuedAs};
use std::{
    cell::{Cell, OnceCell, RefCell},
    hint::black_box,
    io,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Instant,
};
use tokio::net::TcpStream;

/// The way out of one session, shared by the session and the relay of its thread.
#[repr(C)] // what a push looks at lies together, in two or three lines of the processor's cache
pub struct Connection {
    sent: Cell<Traffic>,
    transport: Transport,
    /// What its frames look like.
    pub encoding: Encoding,
    phase: Cell<Phase>,
    outbox: RefCell<Queue>,
    reason: OnceCell<CloseReason>,
    pub liveness: Liveness,
    /// Wakes the session's input stream.
    waker: RefCell<Option<Waker>>,
}

/// What went one way.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Traffic {
    pub messages: u64,
    pub bytes: u64,
}

impl Traffic {
    pub fn count(&mut self, messages: usize, bytes: usize) {
        self.messages += messages as u64;
        self.bytes += bytes as u64;
    }
}

impl Connection {
    pub fn new(socket: TcpStream, encoding: Encoding, backlog: Arc<Backlog>) -> Self {
        Self {
            transport: Transport::new(socket),
            encoding,
            liveness: Liveness::new(clock::now()),
            outbox: RefCell::new(Queue::new(backlog)),
            phase: Cell::new(Phase::Open),
            reason: OnceCell::new(),
            waker: RefCell::default(),
            sent: Cell::default(),
        }
    }

    /// Sends or queues `frames`, which hold `messages` messages; ends the session when there is no
    /// room. A session that is closing sends nothing any more (RFC 6455 §5.5.1).
    pub fn push(&self, frames: &Bytes, messages: usize) {
        if !self.phase.get().may_send() {
            return;
        }
        match self.send_or_queue(frames, messages) {
            Ok(true) => {}
            Ok(false) => self.close(CloseReason::TooSlow),
            Err(_) => self.close(CloseReason::ConnectionLost),
        }
    }

    /// Sends or queues what the client missed, in `messages` messages, whatever its own bounds: they are for what is
    /// said while it does not read, and history has its own. Only all outboxes together may have no room.
    pub fn push_history(&self, frames: &Bytes, messages: usize) {
        if frames.is_empty() || !self.phase.get().may_send() {
            return;
        }
        self.count_sent(messages, frames.len());
        if self.send(frames, QueuedAs::History).is_err() {
            self.close(CloseReason::ConnectionLost);
        }
    }

    /// Brings what a push looks at into the processor's cache. Where many outboxes are asked for at once, the memory
    /// serves them side by side; a push that comes to one unprepared waits for each line.
    pub fn prefetch(&self) {
        black_box((self.sent.get(), self.phase.get(), self.outbox.borrow().is_empty()));
    }

    /// Whether all outboxes together have room for what the client missed.
    pub fn history_fits(&self, bytes: usize) -> bool {
        self.outbox.borrow().history_fits(bytes)
    }

    /// Stops listening to the client, which still hears what was said before; [`Connection::dismiss`]
    /// ends it then.
    pub fn stop_reading(&self, reason: CloseReason) {
        if self.phase.get() == Phase::Open && self.reason.set(reason).is_ok() {
            self.enter(Phase::Finishing);
        }
    }

    /// The client that departs has heard everything.
    pub fn finish(&self) {
        if let Some(reason) = self.reason.get() {
            self.close(reason.clone());
        }
    }

    /// Begins the closing handshake behind what is queued; of two reasons the first is told.
    pub fn close(&self, reason: CloseReason) {
        if !self.phase.get().may_send() {
            return;
        }
        if reason == CloseReason::TooSlow {
            self.outbox.borrow_mut().drop_unsent();
        }
        let can_be_told = reason.can_be_told();
        let frame = close_frame(self.encoding.protocol, self.reason.get_or_init(|| reason));
        let told = can_be_told && self.send(&frame, QueuedAs::Live { messages: 0 }).is_ok(); // may exceed the bounds by its few bytes
        self.enter(if told { Phase::closing_now() } else { Phase::Gone });
    }

    /// Cuts the connection: the peer gets a reset instead of whatever was still to come.
    pub fn abort(&self, reason: CloseReason) {
        let _ = self.reason.set(reason); // a reason that was told before stays the reason
        self.outbox.borrow_mut().clear();
        self.transport.reset_on_drop();
        self.enter(Phase::Gone);
    }

    /// Looks for what stayed away too long; called about once a second.
    pub fn check_deadlines(&self, now: Instant, settings: &SessionSettings) {
        let action = self.liveness.judge(now, self.phase.get(), self.has_backlog(), settings);
        match (action, self.encoding.protocol) {
            (Action::None, _) => {}
            (Action::Ping | Action::Close(CloseReason::Silent), Protocol::Events(framing)) => {
                self.liveness.heard(); // a listener has no way to answer; the deadline of a write finds a dead one
                self.push(sse::keep_alive(framing), 1);
            }
            (Action::Ping, _) => {
                self.liveness.pinged(now);
                self.push(&wire::ping(b""), 1);
            }
            (Action::Close(reason), _) => self.close(reason),
            (Action::Abort(reason), _) => self.abort(reason),
        }
    }

    /// Writes what is queued; ready when nothing is.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outbox.borrow().is_empty() {
            match self.write_queued() {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.transport.poll_write_ready(cx))?
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Remembers whom to wake when the outbox has news for the input stream.
    pub fn register_waker(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    /// Reads once and passes the bytes to `take`; ready with 0 at the end of the stream. Any byte is a sign of life.
    pub fn poll_read(&self, cx: &mut Context<'_>, take: impl FnOnce(&[u8])) -> Poll<io::Result<usize>> {
        transport::poll_read(self.transport.socket(), cx, |bytes| {
            self.liveness.heard();
            take(bytes);
        })
    }

    /// Sends FIN.
    pub fn half_close(&self) {
        self.transport.half_close();
    }

    /// Whether something waits for a client to read that is not sent away already.
    pub fn has_backlog(&self) -> bool {
        self.phase.get().may_send() && !self.outbox.borrow().is_empty()
    }

    /// The client is in its room: what it said meanwhile goes on.
    pub fn admitted(&self) {
        if self.liveness.is_paused() {
            self.wake();
        }
    }

    pub fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Why the session ends, once that is decided.
    pub fn reason(&self) -> Option<&CloseReason> {
        self.reason.get()
    }

    /// Bytes of messages that the kernel has taken.
    pub fn taken(&self) -> u64 {
        self.sent.get().bytes.saturating_sub(self.outbox.borrow().waiting() as u64)
    }

    /// Messages and bytes that went out or are queued.
    pub fn sent(&self) -> Traffic {
        self.sent.get()
    }
}

fn close_frame(protocol: Protocol, reason: &CloseReason) -> Bytes {
    match (protocol, reason, reason.code()) {
        (Protocol::Events(framing), reason, code) => {
            sse::end(code.map(u16::from), &reason.to_string(), framing)
        }
        (_, CloseReason::ClosedByClient(_), Some(code)) => wire::close(code, ""),
        (_, _, Some(code)) => wire::close(code, &reason.to_string()),
        (_, _, None) => wire::close_without_code(),
    }
}
