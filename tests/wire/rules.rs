//! Every rule of the protocol, with the bytes that keep or break it.

use crate::client::hex;
use worldcast::wire::{CloseCode, CloseFrame, Decoder, Inflater, Message, WireError};

/// The result of a decoder for messages of 100 bytes.
fn decoded(bytes: &str) -> Result<Vec<Message>, WireError> {
    let (mut decoder, mut inflater) = (Decoder::new(100, true), Inflater::default());
    let (bytes, mut messages) = (hex(bytes), Vec::new());
    let mut input = &bytes[..];
    while let Some(message) = decoder.decode(&mut input, &mut inflater)? {
        messages.push(message);
    }
    Ok(messages)
}

/// The number of bytes until the error is detected, and the error.
fn refused(bytes: &str) -> Option<(usize, WireError)> {
    let mut decoder = Decoder::new(100, true);
    let judged = hex(bytes).into_iter().map(|byte| next(&mut decoder, &[byte]).err());
    judged.zip(1..).find_map(|(error, count)| error.map(|error| (count, error)))
}

/// The message that these bytes complete, uncompressed.
fn next(decoder: &mut Decoder, mut bytes: &[u8]) -> Result<Option<Message>, WireError> {
    decoder.decode(&mut bytes, &mut Inflater::default())
}

fn text(text: &str) -> Message {
    Message::Text(text.into())
}

#[test]
fn the_examples_of_rfc_6455_are_read() {
    let masked = "81 85 37 fa 21 3d 7f 9f 4d 51 58";
    assert_eq!(decoded(masked), Ok(vec![text("Hello")]));
    let pong = "8a 85 37 fa 21 3d 7f 9f 4d 51 58";
    assert_eq!(decoded(pong), Ok(vec![Message::Pong("Hello".into())]));
    let fragments = "01 83 00 00 00 00 48 65 6c 80 82 00 00 00 00 6c 6f";
    assert_eq!(decoded(fragments), Ok(vec![text("Hello")]));
}

#[test]
fn the_examples_of_rfc_7692_are_read() {
    let whole = "c1 87 00 00 00 00 f2 48 cd c9 c9 07 00";
    assert_eq!(decoded(whole), Ok(vec![text("Hello")]));
    let fragments = "41 83 00 00 00 00 f2 48 cd 80 84 00 00 00 00 c9 c9 07 00";
    assert_eq!(decoded(fragments), Ok(vec![text("Hello")]));
}

#[test]
fn a_control_frame_may_stand_between_fragments() {
    let bytes = "02 81 00 00 00 00 01 89 81 00 00 00 00 ff 80 80 00 00 00 00";
    let messages = vec![Message::Ping(vec![0xff].into()), Message::Binary(vec![1].into())];
    assert_eq!(decoded(bytes), Ok(messages));
}

#[test]
fn a_close_frame_is_read() {
    assert_eq!(decoded("88 80 00 00 00 00"), Ok(vec![Message::Close(None)]));
    let close = Message::Close(Some(CloseFrame { code: CloseCode::Away, reason: "bye".to_owned() }));
    assert_eq!(decoded("88 85 00 00 00 00 03 e9 62 79 65"), Ok(vec![close]));
}

#[test]
fn a_broken_rule_is_detected_at_the_first_byte_that_breaks_it() {
    use WireError::*;
    let cases = [
        ("a1", 1, ReservedBit),
        ("91", 1, ReservedBit),
        ("c9", 1, ReservedBit),
        ("41 80 00 00 00 00 c0", 7, ReservedBit),
        ("83", 1, ReservedOpcode(3)),
        ("8f", 1, ReservedOpcode(15)),
        ("81 05", 2, NotMasked),
        ("09", 1, FragmentedControl),
        ("88 fe", 2, LongControl),
        ("82 fe 00 05", 4, LongForm),
        ("82 ff 00 00 00 00 00 00 00 05", 10, LongForm),
        ("82 ff 80 00 00 00 00 00 00 00", 10, LengthTopBit),
        ("80", 1, NothingToContinue),
        ("01 80 00 00 00 00 81", 7, MessageWithinMessage),
        ("88 81 00 00 00 00 03", 7, HalfCloseCode),
        ("88 82 00 00 00 00 03 ed", 8, CloseCode(1005)),
        ("88 83 00 00 00 00 03 e8 ff", 9, NotUtf8),
        ("c1 81 00 00 00 00 07", 7, NotDeflate),
        ("82 e5", 2, MessageTooBig),
        ("82 ff 00 00 00 00 40 00 00 00", 10, MessageTooBig),
    ];
    for (bytes, count, error) in cases {
        assert_eq!(refused(bytes), Some((count, error)), "{bytes}");
    }
}

