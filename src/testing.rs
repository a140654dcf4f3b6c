//! Set-ups that the unit tests of several modules share.

use crate::{
    backplane::Speaker,
    config::Settings,
    delivery::Broadcast,
    history::{Audience, History, HistoryLimits, NewMessage},
    hub::Hub,
    ids::{ConnectionId, RelayId, RoomSlot},
    limits::Descriptors,
    relay::WorkerContext,
    shared::Shared,
    wire::Payload,
};
use actix::{Actor, Addr};
use std::{rc::Rc, sync::Arc, time::Instant};

/// The state of a server with the default settings.
pub fn shared() -> Arc<Shared> {
    let settings = Settings::default();
    let descriptors = Descriptors::raise_limit(&settings, 1);
    Shared::new(settings, descriptors)
}

/// The context of a worker without a relay, and the hub that it sends to.
pub fn worker() -> (Rc<WorkerContext>, Addr<Hub>) {
    let shared = shared();
    let hub = Hub::new(&shared.settings, shared.metrics.clone()).start();
    (Rc::new(WorkerContext::new(shared, RelayId(0), hub.clone())), hub)
}

/// A room, as a relay knows it.
pub fn slot() -> RoomSlot {
    RoomSlot(0)
}

/// Several rooms.
pub fn slots(count: u32) -> Vec<RoomSlot> {
    (0..count).map(RoomSlot).collect()
}

/// A message of `bytes` bytes that has no position yet.
pub fn message(bytes: usize) -> NewMessage {
    NewMessage { payload: Payload::Binary(vec![0; bytes].into()), who: None, audience: Audience::Everyone }
}

/// A message, as a relay receives it.
pub fn broadcast(text: &str, audience: Audience) -> Arc<Broadcast> {
    let message = NewMessage { payload: Payload::Text(text.into()), who: None, audience };
    let speaker = audience.excluded().map(|_| Speaker { connection: ConnectionId::next(), reference: None });
    let mut history = History::new(HistoryLimits::of(&Settings::default().history));
    Broadcast::message(history.append(message, Instant::now()), speaker, None)
}
