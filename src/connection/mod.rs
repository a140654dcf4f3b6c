//! One connection: its socket, its phase, and the outbox, a bounded queue in front of the socket.
//!
//! Only in an outbox does a slow client use memory of the server. A push tries the socket first and
//! queues only the bytes that the kernel does not accept. The session's input stream does the rest:
//! it flushes, closes and ends as the phase demands.

mod phase; // open, finishing, closing, gone
mod liveness; // signs of life and deadlines
mod queue; // the outbox
mod writing; // writes to the socket or into the outbox

pub use liveness::{Deadlines, Liveness, Pause};
pub use phase::Phase;

use crate::{
    clock,
    ids::RoomSlot,
    limits::{Backlog, Flow},
    protocol::{CloseReason, Encoding, Protocol, sse},
    transport::Transport,
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

/// The sending half of one session, shared by the session and the relay of its thread.
#[repr(C)] // the fields of a push share two or three cache lines
pub struct Connection {
    /// Messages and bytes pushed so far, of which the outbox may still hold some.
    sent: Cell<Traffic>,
    transport: Transport,
    /// The negotiated encoding of its frames.
    pub encoding: Encoding,
    /// FIN has been sent.
    half_closed: Cell<bool>,
    phase: Cell<Phase>,
    outbox: RefCell<Queue>,
    reason: OnceCell<CloseReason>,
    /// Its signs of life.
    pub liveness: Liveness,
    /// Wakes the session's input stream.
    waker: RefCell<Option<Waker>>,
    /// The membership of the session in its room; empty before the admission.
    membership: OnceCell<Membership>,
}

/// The membership of a session in its room.
#[derive(Debug)]
pub struct Membership {
    /// The slot of the room, until the session leaves.
    pub room: RoomSlot,
    /// The index among the members of the room on this thread; it changes when others leave.
    pub index: Cell<usize>,
    /// The flow control of the room.
    pub flow: Flow,
}

/// A count of messages and of their bytes on the wire, in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Traffic {
    /// Number of messages.
    pub messages: u64,
    /// Number of bytes, with the headers of frames.
    pub bytes: u64,
}

impl Traffic {
    /// Adds `messages` with `bytes` in all.
    pub fn count(&mut self, messages: usize, bytes: usize) {
        self.messages += messages as u64;
        self.bytes += bytes as u64;
    }
}

impl Connection {
    /// An open connection on `transport`; `backlog` bounds all outboxes together.
    pub fn new(transport: Transport, encoding: Encoding, backlog: Arc<Backlog>) -> Self {
        Self {
            transport,
            encoding,
            half_closed: Cell::new(false),
            liveness: Liveness::new(clock::now()),
            outbox: RefCell::new(Queue::new(backlog)),
            phase: Cell::new(Phase::Open),
            reason: OnceCell::new(),
            waker: RefCell::default(),
            membership: OnceCell::new(),
            sent: Cell::default(),
        }
    }

    /// Sends or queues `frames`, which hold `messages` messages; closes the connection as too slow
    /// if they do not fit. A closing connection sends no more frames (RFC 6455 §5.5.1).
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

    /// Keeps a place in the outbox for the first frames and the requested history of a newcomer,
    /// which [`Connection::send_history`] sends. Later frames wait behind it.
    pub fn await_history(&self) {
        if self.phase.get().may_send() {
            self.outbox.borrow_mut().await_history();
            self.liveness.written(); // the deadline of the wait
        }
    }

    /// Sends or queues the `first` frame and the requested history, of `messages` messages, unless
    /// the connection has ended meanwhile. This is regardless of `session.outbox_bytes` and
    /// `session.outbox_messages`: these bound live messages, and history has bounds of its own.
    /// Only the backlog of all outboxes bounds it too; see [`Connection::history_fits`].
    pub fn send_history(&self, first: Option<Bytes>, history: Vec<Bytes>, messages: usize) {
        let bytes = first.iter().chain(&history).map(Bytes::len).sum();
        let messages = messages + usize::from(first.is_some());
        if !self.outbox.borrow_mut().insert_history(first, history) {
            return;
        }
        self.count_sent(messages, bytes);
        self.liveness.written(); // from now on a write can stall
        if self.write_queued().is_err() {
            return self.close(CloseReason::ConnectionLost);
        }
        match self.phase.get() {
            Phase::Closing { .. } => self.enter(Phase::closing_now()), // it waited for this history
            _ if self.outbox.borrow().is_empty() => {}
            _ => self.wake(),
        }
    }

    /// Returns `true` if a place is kept for the history of a newcomer.
    pub fn awaits_history(&self) -> bool {
        self.outbox.borrow().awaits_history()
    }

