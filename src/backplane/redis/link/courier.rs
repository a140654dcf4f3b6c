//! Events on their way to the hub: one list at a time, while the next one gathers.

use super::{
    connection::Connection,
    failure::Failure,
    pushes::{PushBytes, Pushed, Pushes},
};
use crate::{
    backplane::redis::{FromLink, call::LinkEvent, codec},
    logging::{Escaped, REPEATING},
    metrics::Metrics,
};
use actix::Recipient;
use log::warn;
use std::{
    cell::{Cell, RefCell},
    mem,
    rc::Rc,
    sync::Arc,
};
use tokio::{sync::Notify, task::spawn_local};

/// Carries events to the hub.
pub struct Courier {
    events: RefCell<Vec<LinkEvent>>,
    /// Bytes of the pushes in `events`.
    pushed: Cell<usize>,
    bytes: Arc<PushBytes>,
    wakes: Notify,
}

impl Courier {
    /// Starts to carry events to `hub`, of which pushes may take `max` bytes, inclusive.
    pub fn start(hub: Recipient<FromLink>, max: usize, metrics: &Metrics) -> Rc<Self> {
        let courier = Rc::new(Self {
            events: RefCell::default(),
            pushed: Cell::default(),
            bytes: PushBytes::new(max, metrics.backplane_push_bytes.clone()),
            wakes: Notify::new(),
        });
        spawn_local(courier.clone().carry(hub));
        courier
    }

    /// A queue for what the next connections push.
    pub fn pushes(&self) -> Pushes {
        Pushes::new(self.bytes.clone())
    }

    /// Queues an event behind all others. Replies are bounded by the calls of the node, other
    /// events by the connects.
    pub fn queue(&self, event: LinkEvent) {
        self.events.borrow_mut().push(event);
        self.wakes.notify_one();
    }

    /// Queues what was pushed; returns the number of a probe that came back.
    ///
    /// # Errors
    /// [`Failure`] if the connections cannot be used any longer.
    pub fn take(&self, pushed: Pushed, connection: &Connection) -> Result<Option<u64>, Failure> {
        match pushed {
            Pushed::Published { channel, payload, bytes } => {
                self.pushed.set(self.pushed.get() + bytes);
                if let Some(number) = connection.probe_number(&channel, &payload) {
                    self.wakes.notify_one(); // frees the bytes
                    return Ok(Some(number));
                }
                match (connection.room_of(&channel), codec::decode_push(&payload)) {
                    (Some(room), Ok(push)) => self.queue(LinkEvent::Pushed(room, push)),
                    _ => {
                        let channel = String::from_utf8_lossy(&channel);
                        warn!(
                            target: REPEATING,
                            "backplane: another program has published in {}; choose another backplane.prefix",
                            Escaped(&channel)
                        );
                        self.wakes.notify_one();
                    }
                }
                Ok(None)
            }
            Pushed::Unsubscribed { channel } => {
                if let Some(room) = connection.lost_subscription(&channel) {
                    self.queue(LinkEvent::Unsubscribed(room));
                }
                Ok(None)
            }
            Pushed::Closed => Err(Failure::Closed),
            Pushed::Overflow => Err(Failure::Overflow),
        }
    }

    async fn carry(self: Rc<Self>, hub: Recipient<FromLink>) {
        loop {
            self.wakes.notified().await;
            let (events, pushed) = (mem::take(&mut *self.events.borrow_mut()), self.pushed.take());
            if !events.is_empty() && hub.send(FromLink(events)).await.is_err() {
                return; // the hub has ended
            }
            self.bytes.free(pushed);
        }
    }
}
