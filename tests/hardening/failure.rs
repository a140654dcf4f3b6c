//! A panic of an actor that cannot be replaced ends the process, with an exit code of its own.

use crate::support::within;
use actix::{Actor, Addr, Arbiter};
use std::{
    env,
    future::pending,
    process::{Command, Stdio},
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use worldcast::{
    config::Settings,
    exit::Exit,
    hub::{Drain, Event, Hub, Turn},
    ids::RelayId,
    limits::Descriptors,
    metrics::Metrics,
    relay::{HubSender, Relay, WorkerContext},
    shared::Shared,
};

/// Set in the process that is to fail.
const FAILS: &str = "WORLDCAST_TEST_FAILS";

/// No clock reaches as far as this drain is to last.
const FOR_EVER: Duration = Duration::MAX;

#[test]
fn a_hub_that_panics_ends_the_process_with_its_own_code() {
    fails_alone("failure::a_hub_that_panics_ends_the_process_with_its_own_code", || {
        hub().do_send(Drain { over: FOR_EVER });
    });
}

#[test]
fn a_relay_that_panics_ends_the_process_with_its_own_code() {
    fails_alone("failure::a_relay_that_panics_ends_the_process_with_its_own_code", || {
        relay().do_send(Turn(vec![Event::Draining { over: FOR_EVER }]));
    });
}

#[test]
fn a_panic_in_the_task_of_a_hub_sender_ends_the_process_with_its_own_code() {
    fails_alone("failure::a_panic_in_the_task_of_a_hub_sender_ends_the_process_with_its_own_code", || {
        actix::spawn(async {
            let sender = HubSender::new(hub());
            let panics = async { panic!("beside it, in its task") };
            tokio::join!(sender.run(), panics);
        });
    });
}

/// Runs the test of this `name` in a process of its own, where it does what is fatal.
fn fails_alone(name: &str, fatal: fn()) {
    if env::var_os(FAILS).is_some() {
        return actix_rt::System::new().block_on(async {
            fatal();
            within("the end of this process", pending::<()>()).await;
        });
    }
    let mut process = Command::new(env::current_exe().expect("this program"));
    process.args(["--exact", name]).env(FAILS, "1").stdout(Stdio::null()).stderr(Stdio::null());
    assert_eq!(process.status().expect("it runs").code(), Some(Exit::Panic.code().into()));
}

fn hub() -> Addr<Hub> {
    let hub = Hub::new(Arc::default(), Arc::new(Metrics::new()));
    Hub::start_in_arbiter(&Arbiter::new().handle(), |_| hub)
}

fn relay() -> Addr<Relay> {
    let shared = Shared::new(&Settings::default(), Descriptors::raise_limit(1));
    let worker = WorkerContext::new(shared, RelayId(0), hub());
    Relay::new(Rc::new(worker)).start()
}
