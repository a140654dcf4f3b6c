//! The metric and the log line of a session that has ended.

use super::Session;
use crate::{
    logging::{Subject, log_client},
    metrics::CloseLabels,
    protocol::CloseReason,
};

impl Session {
    pub(super) fn count_close(&self, reason: &CloseReason) {
        // 1005 and 1006 stand for no code and no frame (RFC 6455 §7.4.1).
        let code = match reason.code().map(u16::from) {
            // Clients choose these codes: one time series for each range (§7.4.2).
            Some(code @ 3000..) => code / 1000 * 1000,
            Some(code) => code,
            None if reason.has_close_frame() => 1005,
            None => 1006,
        };
        self.worker.shared.metrics.closes.get_or_create(&CloseLabels { code, reason: reason.name() }).inc();
    }

    pub(super) fn log_close(&self, reason: &CloseReason) {
        let about = Subject::session(self.id, self.options.peer, Some(&self.options.room));
        let sent = self.connection.sent();
        log_client!(
            self.options.peer,
            log::Level::Info,
            "{about} ended after {:.1?}: {} ({reason}); received {} messages, {} bytes; sent {} messages, {} bytes",
            self.began.elapsed(),
            reason.code().map_or_else(|| "-".to_owned(), |code| u16::from(code).to_string()),
            self.received.messages,
            self.received.bytes,
            sent.messages,
            sent.bytes,
        );
    }
}
