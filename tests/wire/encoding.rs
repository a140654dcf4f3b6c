//! Encoded messages decode to the same.

use crate::client::{message, payload};
use proptest::prelude::*;
use worldcast::wire::{
    CloseCode, Compression, Decoder, Deflater, Inflater, Message, Prepared, WindowBits, close, ping, pong,
};

/// Reads a frame of the server as if a client had sent it, with a mask of its own.
fn received(frame: &[u8], mask: [u8; 4]) -> Message {
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
    fn every_encoding_of_a_payload_decodes_to_the_same(
        payload in payload(),
        bits in 9..=15u8,
        level in 1..=9u32,
        threshold in 0..300usize,
        mask in any::<[u8; 4]>(),
    ) {
        let prepared = Prepared::new(payload.clone());
        let deflater = Deflater::new(Compression { level, threshold });
        let compressed = prepared.encoded(WindowBits::new(bits), &deflater);
        prop_assert!(compressed.len() <= prepared.plain().len());
        prop_assert_eq!(received(compressed, mask), message(&payload));
        prop_assert_eq!(received(prepared.plain(), mask), message(&payload));
    }

    #[test]
    fn a_close_frame_keeps_the_part_of_its_reason_that_fits(reason in "\\PC{0,100}", mask in any::<[u8; 4]>()) {
        let Message::Close(Some(received)) = received(&close(CloseCode::Restart, &reason), mask) else { panic!() };
        prop_assert_eq!(received.code, CloseCode::Restart);
        prop_assert!(reason.starts_with(&received.reason));
        prop_assert!(received.reason.len() > 119 || received.reason == reason);
    }

    #[test]
    fn a_ping_is_answered_with_the_same_bytes(payload in proptest::collection::vec(any::<u8>(), 0..=125)) {
        prop_assert_eq!(received(&ping(&payload), [1, 2, 3, 4]), Message::Ping(payload.clone().into()));
        prop_assert_eq!(received(&pong(&payload), [1, 2, 3, 4]), Message::Pong(payload.into()));
    }
}

/// Larger than any buffer inside, and than a length of two bytes.
#[test]
fn large_messages_arrive_in_every_encoding() {
    let text = "Mehr Licht! ".repeat(20_000);
    let payload = worldcast::wire::Payload::Text(text.into());
    let prepared = Prepared::new(payload.clone());
    let deflater = Deflater::new(Compression { level: 4, threshold: 0 });
    assert_eq!(received(prepared.plain(), [5, 6, 7, 8]), message(&payload));
    assert_eq!(received(prepared.encoded(Some(WindowBits::MAX), &deflater), [5, 6, 7, 8]), message(&payload));
}
