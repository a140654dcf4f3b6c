//! The frames that the server sends: unmasked (RFC 6455 §5.1), and never fragmented.

use super::{
    CloseCode,
    header::{self, Kind, MAX_CONTROL, Opcode},
};
use bytes::Bytes;

/// Encodes a ping with at most the first 125 bytes of `payload` (RFC 6455 §5.5.2).
pub fn ping(payload: &[u8]) -> Bytes {
    control(Opcode::Ping, payload)
}

/// Encodes a pong with at most the first 125 bytes of `payload`, the payload of the ping that it
/// answers (RFC 6455 §5.5.3).
pub fn pong(payload: &[u8]) -> Bytes {
    control(Opcode::Pong, payload)
}

/// Encodes a close frame (RFC 6455 §5.5.1) with as many characters of `reason` as fit into 123
/// bytes.
pub fn close(code: CloseCode, reason: &str) -> Bytes {
    let fits = |end: &usize| *end <= MAX_CONTROL - 2 && reason.is_char_boundary(*end);
    let end = (0..=reason.len()).rev().find(fits).unwrap_or_default();
    control(Opcode::Close, &[&u16::from(code).to_be_bytes(), &reason.as_bytes()[..end]].concat())
}

/// Encodes the answer to a close frame without a code (RFC 6455 §5.5.1).
pub fn close_without_code() -> Bytes {
    control(Opcode::Close, &[])
}

/// Encodes a data frame; `compressed` sets RSV1 (RFC 7692 §6).
pub fn data(opcode: Opcode, compressed: bool, payload: &[u8]) -> Bytes {
    frame(Kind { fin: true, rsv1: compressed, opcode }, payload)
}

fn control(opcode: Opcode, payload: &[u8]) -> Bytes {
    frame(Kind { fin: true, rsv1: false, opcode }, &payload[..payload.len().min(MAX_CONTROL)])
}

fn frame(kind: Kind, payload: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(header::size(payload.len()) + payload.len());
    header::write(kind, payload.len(), &mut frame);
    frame.extend_from_slice(payload);
    frame.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use testing::hex;

    #[test]
    fn the_frames_of_rfc_6455_are_written() {
        assert_eq!(data(Opcode::Text, false, b"Hello"), hex("81 05 48 65 6c 6c 6f"));
        assert_eq!(ping(b"Hello"), hex("89 05 48 65 6c 6c 6f"));
        assert_eq!(pong(b"Hello"), hex("8a 05 48 65 6c 6c 6f"));
        assert_eq!(data(Opcode::Binary, false, &[7; 256])[..4], hex("82 7e 01 00"));
        assert_eq!(data(Opcode::Binary, false, &[7; 65536])[..10], hex("82 7f 00 00 00 00 00 01 00 00"));
        assert_eq!(data(Opcode::Text, true, &hex("f2 48 cd c9 c9 07 00"))[..2], hex("c1 07"));
    }

    #[test]
    fn a_length_is_written_in_its_shortest_form() {
        for (length, header) in [(125, 2), (126, 4), (65535, 4), (65536, 10)] {
            assert_eq!(data(Opcode::Binary, false, &vec![0; length]).len(), header + length);
        }
    }

    #[test]
    fn a_close_frame_is_a_control_frame_and_ends_with_a_whole_character() {
        assert_eq!(close(CloseCode::Restart, "bye"), hex("88 05 03 f4 62 79 65"));
        assert_eq!(close_without_code(), hex("88 00"));
        let long = close(CloseCode::Restart, &"é".repeat(100));
        assert_eq!(long.len(), 2 + 2 + 122);
        assert!(str::from_utf8(&long[4..]).is_ok());
    }

    #[test]
    fn a_ping_carries_at_most_125_bytes() {
        assert_eq!(ping(&[1; 200]).len(), 127);
    }
}
