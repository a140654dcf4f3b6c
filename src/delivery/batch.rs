//! The messages of one room since the last flush, as the bytes for each socket.

use super::Broadcast;
use crate::{
    ids::{ConnectionId, SpeakerId},
    protocol::Encoding,
    wire::Deflater,
};
use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;
use std::{borrow::Cow, ops::Range, sync::Arc};

/// The messages of one room, joined at most once for each negotiated encoding.
pub struct Batch<'a> {
    pending: &'a [Arc<Broadcast>],
    deflater: &'a Deflater,
    encoded: SmallVec<[(Encoding, Encoded); 1]>,
}

/// All messages in one encoding, as one piece, with the end of each.
struct Encoded {
    bytes: Bytes,
    ends: SmallVec<[Boundary; 1]>,
}

/// The end of one message in the joined bytes; equal to the previous end if this encoding omits it.
#[derive(Clone, Copy, Default)]
struct Boundary {
    /// The offset in bytes.
    bytes: usize,
    /// The number of messages up to there.
    messages: usize,
}

/// The receiver of a room's messages.
#[derive(Clone, Copy)]
pub struct Subscriber {
    /// Its connection.
    pub connection: ConnectionId,
    /// Its speaker.
    pub who: SpeakerId,
    /// The client continues as the speaker of a lost session.
    pub resumed: bool,
}

impl<'a> Batch<'a> {
    /// Joins nothing yet: each encoding is joined at its first use.
    pub fn new(pending: &'a [Arc<Broadcast>], deflater: &'a Deflater) -> Self {
        Self { pending, deflater, encoded: SmallVec::new() }
    }

    /// Returns the bytes of the messages from index `first` on, and their number.
    pub fn from(&mut self, first: usize, encoding: Encoding) -> (Cow<'_, Bytes>, usize) {
        let all = 0..self.pending.len();
        self.encoded(encoding).slice(first..all.end)
    }

    /// Calls `push` with each run of messages from `first` on that `subscriber` receives, and with
    /// the acks of its own messages at their positions.
    pub fn parts_for(
        &mut self,
        subscriber: Subscriber,
        first: usize,
        encoding: Encoding,
        mut push: impl FnMut(&Bytes, usize),
    ) {
        let pending = self.pending;
        let encoded = self.encoded(encoding);
        let mut run = first..first;
        for (at, broadcast) in pending.iter().enumerate().skip(first) {
            let ack = broadcast.ack(subscriber.connection);
            let excluded = broadcast.excluded() == Some(subscriber.who);
            run.end = if excluded { at } else { at + 1 };
            if excluded || ack.is_some() {
                encoded.push(run.clone(), &mut push);
                run = at + 1..at + 1;
            }
            ack.iter().for_each(|ack| push(ack, 1));
        }
        encoded.push(run, &mut push);
    }

    fn encoded(&mut self, encoding: Encoding) -> &Encoded {
        let at = match self.encoded.iter().position(|(known, _)| *known == encoding) {
            Some(at) => at,
            None => {
                self.encoded.push((encoding, Encoded::new(self.pending, encoding, self.deflater)));
                self.encoded.len() - 1
            }
        };
        &self.encoded[at].1
    }
}

impl Encoded {
    fn new(pending: &[Arc<Broadcast>], encoding: Encoding, deflater: &Deflater) -> Self {
        let encodings = || pending.iter().map(|broadcast| broadcast.encoded(encoding, deflater));
        let ends = encodings().scan(Boundary::default(), |end, encoding| {
            end.bytes += encoding.len();
            end.messages += usize::from(!encoding.is_empty());
            Some(*end)
        });
        let ends: SmallVec<[Boundary; 1]> = ends.collect();
        let bytes = match pending {
            [only] => only.encoded(encoding, deflater).clone(),
            _ => concatenated(encodings(), ends.last().map_or(0, |end| end.bytes)),
        };
        Self { bytes, ends }
    }

    /// Calls `push` with a part, unless it is empty.
    fn push(&self, broadcasts: Range<usize>, push: &mut impl FnMut(&Bytes, usize)) {
        let (bytes, messages) = self.slice(broadcasts);
        if messages > 0 {
            push(&bytes, messages);
        }
    }

    /// Returns a part and its number of messages. A part shares the memory of the whole unless it
    /// is less than half of it: waiting in an outbox, which counts only the part, it would keep the
    /// whole alive.
    fn slice(&self, broadcasts: Range<usize>) -> (Cow<'_, Bytes>, usize) {
        let end_of = |count: usize| count.checked_sub(1).map_or(Boundary::default(), |last| self.ends[last]);
        let (start, end) = (end_of(broadcasts.start), end_of(broadcasts.end));
        let part = start.bytes..end.bytes;
        let bytes = match part.len() {
            length if length == self.bytes.len() => Cow::Borrowed(&self.bytes),
            length if length < self.bytes.len() / 2 => Cow::Owned(Bytes::copy_from_slice(&self.bytes[part])),
            _ => Cow::Owned(self.bytes.slice(part)),
        };
        (bytes, end.messages - start.messages)
    }
}