#[test]
fn the_fragments_of_a_message_count_together() {
    let full = format!("02 e4 00 00 00 00 {}", "2a ".repeat(100));
    assert_eq!(refused(&format!("{full} 80 81")), Some((108, WireError::MessageTooBig)));
    assert_eq!(decoded(&format!("{full} 80 80 00 00 00 00")).unwrap().len(), 1);
}

#[test]
fn a_control_frame_counts_for_no_message() {
    let bytes = format!("02 e4 00 00 00 00 {} 89 81 00 00 00 00 01", "2a ".repeat(100));
    assert_eq!(decoded(&bytes), Ok(vec![Message::Ping(vec![1].into())]));
}

#[test]
fn text_is_judged_inside_a_frame_that_has_not_ended() {
    let surrogate = "81 8a 00 00 00 00 ce ba ed a0 80";
    assert_eq!(refused(surrogate), Some((10, WireError::NotUtf8)));
    let cut_off = "81 81 00 00 00 00 ce";
    assert_eq!(refused(cut_off), Some((7, WireError::NotUtf8)));
}

#[test]
fn compressed_text_is_judged_inflated() {
    assert_eq!(decoded("c1 87 00 00 00 00 00 01 00 fe ff ff 00"), Err(WireError::NotUtf8));
}

#[test]
fn without_negotiation_no_frame_may_be_compressed() {
    let mut plain = Decoder::new(100, false);
    assert_eq!(next(&mut plain, &hex("c1")), Err(WireError::ReservedBit));
}

#[test]
fn a_message_has_at_most_1024_fragments_even_if_they_are_empty() {
    let fragments = |count: usize| format!("01 80 00 00 00 00 {}", "00 80 00 00 00 00 ".repeat(count - 1));
    let last = "80 80 00 00 00 00";
    assert_eq!(decoded(&format!("{} {last}", fragments(1023))), Ok(vec![text("")]));
    assert_eq!(decoded(&format!("{} {last}", fragments(1024))), Err(WireError::TooManyFragments));
}

#[test]
fn a_large_message_may_arrive_in_fragments_of_64_bytes() {
    let mut decoder = Decoder::new(1 << 20, false);
    let fragment = [&hex("02 c0 00 00 00 00"), &[7; 64][..]].concat();
    assert_eq!(next(&mut decoder, &fragment), Ok(None));
    let rest = [&hex("00 c0 00 00 00 00"), &[7; 64][..]].concat().repeat((1 << 14) - 1);
    assert_eq!(next(&mut decoder, &rest), Ok(None));
    let end = hex("80 80 00 00 00 00");
    assert_eq!(next(&mut decoder, &end), Err(WireError::TooManyFragments));
}

#[test]
fn announced_bytes_take_no_memory_until_they_arrive() {
    let mut decoder = Decoder::new(1 << 30, false);
    assert_eq!(next(&mut decoder, &hex("82 ff 00 00 00 00 40 00 00 00 01 02 03 04")), Ok(None));
    for _ in 0..1000 {
        assert_eq!(next(&mut decoder, &[7]), Ok(None));
    }
    assert!(decoder.held_bytes() < 3000);
}

#[test]
fn an_idle_decoder_is_small_and_holds_nothing() {
    assert!(size_of::<Decoder>() <= 96);
    let mut decoder = Decoder::new(1 << 16, true);
    let half = hex("81 85 37 fa 21 3d 7f 9f");
    assert_eq!(next(&mut decoder, &half), Ok(None));
    assert!(decoder.held_bytes() > 0);
    assert_eq!(next(&mut decoder, &hex("4d 51 58")), Ok(Some(text("Hello"))));
    assert_eq!(decoder.held_bytes(), 0);
}
