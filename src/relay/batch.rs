//! What was said in one room since the last flush, as the bytes that go to each socket.

use crate::{
    hub::{Publication, SessionId},
    wire::{Compression, WindowBits},
};
use bytes::{Bytes, BytesMut};
use std::{ops::Range, sync::Arc};

/// The messages of one room, joined at most once for each form that somebody negotiated.
pub struct Batch<'a> {
    said: &'a [Arc<Publication>],
    compression: &'a Compression,
    joined: Vec<(Option<WindowBits>, Joined)>,
}

/// All messages in one form, in one piece, and where each ends.
struct Joined {
    bytes: Bytes,
    ends: Vec<usize>,
}

impl<'a> Batch<'a> {
    pub fn new(said: &'a [Arc<Publication>], compression: &'a Compression) -> Self {
        Self { said, compression, joined: Vec::new() }
    }

    /// The bytes of the messages from the one at `first` on, and how many messages they are.
    pub fn from(&mut self, first: usize, window: Option<WindowBits>) -> (Bytes, usize) {
        let all = 0..self.said.len();
        (self.joined(window).slice(first..all.end), all.end - first)
    }

    /// Calls `push` with each run of messages from `first` on that `hearer` is to hear.
    pub fn parts_for(
        &mut self,
        hearer: SessionId,
        first: usize,
        window: Option<WindowBits>,
        mut push: impl FnMut(Bytes, usize),
    ) {
        let said = self.said;
        let joined = self.joined(window);
        let mut at = first;
        for run in said[first..].split(|publication| publication.said.audience.left_out() == Some(hearer)) {
            if !run.is_empty() {
                push(joined.slice(at..at + run.len()), run.len());
            }
            at += run.len() + 1; // over the message that ended the run
        }
    }

    fn joined(&mut self, window: Option<WindowBits>) -> &Joined {
        let at = match self.joined.iter().position(|(form, _)| *form == window) {
            Some(at) => at,
            None => {
                self.joined.push((window, Joined::new(self.said, window, self.compression)));
                self.joined.len() - 1
            }
        };
        &self.joined[at].1
    }
}

impl Joined {
    fn new(said: &[Arc<Publication>], window: Option<WindowBits>, compression: &Compression) -> Self {
        let forms = || said.iter().map(|publication| publication.message.form(window, compression));
        let ends = forms().scan(0, |end, form| {
            *end += form.len();
            Some(*end)
        });
        let ends: Vec<usize> = ends.collect();
        let bytes = match said {
            [only] => only.message.form(window, compression).clone(),
            _ => concatenated(forms(), ends.last().copied().unwrap_or(0)),
        };
        Self { bytes, ends }
    }

    /// A part shares the memory of the whole unless it is much smaller: while it waits in an outbox, which counts
    /// the part alone, it would keep all of it.
    fn slice(&self, messages: Range<usize>) -> Bytes {
        let end_of = |messages: usize| messages.checked_sub(1).map_or(0, |last| self.ends[last]);
        let part = end_of(messages.start)..end_of(messages.end);
        match part.len() < self.bytes.len() / 2 {
            true => Bytes::copy_from_slice(&self.bytes[part]),
            false => self.bytes.slice(part),
        }
    }
}

fn concatenated<'b>(forms: impl Iterator<Item = &'b Bytes>, length: usize) -> Bytes {
    let mut all = BytesMut::with_capacity(length);
    forms.for_each(|form| all.extend_from_slice(form));
    all.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hub::Audience, relay::tests::publication};

    const PLAIN: Compression = Compression { level: 1, threshold: usize::MAX };

    fn said(texts: &[(&str, Audience)]) -> Vec<Arc<Publication>> {
        texts.iter().map(|(text, audience)| publication(text, *audience)).collect()
    }

    #[test]
    fn everybody_hears_the_whole_in_one_piece() {
        let said = said(&[("a", Audience::Everyone), ("bc", Audience::Everyone)]);
        let mut batch = Batch::new(&said, &PLAIN);
        assert_eq!(batch.from(0, None), (Bytes::from_static(b"\x81\x01a\x81\x02bc"), 2));
    }

    #[test]
    fn a_small_part_keeps_no_large_batch_in_memory() {
        let me = SessionId::next();
        let mine = "x".repeat(1000);
        let said =
            said(&[("a", Audience::Everyone), (&mine, Audience::EveryoneBut(me)), ("b", Audience::Everyone)]);
        let mut batch = Batch::new(&said, &PLAIN);
        let whole = batch.from(0, None).0.as_ptr_range();
        let mut parts = Vec::new();
        batch.parts_for(me, 0, None, |part, _| parts.push(part));
        parts.push(batch.from(2, None).0);
        assert_eq!(parts.len(), 3);
        assert!(parts.iter().all(|part| !whole.contains(&part.as_ptr())));
        assert!(whole.contains(&batch.from(1, None).0.as_ptr()), "a large part is not copied");
    }

    #[test]
    fn a_newcomer_hears_only_what_came_after_it() {
        let said = said(&[("a", Audience::Everyone), ("bc", Audience::Everyone)]);
        let mut batch = Batch::new(&said, &PLAIN);
        assert_eq!(batch.from(1, None), (Bytes::from_static(b"\x81\x02bc"), 1));
        assert_eq!(batch.from(2, None), (Bytes::new(), 0));
    }

    #[test]
    fn an_author_hears_all_but_itself() {
        let me = SessionId::next();
        let said = said(&[
            ("a", Audience::Everyone),
            ("b", Audience::Everyone),
            ("mine", Audience::EveryoneBut(me)),
            ("mine too", Audience::EveryoneBut(me)),
            ("c", Audience::EveryoneBut(SessionId::next())),
        ]);
        let mut batch = Batch::new(&said, &PLAIN);
        let mut heard = Vec::new();
        batch.parts_for(me, 1, None, |part, count| heard.push((part, count)));
        assert_eq!(heard, [(Bytes::from_static(b"\x81\x01b"), 1), (Bytes::from_static(b"\x81\x01c"), 1)]);
    }
}
