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
    /// The client's message waited for a permit, or for its confirmation, for longer than
    /// `session.stalled_write`.
    Overloaded,
    /// The client's room could not be opened within `session.stalled_write`.
    Backplane,
    /// The client received messages that are no longer in the history.
    HistoryLost,
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
            Self::TooSlow | Self::Overloaded | Self::Backplane | Self::TooManyRooms | Self::RoomFull => {
                Some(CloseCode::Again)
            }
            Self::MayNotPublish => Some(CloseCode::Policy),
            Self::Silent => Some(CloseCode::Away),
            Self::Restart | Self::HistoryLost => Some(CloseCode::Restart),
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
            Self::Backplane => "backplane",
            Self::HistoryLost => "history_lost",
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
            Self::Overloaded => f.write_str(
                "overloaded: a message was not confirmed or a history not sent within session.stalled_write",
            ),
            Self::Backplane => f.write_str(
                "the backplane, which orders messages, was out of reach for session.stalled_write",
            ),
            Self::HistoryLost => {
                f.write_str("messages that this client received are no longer in the history")
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

    /// The table of docs/protocol.md under "Why a session ends".
    fn documented() -> &'static str {
        let header = "| code | reason | sentence | why | come back |\n|---|---|---|---|---|\n";
        let (_, table) = include_str!("../../docs/protocol.md").split_once(header).expect(header);
        table.split_once("\n\n").expect("the end of the table").0
    }

    /// Every reason whose sentence is always the same.
    fn reasons() -> impl Iterator<Item = CloseReason> {
        use CloseReason::*;
        use WireError::*;
        let own = [
            ClosedByClient(None),
            ConnectionLost,
            TooSlow,
            Silent,
            WriteStalled,
            Overloaded,
            Backplane,
            HistoryLost,
            TooManyRooms,
            RoomFull,
            MayNotPublish,
            Restart,
            Failed,
        ];
        own.into_iter().chain([NotUtf8, NotDeflate, TooManyFragments, MessageTooBig].map(Wire))
    }

    #[test]
    fn every_reason_is_documented_with_its_code_its_sentence_and_the_rule_for_coming_back() {
        for reason in reasons() {
            let code = match (&reason, reason.code()) {
                (CloseReason::ClosedByClient(_), _) => "any".to_owned(),
                (_, None) => "none".to_owned(),
                (_, Some(code)) => u16::from(code).to_string(),
            };
            let beginning = format!("| {code} | `{}` | {reason} | ", reason.name());
            let row = documented().lines().find(|row| row.starts_with(&beginning)).expect(&beginning);
            if !matches!(reason, CloseReason::ClosedByClient(_)) {
                let comes_back = reason.code().is_none_or(|code| may_reconnect_after(code.into()));
                assert_eq!(row.contains(" | yes"), comes_back, "{row}");
            }
        }
        assert_eq!(documented().lines().count(), reasons().count() + 1, "one row more, for 1002");
        assert!(documented().contains("| 1002 | `wire` | "));
    }

    #[test]
    fn a_sentence_fits_into_a_close_frame() {
        for reason in reasons() {
            assert!(reason.to_string().len() <= 123, "RFC 6455 §5.5: {reason}");
        }
    }

    /// Each line between `beginning` and `end`, read by `row`.
    fn rows<T>(text: &str, beginning: &str, end: &str, row: impl Fn(&str) -> T) -> Vec<T> {
        let (_, rows) = text.split_once(beginning).expect(beginning);
        rows.split_once(end).expect(end).0.lines().map(row).collect()
    }

    /// `| 1002 | protocol error | no |`
    fn documented_code(row: &str) -> (String, String, bool) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [code, name, comes_back @ ("yes" | "no")] = cells[..] else { panic!("{row}") };
        (code.to_owned(), name.to_owned(), comes_back == "yes")
    }

    /// `  1002: { name: 'protocol error', comeBack: false },`
    fn scripted_code(row: &str) -> (String, String, bool) {
        let (code, entry) = row.trim().split_once(": { name: '").expect(row);
        let (name, comes_back) = entry.split_once("', comeBack: ").expect(row);
        let comes_back = comes_back.strip_suffix(" },").expect(row).parse().expect(row);
        (code.to_owned(), name.to_owned(), comes_back)
    }

    #[test]
    fn documents_and_scripts_agree_on_codes_their_names_and_the_rule_for_coming_back() {
        let protocol = include_str!("../../docs/protocol.md");
        let header = "| close code | name | come back |\n|---|---|---|\n";
        let documented = rows(protocol, header, "\n\n", documented_code);
        let script = include_str!("../../static/worldcast.js");
        let scripted = rows(script, "export const CLOSE_CODES = {\n", "\n};", scripted_code);
        assert_eq!(documented.last().map(|(code, ..)| code.as_str()), Some("other"));
        assert_eq!(documented[..documented.len() - 1], scripted);
        for (code, name, comes_back) in &scripted {
            assert_eq!(may_reconnect_after(code.parse().unwrap()), *comes_back, "{code} {name}");
        }
        assert!(may_reconnect_after(4000));
        let of_reasons = reasons().chain([CloseReason::Wire(WireError::NotMasked)]);
        for code in of_reasons.filter_map(|reason| reason.code()).map(|code| u16::from(code).to_string()) {
            assert!(scripted.iter().any(|(scripted, ..)| *scripted == code), "{code}");
        }
    }
}
