//! Set-ups that the unit tests of several modules share.

use crate::{
    backplane::Speaker,
    config::Settings,
    delivery::Broadcast,
    exit::Exit,
    history::{Audience, History, HistoryLimits, NewMessage},
    hub::Hub,
    ids::{ConnectionId, RelayId, RoomSlot},
    limits::Descriptors,
    relay::WorkerContext,
    shared::Shared,
    wire::Payload,
};
use actix::{Actor, Addr};
use std::{
    env,
    future::pending,
    process::{Command, Stdio},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

/// The bounds of a history that keeps every message of a test.
pub const HISTORY: HistoryLimits =
    HistoryLimits { messages: 256, age: Duration::from_secs(600), bytes: 1 << 20 };

/// The state of a server with the default settings.
pub fn shared() -> Arc<Shared> {
    Shared::new(&Settings::default(), Descriptors::raise_limit(1))
}

/// The context of a worker without a relay, and the hub that it sends to.
pub fn worker() -> (Rc<WorkerContext>, Addr<Hub>) {
    let shared = shared();
    let hub = Hub::new(shared.policy.load_full(), shared.metrics.clone()).start();
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
    let mut history = History::new(HISTORY);
    Broadcast::message(history.append(message, Instant::now()), speaker, None)
}

/// Set in the process that is to fail.
const FAILS: &str = "WORLDCAST_TEST_FAILS";

/// Runs the test of this `name` in a process of its own, where it does what is `fatal`; that
/// process must end with the code of a panic.
pub fn ends_the_process(name: &str, fatal: impl Future) {
    if env::var_os(FAILS).is_some() {
        return actix_rt::System::new().block_on(async {
            fatal.await;
            let end = tokio::time::timeout(Duration::from_secs(20), pending::<()>());
            end.await.expect("the end of this process");
        });
    }
    let mut process = Command::new(env::current_exe().expect("this program"));
    process.args(["--exact", name]).env(FAILS, "1").stdout(Stdio::null()).stderr(Stdio::null());
    assert_eq!(process.status().expect("it runs").code(), Some(Exit::Panic.code().into()));
}
