//! The content of a close frame (RFC 6455 §5.5.1 and §7.4).

use super::WireError;

/// The content of a close frame that is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// The reason as a number.
    pub code: CloseCode,
    /// The reason as text; empty if the frame has a code alone.
    pub reason: String,
}

/// The code of a close frame (RFC 6455 §7.4.1; 1012 and 1013 are registered by IANA).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    Normal,
    /// 1001: an endpoint goes away.
    Away,
    /// 1002: the peer broke a rule of the protocol.
    Protocol,
    /// 1007: the data of a message is not consistent with its type.
    Invalid,
    /// 1008: a message violates the policy of the endpoint.
    Policy,
    /// 1009: a message is too big.
    Size,
    /// 1011: the server met an unexpected condition.
    Error,
    /// 1012: the service restarts; the client may reconnect after a random delay.
    Restart,
    /// 1013: the server is overloaded; the client may try again later.
    Again,
    /// Any other code.
    Other(u16),
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        match code {
            CloseCode::Normal => 1000,
            CloseCode::Away => 1001,
            CloseCode::Protocol => 1002,
            CloseCode::Invalid => 1007,
            CloseCode::Policy => 1008,
            CloseCode::Size => 1009,
            CloseCode::Error => 1011,
            CloseCode::Restart => 1012,
            CloseCode::Again => 1013,
            CloseCode::Other(code) => code,
        }
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        match code {
            1000 => Self::Normal,
            1001 => Self::Away,
            1002 => Self::Protocol,
            1007 => Self::Invalid,
            1008 => Self::Policy,
            1009 => Self::Size,
            1011 => Self::Error,
            1012 => Self::Restart,
            1013 => Self::Again,
            code => Self::Other(code),
        }
    }
}

/// Reads the payload of a close frame; returns `None` if it is empty.
///
/// # Errors
/// [`WireError::HalfCloseCode`] for a single byte, [`WireError::CloseCode`] for a code that must
/// not be sent, [`WireError::NotUtf8`] for a reason that is not UTF-8.
pub fn read(payload: &[u8]) -> Result<Option<CloseFrame>, WireError> {
    let (code, reason) = match payload {
        [] => return Ok(None),
        [_] => return Err(WireError::HalfCloseCode),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    if !may_be_sent(code) {
        return Err(WireError::CloseCode(code));
    }
    let reason = str::from_utf8(reason).map_err(|_| WireError::NotUtf8)?;
    Ok(Some(CloseFrame { code: code.into(), reason: reason.to_owned() }))
}

/// Returns true if a peer may send this code. 1012 to 1014 are registered by IANA; 1004 is
/// reserved; 1005, 1006 and 1015 are never on the wire; 3000 to 4999 are left to libraries and
/// applications (RFC 6455 §7.4.2).
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;
    use testing::hex;

    fn frame(code: CloseCode, reason: &str) -> Result<Option<CloseFrame>, WireError> {
        Ok(Some(CloseFrame { code, reason: reason.to_owned() }))
    }

    #[test]
    fn a_close_frame_is_empty_or_has_a_code_and_an_optional_reason() {
        assert_eq!(read(b""), Ok(None));
        assert_eq!(read(&hex("03 e8")), frame(CloseCode::Normal, ""));
        assert_eq!(read(&hex("03 e9 62 79 65")), frame(CloseCode::Away, "bye"));
    }

    #[test]
    fn every_code_keeps_its_number() {
        assert!((0..=u16::MAX).all(|number| u16::from(CloseCode::from(number)) == number));
        assert_eq!(CloseCode::from(1003), CloseCode::Other(1003));
    }

    #[test]
    fn only_defined_codes_may_be_sent() {
        let allowed: Vec<u16> = (0..=u16::MAX).filter(|code| read(&code.to_be_bytes()).is_ok()).collect();
        let expected = (1000..=1003).chain(1007..=1014).chain(3000..=4999);
        assert!(allowed.into_iter().eq(expected));
        assert_eq!(read(&hex("03 ed")), Err(WireError::CloseCode(1005)));
    }

    #[test]
    fn half_a_code_and_a_reason_that_is_not_utf_8_are_refused() {
        assert_eq!(read(&hex("03")), Err(WireError::HalfCloseCode));
        assert_eq!(read(&hex("03 e8 ce ba e1")), Err(WireError::NotUtf8));
    }
}
