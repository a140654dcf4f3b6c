//! The bounded buffer of what the server pushes.
//!
//! Bytes count from the read of a push to the moment at which the hub has handled it, over all
//! connections.

use prometheus_client::metrics::gauge::Gauge;
use redis::{
    PushInfo, PushKind, Value,
    aio::{AsyncPushSender, SendError},
};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::mpsc;

/// Bytes that a push takes besides its channel and its payload.
const OVERHEAD: usize = 256;

/// The bytes of all pushes that the hub has not handled yet.
pub struct PushBytes {
    now: AtomicUsize,
    max: usize,
    gauge: Gauge,
}

/// One push.
#[derive(Debug, PartialEq)]
pub enum Pushed {
    /// A publication in a channel.
    Published {
        channel: Vec<u8>,
        payload: Vec<u8>,
        /// The bytes that it counts.
        bytes: usize,
    },
    /// The subscription of a channel has ended.
    Unsubscribed { channel: Vec<u8> },
    /// One of the connections has ended.
    Closed,
    /// More was pushed than fits; what follows is missing.
    Overflow,
}

/// The pushes on the two connections of one connect.
pub struct Pushes {
    receiver: mpsc::UnboundedReceiver<Pushed>,
    sender: PushSender,
}

/// The end for the reader of a connection. The queue is bounded by [`PushBytes`].
#[derive(Clone)]
pub struct PushSender {
    queue: mpsc::UnboundedSender<Pushed>,
    bytes: Arc<PushBytes>,
}

impl PushBytes {
    /// At most `max` bytes, inclusive; a push that is larger fits when nothing else is there.
    pub fn new(max: usize, gauge: Gauge) -> Arc<Self> {
        Arc::new(Self { now: AtomicUsize::new(0), max, gauge })
    }

    fn try_add(&self, bytes: usize) -> bool {
        let fits = |now: usize| (now == 0 || now.saturating_add(bytes) <= self.max).then(|| now + bytes);
        let added = self.now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if added {
            self.gauge.inc_by(i64::try_from(bytes).unwrap_or_default());
        }
        added
    }

    /// Frees the bytes of pushes that were handled or dropped.
    pub fn free(&self, bytes: usize) {
        self.now.fetch_sub(bytes, Ordering::Relaxed);
        self.gauge.dec_by(i64::try_from(bytes).unwrap_or_default());
    }
}

impl Pushes {
    /// An empty queue, whose bytes count in `bytes`.
    pub fn new(bytes: Arc<PushBytes>) -> Self {
        let (queue, receiver) = mpsc::unbounded_channel();
        Self { receiver, sender: PushSender { queue, bytes } }
    }

    /// Returns a sender for a connection.
    pub fn sender(&self) -> PushSender {
        self.sender.clone()
    }

    /// Waits for the next push.
    pub async fn next(&mut self) -> Pushed {
        self.receiver.recv().await.unwrap_or(Pushed::Closed) // never closed: there is a sender here
    }
}

impl Drop for Pushes {
    fn drop(&mut self) {
        self.receiver.close();
        while let Ok(pushed) = self.receiver.try_recv() {
            if let Pushed::Published { bytes, .. } = pushed {
                self.sender.bytes.free(bytes);
            }
        }
    }
}

impl AsyncPushSender for PushSender {
    fn send(&self, PushInfo { kind, data }: PushInfo) -> Result<(), SendError> {
        let mut fields = data.into_iter().map(|field| match field {
            Value::BulkString(bytes) => bytes,
            _ => Vec::new(),
        });
        let pushed = match kind {
            PushKind::Message | PushKind::SMessage => {
                let (channel, payload) =
                    (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
                let bytes = OVERHEAD + channel.len() + payload.len();
                match self.bytes.try_add(bytes) {
                    true => Pushed::Published { channel, payload, bytes },
                    false => Pushed::Overflow,
                }
            }
            PushKind::Unsubscribe | PushKind::SUnsubscribe => {
                Pushed::Unsubscribed { channel: fields.next().unwrap_or_default() }
            }
            PushKind::Disconnection => Pushed::Closed,
            _ => return Ok(()), // confirmations are replies too
        };
        if let Err(mpsc::error::SendError(Pushed::Published { bytes, .. })) = self.queue.send(pushed) {
            self.bytes.free(bytes); // nobody reads any more
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(payload: usize) -> PushInfo {
        let data = vec![Value::BulkString(b"c".to_vec()), Value::BulkString(vec![b'x'; payload])];
        PushInfo { kind: PushKind::SMessage, data }
    }

    #[actix::test]
    async fn pushes_that_do_not_fit_are_told_and_not_held() {
        let gauge = Gauge::default();
        let bytes = PushBytes::new(1000, gauge.clone());
        let mut pushes = Pushes::new(bytes.clone());
        let sender = pushes.sender();
        for _ in 0..3 {
            sender.send(message(300)).unwrap();
        }
        assert_eq!(gauge.get(), 557, "the first one");
        assert!(matches!(pushes.next().await, Pushed::Published { bytes: 557, .. }));
        assert_eq!(pushes.next().await, Pushed::Overflow);
        bytes.free(557);
        sender.send(message(5000)).unwrap();
        assert!(gauge.get() > 5000, "a large one alone fits");
        drop(pushes);
        assert_eq!(gauge.get(), 0, "what nobody reads is not held");
        sender.send(message(1)).unwrap();
        assert_eq!(gauge.get(), 0);
    }
}
