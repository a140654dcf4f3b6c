//! Any bytes, cut anywhere.

use crate::client::{Sent, cut, frame, sent};
use proptest::{collection::vec, prelude::*, sample::Index};
use worldcast::wire::{Decoder, Inflater, Message, WireError};

const MAX_MESSAGE: usize = 4096;

/// Bytes that a decoder may hold beside a message: a control frame and bookkeeping.
const BESIDES: usize = 125 + 96;

/// The result for bytes that arrive in these pieces: all messages, then the error if there is one.
/// Watches what is held meanwhile.
fn decoded(pieces: &[&[u8]]) -> (Vec<Message>, Option<WireError>) {
    let (mut decoder, mut inflater) = (Decoder::new(MAX_MESSAGE, true), Inflater::default());
    let mut messages = Vec::new();
    for piece in pieces {
        let mut input = *piece;
        while !input.is_empty() {
            match decoder.decode(&mut input, &mut inflater) {
                Ok(message) => messages.extend(message),
                Err(error) => return (messages, Some(error)),
            }
            assert!(decoder.held_bytes() <= MAX_MESSAGE + BESIDES);
        }
    }
    (messages, None)
}

/// Bytes that mostly begin like frames, so that they pass the first rule.
fn almost_frames() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![8 => proptest::sample::select(&[0x81, 0x82, 0x01, 0x80, 0xc1, 0x89, 0x88][..]), 1 => any::<u8>()];
    let frame = (first, any::<[u8; 4]>(), vec(any::<u8>(), 0..200))
        .prop_map(|(first, mask, payload)| frame(first, mask, &payload));
    let junk = vec(any::<u8>(), 0..4);
    let frames = vec((frame, prop_oneof![9 => Just(vec![]), 1 => junk]), 1..6);
    frames.prop_map(|frames| frames.into_iter().flat_map(|(frame, junk)| [frame, junk].concat()).collect())
}

/// Bytes of which many are almost UTF-8.
fn almost_text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "\\PC{1,4}".prop_map(String::into_bytes),
        vec(proptest::sample::select(&b"a\x80\xbf\xc2\xe0\xed\xa0\xf0\x8f\x90\xf4\xff"[..]), 1..4),
    ];
    vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// The number of bytes until no further bytes can make the text UTF-8.
fn hopeless_after(bytes: &[u8]) -> Option<usize> {
    let hopeless =
        |end: &usize| str::from_utf8(&bytes[..*end]).is_err_and(|error| error.error_len().is_some());
    (1..=bytes.len()).find(hopeless)
}

/// The number of bytes that a decoder accepts until it refuses the text, byte by byte, in these
/// fragments.
fn refused_after(fragments: &[&[u8]]) -> Option<usize> {
    let (mut decoder, mut taken) = (Decoder::new(MAX_MESSAGE, false), 0);
    for (at, fragment) in fragments.iter().enumerate() {
        let fin = if at == fragments.len() - 1 { 0x80 } else { 0 };
        let bytes = frame(fin | u8::from(at == 0), [9, 8, 7, 6], fragment);
        let header = bytes.len() - fragment.len();
        for (at, byte) in bytes.iter().enumerate() {
            taken += usize::from(at >= header);
            if decoder.decode(&mut &[*byte][..], &mut Inflater::default()).is_err() {
                return Some(taken);
            }
        }
    }
    None
}

proptest! {
    #[test]
    fn messages_are_the_same_wherever_their_bytes_are_cut(
        sent in vec(sent(), 1..5),
        cuts in vec(any::<Index>(), 0..20),
    ) {
        let bytes: Vec<u8> = sent.iter().flat_map(Sent::bytes).collect();
        let received: Vec<Message> = sent.iter().flat_map(Sent::received).collect();
        prop_assert_eq!(decoded(&cut(&bytes, &cuts)), (received, None));
    }

    #[test]
    fn messages_are_the_same_byte_by_byte(sent in sent()) {
        let bytes = sent.bytes();
        prop_assert_eq!(decoded(&bytes.chunks(1).collect::<Vec<_>>()), (sent.received(), None));
    }

    #[test]
    fn any_bytes_are_judged_the_same_wherever_they_are_cut(
        bytes in almost_frames(),
        cuts in vec(any::<Index>(), 0..20),
    ) {
        prop_assert_eq!(decoded(&cut(&bytes, &cuts)), decoded(&[&bytes]));
    }

    #[test]
    fn noise_is_judged_without_a_panic(bytes in vec(any::<u8>(), 0..2000)) {
        prop_assert_eq!(decoded(&bytes.chunks(7).collect::<Vec<_>>()), decoded(&[&bytes]));
    }

    #[test]
    fn a_frame_marked_as_compressed_is_inflated_or_refused(mut deflated in vec(any::<u8>(), 0..300), cuts in vec(any::<Index>(), 0..3)) {
        // Blocks of a type that exists.
        deflated.insert(0, *deflated.first().unwrap_or(&0) & 0xfa | 2);
        let bytes = frame(0xc2, [0; 4], &deflated);
        prop_assert_eq!(decoded(&cut(&bytes, &cuts)), decoded(&[&bytes]));
    }

    #[test]
    fn text_is_refused_at_its_first_wrong_byte(text in almost_text(), cuts in vec(any::<Index>(), 0..3)) {
        let cut_off = str::from_utf8(&text).is_err().then_some(text.len());
        prop_assert_eq!(refused_after(&cut(&text, &cuts)), hopeless_after(&text).or(cut_off));
    }
}

#[test]
fn a_bomb_costs_no_more_than_its_limit() {
    let mut bomb = flate2::Compress::new(flate2::Compression::best(), false);
    let mut deflated = Vec::with_capacity(MAX_MESSAGE);
    bomb.compress_vec(&vec![0; 3 << 20], &mut deflated, flate2::FlushCompress::Sync).unwrap();
    deflated.truncate(deflated.len() - 4);
    let bytes = frame(0xc2, [0; 4], &deflated);
    assert_eq!(decoded(&[&bytes]), (vec![], Some(WireError::MessageTooBig)));
}
