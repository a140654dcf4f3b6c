//! A run of encoded messages, in pieces that outboxes share.

use crate::{
    history::{Epoch, HistorySlice, Message, Offset},
    ids::SpeakerId,
    limits::Backlog,
    protocol::{Encoding, Protocol, sse, v1},
    wire,
};
use bytes::Bytes;
use std::{collections::VecDeque, ops::Range, sync::Arc};

/// A run of encoded messages without a gap.
pub struct Segment {
    epoch: Epoch,
    /// The offsets before the first message and of the last one.
    range: Range<Offset>,
    pub(super) pieces: VecDeque<Piece>,
}

/// Consecutive messages in memory of their own. A client that is slow to receive a history keeps
/// alive only the pieces that it has not received.
pub(super) struct Piece {
    pub(super) bytes: Bytes,
    /// The end of each message in `bytes`.
    ends: Vec<usize>,
    /// The offset of the last message.
    last: Offset,
    backlog: Arc<Backlog>,
}

/// Memory that outboxes share. It counts once, however many of them hold it: a piece in the bytes
/// of its cache, and from its end there in the backlog, until the last outbox has sent it.
struct SharedBytes {
    bytes: Vec<u8>,
    backlog: Arc<Backlog>,
}

impl Segment {
    /// Bytes of the list entries around a segment.
    const OVERHEAD: usize = 256;

    /// A segment without messages, at the beginning of `slice`.
    pub fn empty(HistorySlice { from, until, .. }: &HistorySlice) -> Self {
        Self { epoch: until.epoch, range: from.offset..from.offset, pieces: VecDeque::new() }
    }

    /// Returns `true` if no message is missing between the segment and the requested ones.
    pub fn adjoins(&self, HistorySlice { from, until, .. }: &HistorySlice) -> bool {
        self.epoch == until.epoch && self.range.start <= until.offset && self.range.end >= from.offset
    }

    /// Returns `true` if the segment holds all requested messages.
    pub fn covers(&self, HistorySlice { from, until, .. }: &HistorySlice) -> bool {
        self.range.start <= from.offset && self.range.end >= until.offset
    }

    /// Drops the pieces of which the room keeps no message.
    pub fn drop_forgotten(&mut self, slice: &HistorySlice) {
        while let Some(first) = self.pieces.front().filter(|piece| piece.last <= slice.forgotten) {
            self.range.start = first.last;
            self.pieces.pop_front();
        }
        if self.pieces.is_empty() {
            *self = Self::empty(slice);
        }
    }

    /// Encodes some of `messages` next to the segment: first those before it, then those after it.
    pub fn extend(&mut self, messages: &[Arc<Message>], encoding: Encoding, backlog: &Arc<Backlog>) {
        let index_after = |offset| messages.partition_point(|message| message.position.offset <= offset);
        match &messages[..index_after(self.range.start)] {
            [] => self.append(&messages[index_after(self.range.end)..], encoding, backlog),
            before => self.prepend(before, encoding, backlog),
        }
    }

    /// Appends some of `messages`, and joins them with the last piece if it is small.
    fn append(&mut self, messages: &[Arc<Message>], encoding: Encoding, backlog: &Arc<Backlog>) {
        let is_joined = self.pieces.back().is_some_and(Piece::is_small);
        let last = if is_joined { self.pieces.pop_back() } else { None };
        let known = last.as_ref().map_or(0, |piece| piece.bytes.len());
        let frames = encode_until_full(messages.iter(), known, encoding);
        let end = messages[frames.len() - 1].position.offset;
        self.range.end = end;
        let parts = last.iter().flat_map(Piece::frames).chain(frames.iter().map(|frame| &frame[..]));
        self.pieces.push_back(Piece::new(parts, end, backlog));
    }

    /// Prepends some of `messages`, and joins them with the first piece if it is small.
    fn prepend(&mut self, messages: &[Arc<Message>], encoding: Encoding, backlog: &Arc<Backlog>) {
        let is_joined = self.pieces.front().is_some_and(Piece::is_small);
        let first = if is_joined { self.pieces.pop_front() } else { None };
        let known = first.as_ref().map_or(0, |piece| piece.bytes.len());
        let frames = encode_until_full(messages.iter().rev(), known, encoding);
        let end = first.as_ref().map_or(self.range.start, |piece| piece.last);
        self.range.start = self.range.start.back(frames.len());
        let frames_in_order = frames.iter().rev().map(|frame| &frame[..]);
        let parts = frames_in_order.chain(first.iter().flat_map(Piece::frames));
        self.pieces.push_front(Piece::new(parts, end, backlog));
    }

