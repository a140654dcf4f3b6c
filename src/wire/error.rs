//! The rules of the protocol that a peer can break, and the close code for each.

use super::CloseCode;

/// A rule of the protocol that a peer broke; each variant names its section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// RFC 6455 §5.2 and RFC 7692 §6: reserved bits are 0, except RSV1 on the first frame of a data
    /// message if compression was negotiated.
    #[error("a reserved bit is set")]
    ReservedBit,
    /// RFC 6455 §5.2: opcodes 3 to 7 and 11 to 15 are reserved.
    #[error("opcode {0} is reserved")]
    ReservedOpcode(u8),
    /// RFC 6455 §5.1: a client masks every frame.
    #[error("the frame is not masked")]
    NotMasked,
    /// RFC 6455 §5.2: a length is written in as few bytes as possible.
    #[error("the length of the frame is not written in its shortest form")]
    LongForm,
    /// RFC 6455 §5.2: the top bit of a length of eight bytes is 0.
    #[error("the length of the frame has its top bit set")]
    LengthTopBit,
    /// RFC 6455 §5.5: a control frame is not fragmented.
    #[error("a control frame is fragmented")]
    FragmentedControl,
    /// RFC 6455 §5.5: a control frame carries at most 125 bytes.
    #[error("a control frame carries more than 125 bytes")]
    LongControl,
    /// RFC 6455 §5.4: a continuation frame follows a fragment.
    #[error("a continuation without a message to continue")]
    NothingToContinue,
    /// RFC 6455 §5.4: the fragments of two messages are not interleaved.
    #[error("a message begins within a message")]
    MessageWithinMessage,
    /// RFC 6455 §5.5.1: a close frame is empty or begins with a code of two bytes.
    #[error("a close frame with half a code")]
    HalfCloseCode,
    /// RFC 6455 §7.4: a code that is undefined, or must not be sent, is not on the wire.
    #[error("the close code {0} must not be sent")]
    CloseCode(u16),
    /// RFC 6455 §8.1: text and the reason in a close frame are UTF-8.
    #[error("the text is not UTF-8")]
    NotUtf8,
    /// RFC 7692 §7.2.2: a message that is marked as compressed is a DEFLATE stream.
    #[error("the compressed message is no DEFLATE stream")]
    NotDeflate,
    /// RFC 6455 §10.4: a message exceeds the server's limit, on the wire or inflated.
    #[error("the message is larger than the server accepts")]
    MessageTooBig,
    /// RFC 6455 §10.4: a message has more fragments than the server's limit.
    #[error("the message has more fragments than the server accepts")]
    TooManyFragments,
}

impl WireError {
    /// Returns the code of the close frame that answers this error (RFC 6455 §7.4.1).
    ///
    /// Data that cannot be inflated is 1007, "not consistent with the type of the message": the
    /// frame itself is valid. Too many fragments are 1008: they break no rule of the protocol and
    /// the message may be small, so only the server's policy forbids them.
    pub fn close_code(&self) -> CloseCode {
        match self {
            Self::NotUtf8 | Self::NotDeflate => CloseCode::Invalid,
            Self::MessageTooBig => CloseCode::Size,
            Self::TooManyFragments => CloseCode::Policy,
            _ => CloseCode::Protocol,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_determines_the_close_code() {
        assert_eq!(WireError::NotMasked.close_code(), CloseCode::Protocol);
        assert_eq!(WireError::CloseCode(1005).close_code(), CloseCode::Protocol);
        assert_eq!(WireError::NotUtf8.close_code(), CloseCode::Invalid);
        assert_eq!(WireError::NotDeflate.close_code(), CloseCode::Invalid);
        assert_eq!(WireError::MessageTooBig.close_code(), CloseCode::Size);
        assert_eq!(WireError::TooManyFragments.close_code(), CloseCode::Policy);
    }
}
