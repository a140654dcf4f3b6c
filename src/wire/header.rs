//! The 2 to 14 bytes in front of every payload (RFC 6455 §5.2), read and written.

use super::WireError;

/// The longest header: flags, a length of eight bytes, a mask.
pub const MAX_HEADER: usize = 14;

/// The most that a control frame carries, in bytes (RFC 6455 §5.5).
pub const MAX_CONTROL: usize = 125;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_AND_3: u8 = 0x30;
const MASKED: u8 = 0x80;

/// What a frame is (RFC 6455 §11.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
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

/// What the first byte of a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub fin: bool,
    /// Whether the message that begins here is compressed (RFC 7692 §6).
    pub rsv1: bool,
    pub opcode: Opcode,
}

impl Kind {
    /// Judges all that can be judged without knowing what came before.
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

/// Reads how many bytes a client announces, from all that follows the first byte: the announced
/// length, and how many bytes said so. `None` when they have not all come.
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

/// Bytes of the header of an unmasked frame.
pub fn size(length: usize) -> usize {
    match length {
        ..126 => 2,
        126..0x1_0000 => 4,
        _ => 10,
    }
}

/// Writes the header of an unmasked frame.
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
    use crate::wire::hex;

    #[test]
    fn a_length_takes_as_few_bytes_as_it_can() {
        let length = |bytes| read_length(&hex(bytes), Opcode::Binary);
        assert_eq!(length("fd"), Ok(Some((125, 1))));
        assert_eq!(length("fe 00 7e"), Ok(Some((126, 3))));
        assert_eq!(length("fe 00 7d"), Err(WireError::LongForm));
        assert_eq!(length("ff 00 00 00 00 00 01 00 00"), Ok(Some((65536, 9))));
        assert_eq!(length("ff 00 00 00 00 00 00 ff ff"), Err(WireError::LongForm));
        assert_eq!(length("ff 80 00 00 00 00 00 00 00"), Err(WireError::LengthTopBit));
    }

    #[test]
    fn a_length_is_read_when_all_of_it_has_come() {
        for begun in ["", "fe", "fe 01", "ff", "ff 00 00 00 00 00 01 00"] {
            assert_eq!(read_length(&hex(begun), Opcode::Binary), Ok(None), "{begun}");
        }
    }

    #[test]
    fn what_is_written_is_what_is_read() {
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
