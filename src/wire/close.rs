//! Why a peer says goodbye (RFC 6455 §5.5.1 and §7.4).

use super::WireError;
use actix_http::ws::CloseReason;

/// What the payload of a close frame says; `None` when it is empty.
pub fn read(payload: &[u8]) -> Result<Option<CloseReason>, WireError> {
    let (code, reason) = match payload {
        [] => return Ok(None),
        [_] => return Err(WireError::HalfCloseCode),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    if !may_be_sent(code) {
        return Err(WireError::CloseCode(code));
    }
    let reason = str::from_utf8(reason).map_err(|_| WireError::NotUtf8)?;
    let description = (!reason.is_empty()).then(|| reason.to_owned());
    Ok(Some(CloseReason { code: code.into(), description }))
}

/// 1012 to 1014 are registered by IANA; 1004 is reserved; 1005, 1006 and 1015 are never on the wire;
/// from 3000 on, libraries and applications say what they like (RFC 6455 §7.4.2).
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::hex;
    use actix_http::ws::CloseCode;

    #[test]
    fn a_goodbye_has_a_code_and_perhaps_a_reason() {
        assert_eq!(read(b""), Ok(None));
        assert_eq!(read(&hex("03 e8")), Ok(Some(CloseCode::Normal.into())));
        assert_eq!(read(&hex("03 e9 62 79 65")), Ok(Some((CloseCode::Away, "bye").into())));
    }

    #[test]
    fn only_defined_codes_may_be_sent() {
        let allowed: Vec<u16> = (0..=u16::MAX).filter(|code| read(&code.to_be_bytes()).is_ok()).collect();
        let expected = (1000..=1003).chain(1007..=1014).chain(3000..=4999);
        assert!(allowed.into_iter().eq(expected));
        assert_eq!(read(&hex("03 ed")), Err(WireError::CloseCode(1005)));
    }

    #[test]
    fn half_a_code_and_a_reason_that_is_not_text_are_refused() {
        assert_eq!(read(&hex("03")), Err(WireError::HalfCloseCode));
        assert_eq!(read(&hex("03 e8 ce ba e1")), Err(WireError::NotUtf8));
    }
}