    /// Loads the fields that a push reads into the processor's cache. Prefetches of many
    /// connections overlap, whereas a push without one waits for each cache line.
    pub fn prefetch(&self) {
        black_box((self.sent.get(), self.phase.get(), self.outbox.borrow().is_empty()));
    }

    /// Returns `true` if the backlog of all outboxes has capacity for `bytes` of history.
    pub fn history_fits(&self, bytes: usize) -> bool {
        self.outbox.borrow().history_fits(bytes)
    }

    /// Stops reading from the client, which still receives everything published before; then
    /// [`Connection::finish`] closes the connection.
    pub fn stop_reading(&self, reason: CloseReason) {
        if self.phase.get() == Phase::Open && self.reason.set(reason).is_ok() {
            self.enter(Phase::Finishing);
        }
    }

    /// Closes a connection that stopped reading, after everything for it was sent or queued.
    pub fn finish(&self) {
        if let Some(reason) = self.reason.get() {
            self.close(reason.clone());
        }
    }

    /// Begins the closing handshake after all queued frames; the first of several reasons is sent.
    pub fn close(&self, reason: CloseReason) {
        if !self.phase.get().may_send() {
            return;
        }
        if reason == CloseReason::TooSlow || reason == CloseReason::Overloaded && self.awaits_history() {
            self.outbox.borrow_mut().drop_unsent();
        }
        let has_close_frame = reason.has_close_frame();
        let frame = close_frame(self.encoding.protocol, self.reason.get_or_init(|| reason));
        // The close frame may exceed the bounds of the outbox by its few bytes.
        let is_sent = has_close_frame && self.send(&frame, QueuedAs::Live { messages: 0 }).is_ok();
        self.enter(if is_sent { Phase::closing_now() } else { Phase::Gone });
    }

    /// Resets the connection: the peer receives neither queued frames nor a close frame.
    pub fn abort(&self, reason: CloseReason) {
        let _ = self.reason.set(reason); // an earlier reason remains
        self.outbox.borrow_mut().clear();
        self.transport.reset_on_drop();
        self.enter(Phase::Gone);
    }

    /// Acts on deadlines that have passed; called about once a second.
    pub fn check_deadlines(&self, now: Instant, deadlines: &Deadlines) {
        let action = match self.has_backlog() && self.outbox.borrow().is_blocked() {
            true => self.liveness.judge_wait(now, deadlines),
            false => self.liveness.judge(now, self.phase.get(), self.has_backlog(), deadlines),
        };
        match (action, self.encoding.protocol) {
            (Action::None, _) => {}
            (Action::Ping | Action::Close(CloseReason::Silent), Protocol::Events(framing)) => {
                // An event stream has no pong; a stalled write finds a lost client.
                self.liveness.received();
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

    /// Writes all queued bytes; ready when the outbox is empty. Pending while the next frames are
    /// not encoded yet: [`Connection::send_history`] wakes the input stream.
    ///
    /// # Errors
    /// Fails if the socket does.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outbox.borrow().is_empty() {
            if self.outbox.borrow().is_blocked() {
                return Poll::Pending;
            }
            if self.write_queued()? == 0 {
                ready!(self.transport.poll_writable(cx))?;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Registers the waker of the input stream, for changes of the outbox and of the phase.
    pub fn register_waker(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    /// Reads once into `buffer`; ready with the number of bytes, 0 at the end of the stream. Any
    /// byte is a sign of life.
    ///
    /// # Errors
    /// Fails if the socket does.
    pub fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = ready!(self.transport.poll_read(cx, buffer));
        if matches!(read, Ok(1..)) {
            self.liveness.received();
        }
        Poll::Ready(read)
    }

    /// Half-closes the socket: sends FIN, once.
    pub fn half_close(&self) {
        if !self.half_closed.replace(true) {
            self.transport.half_close();
        }
    }

    /// Returns `true` if bytes wait in the outbox, unless the connection is closing.
    pub fn has_backlog(&self) -> bool {
        self.phase.get().may_send() && !self.outbox.borrow().is_empty()
    }

    /// Notes the admission of the session to its room, once, and resumes the input stream for the
    /// messages that the client sent before.
    pub fn admitted(&self, membership: Membership) {
        let _ = self.membership.set(membership); // a session is a member of one room
        if self.liveness.is_paused() {
            self.wake();
        }
    }

    /// Returns the membership of the session; `None` before the admission.
    pub fn membership(&self) -> Option<&Membership> {
        self.membership.get()
    }

    /// The current phase.
    pub fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Returns the reason of the end, once there is one.
    pub fn reason(&self) -> Option<&CloseReason> {
        self.reason.get()
    }

    /// Returns the bytes that the kernel has accepted.
    pub fn accepted(&self) -> u64 {
        self.sent.get().bytes.saturating_sub(self.outbox.borrow().waiting() as u64)
    }

    /// Returns the messages and bytes that were sent or are queued.
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
