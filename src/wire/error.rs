//! Which rule a peer broke, and the code that its session ends with.

use super::CloseCode;

/// A rule of the protocol that a peer broke; each names its section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// RFC 6455 §5.2 and RFC 7692 §6: reserved bits are 0, but for RSV1 on the first frame of a data
    /// message where compression was agreed on.
    #[error("a reserved bit is set")]
    ReservedBit,
    /// RFC 6455 §5.2: opcodes 3 to 7 and 11 to 15 are reserved.
    #[error("opcode {0} is reserved")]
    ReservedOpcode(u8),
    /// RFC 6455 §5.1: a client masks every frame.
    #[error("the frame is not masked")]
    NotMasked,
    /// RFC 6455 §5.2: a length takes as few bytes as it can.
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
    /// RFC 6455 §5.4: a continuation continues something.
    #[error("a continuation without a message to continue")]
    NothingToContinue,
    /// RFC 6455 §5.4: the fragments of two messages do not mix.
    #[error("a message begins within a message")]
    MessageWithinMessage,
    /// RFC 6455 §5.5.1: a close frame is empty or begins with a code of two bytes.
    #[error("a close frame with half a code")]
    HalfCloseCode,
    /// RFC 6455 §7.4: codes that nobody defined, or that must not be sent.
    #[error("the close code {0} must not be sent")]
    CloseCode(u16),
    /// RFC 6455 §8.1: text, and the reason in a close frame, is UTF-8.
    #[error("the text is not UTF-8")]
    NotUtf8,
    /// RFC 7692 §7.2.2: what is marked as compressed is a DEFLATE stream.
    #[error("the compressed message is no DEFLATE stream")]
    NotDeflate,
    /// RFC 6455 §10.4: the limit is the server's, on the wire as well as inflated.
    #[error("the message is larger than the server accepts")]
    MessageTooBig,
    /// RFC 6455 §10.4: the limit is the server's.
    #[error("the message has more fragments than the server accepts")]
    TooManyFragments,
}

impl WireError {
    /// The code of the close frame that answers this error (RFC 6455 §7.4.1).
    ///
    /// Data that cannot be inflated is 1007, "not consistent with the type of the message": the frame
    /// around it is flawless. Too many fragments are 1008: no rule of the protocol is broken and the
    /// message may be small, so only the server's policy speaks against them.
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
    fn an_error_says_how_the_session_ends() {
        assert_eq!(WireError::NotMasked.close_code(), CloseCode::Protocol);
        assert_eq!(WireError::CloseCode(1005).close_code(), CloseCode::Protocol);
        assert_eq!(WireError::NotUtf8.close_code(), CloseCode::Invalid);
        assert_eq!(WireError::NotDeflate.close_code(), CloseCode::Invalid);
        assert_eq!(WireError::MessageTooBig.close_code(), CloseCode::Size);
        assert_eq!(WireError::TooManyFragments.close_code(), CloseCode::Policy);
    }
}
