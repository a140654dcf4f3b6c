//! What is said is what is heard.

use crate::client::{message, payload};
use proptest::prelude::*;
use worldcast::wire::{
    CloseCode, Compression, Decoder, Inflater, Message, Prepared, WindowBits, close, ping, pong,
};

/// Reads a frame of the server as if a client had sent it, with a mask of its own.
fn heard(frame: &[u8], mask: [u8; 4]) -> Message {
    let (header, payload) = frame.split_at(match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    });
    let mut bytes = header.to_vec();
    bytes[1] |= 0x80;
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    Decoder::new(1 << 20, true).decode(&mut &bytes[..], &mut Inflater::default()).unwrap().unwrap()
}

proptest! {
    #[test]
    fn every_form_of_a_payload_says_the_same(
        payload in payload(),
        bits in 9..=15u8,
        level in 1..=9u32,
        threshold in 0..300usize,
        mask in any::<[u8; 4]>(),
    ) {
        let (prepared, compression) = (Prepared::new(payload.clone()), Compression::new(level, threshold));
        let compressed = prepared.encoded(WindowBits::new(bits), &compression);
        prop_assert!(compressed.len() <= prepared.plain().len());
        prop_assert_eq!(heard(compressed, mask), message(&payload));
        prop_assert_eq!(heard(prepared.plain(), mask), message(&payload));
    }

    #[test]
    fn a_goodbye_arrives_as_far_as_it_fits(reason in "\\PC{0,100}", mask in any::<[u8; 4]>()) {
        let Message::Close(Some(heard)) = heard(&close(CloseCode::Restart, &reason), mask) else { panic!() };
        prop_assert_eq!(heard.code, CloseCode::Restart);
        prop_assert!(reason.starts_with(&heard.reason));
        prop_assert!(heard.reason.len() > 119 || heard.reason == reason);
    }

    #[test]
    fn a_ping_is_answered_with_the_same_bytes(payload in proptest::collection::vec(any::<u8>(), 0..=125)) {
        prop_assert_eq!(heard(&ping(&payload), [1, 2, 3, 4]), Message::Ping(payload.clone().into()));
        prop_assert_eq!(heard(&pong(&payload), [1, 2, 3, 4]), Message::Pong(payload.into()));
    }
}

/// Larger than any buffer inside, and than a length of two bytes can say.
#[test]
fn large_messages_travel_in_every_form() {
    let text = "Mehr Licht! ".repeat(20_000);
    let payload = worldcast::wire::Payload::Text(text.into());
    let prepared = Prepared::new(payload.clone());
    let compression = Compression::new(4, 0);
    assert_eq!(heard(prepared.plain(), [5, 6, 7, 8]), message(&payload));
    assert_eq!(heard(prepared.encoded(Some(WindowBits::MAX), &compression), [5, 6, 7, 8]), message(&payload));
}