fn concatenated<'b>(encodings: impl Iterator<Item = &'b Bytes>, length: usize) -> Bytes {
    let mut all = BytesMut::with_capacity(length);
    encodings.for_each(|encoding| all.extend_from_slice(encoding));
    all.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{history::Audience, protocol::Protocol, room::Change, testing::broadcast, wire::Compression};

    fn plain() -> Deflater {
        Deflater::new(Compression { level: 1, threshold: usize::MAX })
    }

    const RAW: Encoding = Encoding { protocol: Protocol::Raw, window: None };

    fn from(batch: &mut Batch, first: usize) -> (Bytes, usize) {
        let (part, messages) = batch.from(first, RAW);
        (part.into_owned(), messages)
    }

    fn subscriber(who: SpeakerId) -> Subscriber {
        Subscriber { connection: ConnectionId::next(), who, resumed: false }
    }

    fn pending(texts: &[(&str, Audience)]) -> Vec<Arc<Broadcast>> {
        texts.iter().map(|(text, audience)| broadcast(text, *audience)).collect()
    }

    #[test]
    fn every_member_receives_all_in_one_piece() {
        let pending = pending(&[("a", Audience::Everyone), ("bc", Audience::Everyone)]);
        let plain = plain();
        let mut batch = Batch::new(&pending, &plain);
        assert_eq!(from(&mut batch, 0), (Bytes::from_static(b"\x81\x01a\x81\x02bc"), 2));
    }

    #[test]
    fn a_small_part_keeps_no_large_batch_in_memory() {
        let me = SpeakerId::next();
        let mine = "x".repeat(1000);
        let pending =
            pending(&[("a", Audience::Everyone), (&mine, Audience::Except(me)), ("b", Audience::Everyone)]);
        let plain = plain();
        let mut batch = Batch::new(&pending, &plain);
        let whole = from(&mut batch, 0).0.as_ptr_range();
        let mut parts = Vec::new();
        batch.parts_for(subscriber(me), 0, RAW, |part, _| parts.push(part.clone()));
        parts.push(from(&mut batch, 2).0);
        assert_eq!(parts.len(), 3);
        assert!(parts.iter().all(|part| !whole.contains(&part.as_ptr())));
        assert!(whole.contains(&from(&mut batch, 1).0.as_ptr()), "a large part is not copied");
    }

    #[test]
    fn a_newcomer_receives_only_later_messages() {
        let pending = pending(&[("a", Audience::Everyone), ("bc", Audience::Everyone)]);
        let plain = plain();
        let mut batch = Batch::new(&pending, &plain);
        assert_eq!(from(&mut batch, 1), (Bytes::from_static(b"\x81\x02bc"), 1));
        assert_eq!(from(&mut batch, 2), (Bytes::new(), 0));
    }

    #[test]
    fn a_publisher_without_echo_receives_all_but_its_own() {
        let me = SpeakerId::next();
        let pending = pending(&[
            ("a", Audience::Everyone),
            ("b", Audience::Everyone),
            ("mine", Audience::Except(me)),
            ("mine too", Audience::Except(me)),
            ("c", Audience::Except(SpeakerId::next())),
        ]);
        let plain = plain();
        let mut batch = Batch::new(&pending, &plain);
        let mut received = Vec::new();
        batch.parts_for(subscriber(me), 1, RAW, |part, count| received.push((part.clone(), count)));
        assert_eq!(received, [(Bytes::from_static(b"\x81\x01b"), 1), (Bytes::from_static(b"\x81\x01c"), 1)]);
    }

    #[test]
    fn a_resumed_publisher_without_echo_does_not_receive_its_earlier_messages() {
        let (before, after) = (SpeakerId::next(), SpeakerId::next());
        let pending = pending(&[("a", Audience::Except(before)), ("b", Audience::Except(after))]);
        let plain = plain();
        let mut batch = Batch::new(&pending, &plain);
        let mut received = Vec::new();
        batch.parts_for(Subscriber { resumed: true, ..subscriber(before) }, 0, RAW, |part, _| {
            received.push(part.clone())
        });
        assert_eq!(received, [Bytes::from_static(b"\x81\x01b")]);
    }

    #[test]
    fn a_join_at_another_node_reaches_every_member_of_this_one() {
        let joined = Change::Joined { connection: None };
        let pending = [Broadcast::notice(SpeakerId::next(), joined, None)];
        assert_eq!(pending[0].author(), None);
        let plain = plain();
        let v1 = Encoding { protocol: Protocol::V1, ..RAW };
        assert_eq!(Batch::new(&pending, &plain).from(0, v1).1, 1);
    }

    #[test]
    fn a_client_of_the_raw_protocol_receives_no_notice() {
        let mut pending = pending(&[("a", Audience::Everyone)]);
        pending.insert(0, Broadcast::notice(SpeakerId::next(), Change::Left, None));
        let plain = plain();
        let mut batch = Batch::new(&pending, &plain);
        assert_eq!(from(&mut batch, 0), (Bytes::from_static(b"\x81\x01a"), 1));
        assert_eq!(batch.from(0, Encoding { protocol: Protocol::V1, ..RAW }).1, 2);
    }
}
