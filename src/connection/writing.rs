//! Writes of frames: to the socket at once, or into the outbox after queued frames.

use super::{Connection, Phase, queue::QueuedAs};
use bytes::Bytes;
use std::io;

impl Connection {
    /// Sends or queues `frames`; returns `false` if the rest did not fit. A frame that is partly
    /// written is queued to its end all the same.
    pub(super) fn send_or_queue(&self, frames: &Bytes, messages: usize) -> io::Result<bool> {
        let written = self.write(frames)?;
        let rest = frames.len() - written;
        let fits = rest == 0 || self.try_free_space(rest, messages)?;
        if fits || written > 0 {
            self.count_sent(messages, frames.len());
            self.queue_rest(frames, QueuedAs::Live { messages }, written);
        }
        Ok(fits)
    }

    fn try_free_space(&self, bytes: usize, messages: usize) -> io::Result<bool> {
        let fits = || self.outbox.borrow().fits(bytes, messages);
        if !fits() && self.has_backlog() {
            self.write_queued()?; // the client may have read in the meantime
        }
        Ok(fits())
    }

    pub(super) fn count_sent(&self, messages: usize, bytes: usize) {
        let mut sent = self.sent.get();
        sent.count(messages, bytes);
        self.sent.set(sent);
    }

    pub(super) fn send(&self, frames: &Bytes, queued_as: QueuedAs) -> io::Result<()> {
        let written = self.write(frames)?;
        self.queue_rest(frames, queued_as, written);
        Ok(())
    }

    /// Writes as many bytes as the kernel accepts; none while the outbox is not empty, to keep the
    /// order.
    fn write(&self, frames: &Bytes) -> io::Result<usize> {
        match self.outbox.borrow().is_empty() {
            true => self.transport.offer(frames),
            false => Ok(0),
        }
    }

    fn queue_rest(&self, frames: &Bytes, queued_as: QueuedAs, written: usize) {
        if written == frames.len() {
            return;
        }
        let nothing_waited = self.outbox.borrow().is_empty();
        self.outbox.borrow_mut().push(frames.clone(), queued_as, written);
        if nothing_waited {
            self.liveness.written(); // from now on a write can stall
            self.wake();
        }
    }

    /// Writes as many queued bytes as the kernel accepts; returns 0 if the socket is not writable.
    pub(super) fn write_queued(&self) -> io::Result<usize> {
        let written = self.outbox.borrow_mut().write_with(|slices| self.transport.offer_queued(slices))?;
        if written > 0 {
            self.liveness.written();
        }
        Ok(written)
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.wake();
    }

    pub(super) fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}
