//! What is kept of a session that has ended: a count and a line.

use super::Session;
use crate::{logging::log_client, metrics::CloseLabels, protocol::CloseReason};

impl Session {
    pub(super) fn count_close(&self, reason: &CloseReason) {
        // 1005 and 1006 stand for no code and no frame (RFC 6455 §7.4.1).
        let code = match reason.code().map(u16::from) {
            Some(code @ 3000..) => code / 1000 * 1000, // clients choose them: one for each range (§7.4.2)
            Some(code) => code,
            None if reason.can_be_told() => 1005,
            None => 1006,
        };
        self.worker.shared.metrics.closes.get_or_create(&CloseLabels { code, reason: reason.name() }).inc();
    }

    pub(super) fn log_close(&self, reason: &CloseReason) {
        let level = if reason.is_fault() { log::Level::Info } else { log::Level::Debug };
        let sent = self.connection.sent();
        log_client!(
            level,
            "session {} from {} in {} ended after {:.1?}: {} ({reason}); received {} messages, {} bytes; sent {} messages, {} bytes",
            self.id,
            or_dash(self.options.peer),
            self.options.room,
            self.began.elapsed(),
            or_dash(reason.code().map(u16::from)),
            self.received.messages,
            self.received.bytes,
            sent.messages,
            sent.bytes,
        );
    }
}

fn or_dash(known: Option<impl ToString>) -> String {
    known.map_or_else(|| "-".to_owned(), |known| known.to_string())
}
