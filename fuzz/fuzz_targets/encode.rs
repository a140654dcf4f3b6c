//! Encodes any payload with any window and level: a client decodes the same payload.
//!
//! The first byte of the input chooses window and level. zlib-rs is fuzzed with the encoder.

#![no_main]

use libfuzzer_sys::fuzz_target;
use worldcast::wire::{Compression, Decoder, Deflater, Inflater, Message, Payload, Prepared, WindowBits};

fuzz_target!(|input: &[u8]| {
    let [options, bytes @ ..] = input else { return };
    let window = WindowBits::new(9 + options % 7);
    let compression = Compression { level: 1 + u32::from(options / 7 % 9), threshold: 0 };
    let bytes = if options % 2 == 0 { bytes.to_vec() } else { bytes.repeat(usize::from(options / 16)) };
    let prepared = Prepared::new(Payload::Binary(bytes.clone().into()));

    let encoded = prepared.encoded(window, &Deflater::new(compression));
    assert!(encoded.len() <= prepared.plain().len());
    assert_eq!(decoded(encoded), Message::Binary(bytes.into()));
});

/// Decodes a frame of the server as if a client had sent it.
fn decoded(frame: &[u8]) -> Message {
    let (header, payload) = frame.split_at(match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    });
    let mut masked = [header, &[0; 4], payload].concat();
    masked[1] |= 0x80;
    Decoder::new(64 << 20, true).decode(&mut &masked[..], &mut Inflater::default()).unwrap().unwrap()
}
