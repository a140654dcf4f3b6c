//! Frames as a client sends them (RFC 6455 §5.2), written without the server's own encoder.

/// A frame whose first byte is `first`, with a masking key of zeros.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    masked_frame(first, [0; 4], payload)
}

/// A text message in one frame, with a masking key of zeros.
pub fn text(text: &str) -> Vec<u8> {
    frame(0x81, text.as_bytes())
}

/// A frame whose first byte is `first`, its payload XORed with the masking key `mask`.
pub fn masked_frame(first: u8, mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 14);
    append_frame(&mut frame, first, mask, payload);
    frame
}

/// Appends such a frame to `out`.
pub fn append_frame(out: &mut Vec<u8>, first: u8, mask: [u8; 4], payload: &[u8]) {
    out.push(first);
    match payload.len() {
        short @ ..126 => out.push(0x80 | short as u8),
        medium @ ..0x1_0000 => {
            out.push(0x80 | 126);
            out.extend((medium as u16).to_be_bytes());
        }
        long => {
            out.push(0x80 | 127);
            out.extend((long as u64).to_be_bytes());
        }
    }
    out.extend(mask);
    match mask {
        [0, 0, 0, 0] => out.extend_from_slice(payload),
        mask => out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask)),
    }
}
