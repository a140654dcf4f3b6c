//! The 2 to 14 bytes in front of every payload (RFC 6455 §5.2), read and written.

use super::WireError;

/// The longest header, in bytes: 2 of flags and short length, 8 of length, 4 of masking key.
pub const MAX_HEADER: usize = 14;

/// The longest payload of a control frame, in bytes, inclusive (RFC 6455 §5.5).
pub const MAX_CONTROL: usize = 125;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_AND_3: u8 = 0x30;
const MASKED: u8 = 0x80;

/// The opcode of a frame (RFC 6455 §5.2 and §11.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// A further fragment of a message.
    Continuation = 0,
    /// A text message, or its first fragment.
    Text = 1,
    /// A binary message, or its first fragment.
    Binary = 2,
    /// A close frame.
    Close = 8,
    /// A ping.
    Ping = 9,
    /// A pong.
    Pong = 10,
}

impl Opcode {
    /// Returns true for close, ping and pong (RFC 6455 §5.5).
    pub fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

impl TryFrom<u8> for Opcode {
    type Error = WireError;

    fn try_from(number: u8) -> Result<Self, WireError> {
        Ok(match number {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            reserved => return Err(WireError::ReservedOpcode(reserved)),
        })
    }
}

/// The first byte of a frame (RFC 6455 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// True for the last fragment of a message.
    pub fin: bool,
    /// True if the message that begins with this frame is compressed (RFC 7692 §6).
    pub rsv1: bool,
    /// The opcode.
    pub opcode: Opcode,
}

impl Kind {
    /// Parses the first byte of a frame, without regard to earlier frames.
    ///
    /// # Errors
    /// [`WireError::ReservedOpcode`]; [`WireError::ReservedBit`] for RSV2, RSV3, or RSV1 on a frame
    /// that begins no message; [`WireError::FragmentedControl`] for a control frame without FIN.
    pub fn read(byte: u8) -> Result<Self, WireError> {
        let kind = Self { fin: byte & FIN != 0, rsv1: byte & RSV1 != 0, opcode: (byte & 0x0f).try_into()? };
        let begins_message = matches!(kind.opcode, Opcode::Text | Opcode::Binary);
        if byte & RSV2_AND_3 != 0 || kind.rsv1 && !begins_message {
            return Err(WireError::ReservedBit);
        }
        if kind.opcode.is_control() && !kind.fin {
            return Err(WireError::FragmentedControl);
        }
        Ok(kind)
    }

    fn byte(self) -> u8 {
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        bit(self.fin, FIN) | bit(self.rsv1, RSV1) | self.opcode as u8
    }
}

/// Reads the length of the payload from `bytes`, which follow the first byte of the header. Returns
/// the length and the number of bytes that encode it; `None` if not all of them have arrived.
///
/// # Errors
/// [`WireError::NotMasked`], [`WireError::LongControl`] above 125 bytes in a control frame,
/// [`WireError::LongForm`] for a length that fits a shorter form, [`WireError::LengthTopBit`] for
/// 2^63 or more.
pub fn read_length(bytes: &[u8], opcode: Opcode) -> Result<Option<(u64, usize)>, WireError> {
    let [second, rest @ ..] = bytes else { return Ok(None) };
    if second & MASKED == 0 {
        return Err(WireError::NotMasked);
    }
    let short = second & !MASKED;
    if opcode.is_control() && usize::from(short) > MAX_CONTROL {
        return Err(WireError::LongControl);
    }
    match short {
        126 => rest.first_chunk().map(|length| medium_length(*length)).transpose(),
        127 => rest.first_chunk().map(|length| long_length(*length)).transpose(),
        _ => Ok(Some((short.into(), 1))),
    }
}

fn medium_length(bytes: [u8; 2]) -> Result<(u64, usize), WireError> {
    match u16::from_be_bytes(bytes) {
        ..126 => Err(WireError::LongForm),
        length => Ok((length.into(), 3)),
    }
}

fn long_length(bytes: [u8; 8]) -> Result<(u64, usize), WireError> {
    match u64::from_be_bytes(bytes) {
        ..0x1_0000 => Err(WireError::LongForm),
        0x8000_0000_0000_0000.. => Err(WireError::LengthTopBit),
        length => Ok((length, 9)),
    }
}

/// Returns the size of the header of an unmasked frame, in bytes: 2, 4 or 10.
pub fn size(length: usize) -> usize {
    match length {
        ..126 => 2,
        126..0x1_0000 => 4,
        _ => 10,
    }
}

/// Appends the header of an unmasked frame to `into`.
pub fn write(kind: Kind, length: usize, into: &mut Vec<u8>) {
    into.push(kind.byte());
    match size(length) {
        2 => into.push(length as u8),
        4 => {
            into.push(126);
            into.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            into.push(127);
            into.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testing::hex;

    #[test]
    fn a_length_is_accepted_in_its_shortest_form_only() {
        let length = |bytes| read_length(&hex(bytes), Opcode::Binary);
        assert_eq!(length("fd"), Ok(Some((125, 1))));
        assert_eq!(length("fe 00 7e"), Ok(Some((126, 3))));
        assert_eq!(length("fe 00 7d"), Err(WireError::LongForm));
        assert_eq!(length("ff 00 00 00 00 00 01 00 00"), Ok(Some((65536, 9))));
        assert_eq!(length("ff 00 00 00 00 00 00 ff ff"), Err(WireError::LongForm));
        assert_eq!(length("ff 80 00 00 00 00 00 00 00"), Err(WireError::LengthTopBit));
    }

    #[test]
    fn a_length_is_read_when_all_its_bytes_have_arrived() {
        for partial in ["", "fe", "fe 01", "ff", "ff 00 00 00 00 00 01 00"] {
            assert_eq!(read_length(&hex(partial), Opcode::Binary), Ok(None), "{partial}");
        }
    }

    #[test]
    fn a_written_header_is_read_back() {
        for length in [0, 1, 125, 126, 127, 65535, 65536, 1 << 40] {
            let (kind, mut header) = (Kind { fin: true, rsv1: true, opcode: Opcode::Text }, Vec::new());
            write(kind, length, &mut header);
            assert_eq!(header.len(), size(length));
            assert_eq!(Kind::read(header[0]), Ok(kind));
            header[1] |= MASKED;
            assert_eq!(read_length(&header[1..], kind.opcode), Ok(Some((length as u64, header.len() - 1))));
        }
    }
}