    /// Returns the frames of the requested messages that are for `who`, and the number of messages.
    pub fn frames(
        &self,
        HistorySlice { messages, .. }: &HistorySlice,
        who: SpeakerId,
    ) -> (Vec<Bytes>, usize) {
        let (mut parts, mut count, mut rest) = (Vec::new(), 0, &messages[..]);
        let mut start = self.range.start;
        for piece in &self.pieces {
            let (here, later) =
                rest.split_at(rest.partition_point(|message| message.position.offset <= piece.last));
            let index = |message: &Message| message.position.offset.since(start).map(|number| number - 1);
            let wanted =
                here.iter().filter(|message| message.is_for(who)).filter_map(|message| index(message));
            let wanted: Vec<_> = wanted.collect();
            count += wanted.len();
            parts.extend(piece.part(&wanted));
            (rest, start) = (later, piece.last);
        }
        (parts, count)
    }

    /// Bytes of memory that the segment takes.
    pub fn cost(&self) -> usize {
        Self::OVERHEAD + self.pieces.iter().map(Piece::cost).sum::<usize>()
    }
}

impl Piece {
    /// Bytes up to which a piece grows; the message that reaches them is its last.
    pub(super) const SIZE: usize = 64 << 10;

    /// Joins `frames`, in exactly as much memory as they need; `last` is the offset of the last
    /// one.
    fn new<'f>(frames: impl Iterator<Item = &'f [u8]> + Clone, last: Offset, backlog: &Arc<Backlog>) -> Self {
        let ends = frames.clone().scan(0, |end, frame| {
            *end += frame.len();
            Some(*end)
        });
        let ends: Vec<_> = ends.collect();
        let mut bytes = Vec::with_capacity(ends.last().copied().unwrap_or_default());
        frames.for_each(|frame| bytes.extend_from_slice(frame));
        let bytes = Bytes::from_owner(SharedBytes { bytes, backlog: backlog.clone() });
        Self { bytes, ends, last, backlog: backlog.clone() }
    }

    fn is_small(&self) -> bool {
        self.bytes.len() < Self::SIZE
    }

    /// Iterates over the frames.
    fn frames(&self) -> impl Iterator<Item = &[u8]> + Clone {
        (0..self.ends.len()).map(|index| &self.bytes[self.range(index)])
    }

    fn range(&self, index: usize) -> Range<usize> {
        index.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[index]
    }

    /// Returns the frames with the indices `wanted`, in one part. It shares the memory of the piece
    /// if it is a run of at least half of it. Another part is copied: in an outbox, it would keep
    /// the whole piece alive.
    fn part(&self, wanted: &[usize]) -> Option<Bytes> {
        let (first, last) = (*wanted.first()?, *wanted.last()?);
        let run = self.range(first).start..self.range(last).end;
        if last - first + 1 == wanted.len() && run.len() >= self.bytes.len() / 2 {
            return Some(self.bytes.slice(run));
        }
        let length = wanted.iter().map(|index| self.range(*index).len()).sum();
        let mut bytes = Vec::with_capacity(length);
        wanted.iter().for_each(|index| bytes.extend_from_slice(&self.bytes[self.range(*index)]));
        self.backlog.add(length);
        Some(Bytes::from_owner(SharedBytes { bytes, backlog: self.backlog.clone() }))
    }

    fn cost(&self) -> usize {
        size_of::<Self>() + self.bytes.len() + self.ends.capacity() * size_of::<usize>()
    }
}

impl Drop for Piece {
    /// The bytes leave the cache; [`SharedBytes`] takes them out of the backlog.
    fn drop(&mut self) {
        self.backlog.add(self.bytes.len());
    }
}

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for SharedBytes {
    fn drop(&mut self) {
        self.backlog.remove(self.bytes.len());
    }
}

/// Encodes `messages`, up to the one with which they and `known` bytes reach [`Piece::SIZE`].
fn encode_until_full<'m>(
    messages: impl Iterator<Item = &'m Arc<Message>>,
    known: usize,
    encoding: Encoding,
) -> Vec<Bytes> {
    let mut length = known;
    let frames = messages.map_while(|message| {
        let frame = (length < Piece::SIZE).then(|| encoded(message, encoding))?;
        length += frame.len();
        Some(frame)
    });
    frames.collect()
}

/// Encodes one message.
pub(super) fn encoded(message: &Message, encoding: Encoding) -> Bytes {
    match encoding.protocol {
        Protocol::Raw => wire::plain(&message.payload),
        Protocol::V1 => wire::plain(&v1::message(message)),
        Protocol::Events(framing) => sse::message(message).framed(framing).clone(),
    }
}
