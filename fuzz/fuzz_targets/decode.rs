//! Decodes any bytes: no panic, no more memory than one message, and the same messages however the
//! bytes are cut.
//!
//! The first byte of the input chooses the largest message and compression, the second byte the
//! size of the pieces.

#![no_main]

use libfuzzer_sys::fuzz_target;
use worldcast::wire::{Decoder, Inflater, Message, WireError};

/// Bytes that a decoder may hold in addition to a message: a control frame and bookkeeping.
const OVERHEAD: usize = 125 + 96;

fuzz_target!(|input: &[u8]| {
    let [options, cut, bytes @ ..] = input else { return };
    let (max_message, compression) = (usize::from(options >> 1) * 64, options & 1 == 1);
    let cut_up = decoded(max_message, compression, bytes.chunks(usize::from(*cut).max(1)));
    assert_eq!(cut_up, decoded(max_message, compression, [bytes].into_iter()));
});

fn decoded<'a>(
    max_message: usize,
    compression: bool,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<Message>, Option<WireError>) {
    let (mut decoder, mut inflater) = (Decoder::new(max_message, compression), Inflater::default());
    let mut messages = Vec::new();
    for mut input in pieces {
        while !input.is_empty() {
            match decoder.decode(&mut input, &mut inflater) {
                Ok(message) => messages.extend(message),
                Err(error) => return (messages, Some(error)),
            }
            assert!(decoder.held_bytes() <= max_message + OVERHEAD);
        }
    }
    assert!(messages.iter().all(|message| size(message) <= max_message.max(125)));
    (messages, None)
}

fn size(message: &Message) -> usize {
    match message {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes.len(),
        Message::Close(_) => 0,
    }
}
