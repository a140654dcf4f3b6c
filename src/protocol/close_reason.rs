//! The reasons for which the server ends a session: a closed list that clients may rely on.

use crate::wire::{CloseCode, WireError};
use std::fmt;

/// A reason with its code (RFC 6455 §7.4, IANA's registry), its sentence, and its rule for
/// reconnecting. docs/protocol.md lists all of them for authors of clients.
#[derive(Clone, Debug, PartialEq)]
pub enum CloseReason {
    /// The client sent a close frame, and gets its own code in the answer.
    ClosedByClient(Option<CloseCode>),
    /// The connection ended without a closing handshake; no close frame can be sent.
    ConnectionLost,
    /// The client violated RFC 6455 or a limit of its messages.
    Wire(WireError),
    /// The outbox is full.
    TooSlow,
    /// No byte, not even a pong, arrived within `session.pong_within` of a ping.
    Silent,
    /// A write made no progress within `session.stalled_write`; no close frame can be sent.
    WriteStalled,
    /// The client's message waited for a permit for longer than `session.stalled_write`.
    Overloaded,
    /// The client's room would exceed `limits.rooms`.
    TooManyRooms,
    /// The client's room has as many clients as it may.
    RoomFull,
    /// The client published in a room that requires a key, without one.
    MayNotPublish,
    /// The server shuts down.
    Restart,
    /// The session panicked.
    Failed,
}

impl CloseReason {
    /// Returns the code in the close frame; `None` for a frame without a code, and without a frame.
    pub fn code(&self) -> Option<CloseCode> {
        match self {
            Self::ClosedByClient(code) => *code,
            Self::ConnectionLost | Self::WriteStalled => None,
            Self::Wire(error) => Some(error.close_code()),
            Self::TooSlow | Self::Overloaded | Self::TooManyRooms | Self::RoomFull => Some(CloseCode::Again),
            Self::MayNotPublish => Some(CloseCode::Policy),
            Self::Silent => Some(CloseCode::Away),
            Self::Restart => Some(CloseCode::Restart),
            Self::Failed => Some(CloseCode::Error),
        }
    }

    /// Returns the name in metrics and in logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ClosedByClient(_) => "closed_by_client",
            Self::ConnectionLost => "connection_lost",
            Self::Wire(_) => "wire",
            Self::TooSlow => "too_slow",
            Self::Silent => "silent",
            Self::WriteStalled => "write_stalled",
            Self::Overloaded => "overloaded",
            Self::TooManyRooms => "too_many_rooms",
            Self::RoomFull => "room_full",
            Self::MayNotPublish => "may_not_publish",
            Self::Restart => "restart",
            Self::Failed => "failed",
        }
    }

    /// Returns `true` if a close frame can still be sent.
    pub fn has_close_frame(&self) -> bool {
        !matches!(self, Self::ConnectionLost | Self::WriteStalled)
    }
}

/// Returns `true` if a client that was closed with `code` may reconnect, after a pause. After 1002,
/// 1003, 1007, 1008 and 1009 it would break the same rule again (RFC 6455 §7.4.1).
pub fn may_reconnect_after(code: u16) -> bool {
    !matches!(code, 1002 | 1003 | 1007..=1009)
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClosedByClient(_) => f.write_str("closed by the client"),
            Self::ConnectionLost => f.write_str("connection lost"),
            Self::Wire(error) => error.fmt(f),
            Self::TooSlow => {
                f.write_str("too slow: more was waiting than session.outbox_bytes or outbox_messages allow")
            }
            Self::Silent => f.write_str("silent: no answer to a ping within session.pong_within"),
            Self::WriteStalled => f.write_str("write stalled: nothing was read within session.stalled_write"),
            Self::Overloaded => {
                f.write_str("overloaded: no capacity for a message or a history within session.stalled_write")
            }
            Self::TooManyRooms => f.write_str("too many rooms: limits.rooms is reached"),
            Self::RoomFull => f.write_str("the room is full: no more clients may be in it"),
            Self::MayNotPublish => f.write_str("publishing in this room requires a key"),
            Self::Restart => f.write_str("the server restarts"),
            Self::Failed => f.write_str("the session failed inside the server"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every reason by code and name, on which clients rely.
    #[test]
    fn every_reason_is_documented_with_its_code_and_whether_to_come_back() {
        use CloseReason::*;
        let wire =
            [WireError::NotMasked, WireError::NotUtf8, WireError::TooManyFragments, WireError::MessageTooBig];
        let told = [
            Silent,
            Failed,
            MayNotPublish,
            Restart,
            TooSlow,
            Overloaded,
            TooManyRooms,
            RoomFull,
            ConnectionLost,
            WriteStalled,
        ];
        let protocol = include_str!("../../docs/protocol.md");
        for reason in wire.map(Wire).into_iter().chain(told) {
            let code = reason.code().map_or("none".to_owned(), |code| u16::from(code).to_string());
            let row = format!("| {code} | `{}` | ", reason.name());
            let (_, row) = protocol.split_once(&row).expect(&row);
            let comes_back = reason.code().is_none_or(|code| may_reconnect_after(code.into()));
            assert_eq!(row.lines().next().unwrap().contains("| yes"), comes_back, "{reason}");
        }
    }

    #[test]
    fn a_sentence_fits_into_a_close_frame() {
        for reason in
            [CloseReason::TooSlow, CloseReason::Silent, CloseReason::Overloaded, CloseReason::Restart]
        {
            assert!(reason.to_string().len() <= 123, "RFC 6455 §5.5: {reason}");
        }
    }

    #[test]
    fn documents_and_scripts_agree_on_the_codes_after_which_a_client_comes_back() {
        let protocol = include_str!("../../docs/protocol.md");
        let (_, table) = protocol.split_once("| close code | name | come back |\n|---|---|---|\n").unwrap();
        let script = include_str!("../../static/worldcast.js");
        for code in [1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014] {
            let comes_back = may_reconnect_after(code);
            let row = table.lines().find(|row| row.starts_with(&format!("| {code} |"))).unwrap();
            assert_eq!(row.ends_with("| yes |"), comes_back, "{row}");
            let (_, entry) = script.split_once(&format!("\n  {code}: {{ meaning: ")).unwrap();
            let entry = entry.lines().next().unwrap();
            assert!(entry.ends_with(&format!("comeBack: {comes_back} }},")), "{code}: {entry}");
        }
    }
}
