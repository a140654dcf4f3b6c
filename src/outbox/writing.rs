//! How frames leave: at once, or behind what waits.

use super::{Outbox, Phase, queue::Share};
use bytes::Bytes;
use std::io;

impl Outbox {
    /// `false`: there was no room for all of it; what was begun is queued to its end.
    pub(super) fn send_or_queue(&self, frames: &Bytes, messages: usize) -> io::Result<bool> {
        let written = self.write(frames)?;
        let rest = frames.len() - written;
        let has_room = rest == 0 || self.makes_room(rest, messages)?;
        if has_room || written > 0 {
            self.count_sent(messages, frames.len());
            self.queue_rest(frames, Share::Live { messages }, written);
        }
        Ok(has_room)
    }

    fn makes_room(&self, bytes: usize, messages: usize) -> io::Result<bool> {
        let has_room = || self.queue.borrow().has_room(bytes, messages);
        if !has_room() && self.has_backlog() {
            would_block_is_zero(self.write_queued())?; // the client may have read since
        }
        Ok(has_room())
    }

    pub(super) fn count_sent(&self, messages: usize, bytes: usize) {
        let mut sent = self.sent.get();
        sent.count(messages, bytes);
        self.sent.set(sent);
    }

    pub(super) fn send(&self, frames: &Bytes, share: Share) -> io::Result<()> {
        let written = self.write(frames)?;
        self.queue_rest(frames, share, written);
        Ok(())
    }

    /// Writes what the kernel takes at once; nothing where something waits, for that comes first.
    fn write(&self, frames: &Bytes) -> io::Result<usize> {
        match self.queue.borrow().is_empty() {
            true => would_block_is_zero(self.transport.try_write(frames)),
            false => Ok(0),
        }
    }

    fn queue_rest(&self, frames: &Bytes, share: Share, written: usize) {
        if written == frames.len() {
            return;
        }
        let nothing_waited = self.queue.borrow().is_empty();
        self.queue.borrow_mut().push(frames.clone(), share, written);
        if nothing_waited {
            self.pulse.written(); // from now on a write can stall
            self.wake();
        }
    }

    pub(super) fn write_queued(&self) -> io::Result<usize> {
        let written =
            self.queue.borrow_mut().write_with(|slices| self.transport.try_write_vectored(slices))?;
        self.pulse.written();
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

fn would_block_is_zero(written: io::Result<usize>) -> io::Result<usize> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}
