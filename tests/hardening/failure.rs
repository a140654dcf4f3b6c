//! What cannot be replaced takes the process with it, and the exit code says so.

use actix::{Actor, Arbiter};
use std::{
    env,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::time::sleep;
use worldcast::{
    config::Settings,
    hub::{Drain, Hub},
    logging::EXIT_PANIC,
    metrics::Metrics,
};

/// Set in the process that is to fail.
const FAILS: &str = "WORLDCAST_TEST_FAILS";

#[test]
fn a_hub_that_panics_ends_the_process_with_its_own_code() {
    if env::var_os(FAILS).is_some() {
        return panic_in_the_hub();
    }
    let name = "failure::a_hub_that_panics_ends_the_process_with_its_own_code";
    let mut process = Command::new(env::current_exe().expect("this program"));
    process.args(["--exact", name]).env(FAILS, "1").stdout(Stdio::null()).stderr(Stdio::null());
    assert_eq!(process.status().expect("it runs").code(), Some(EXIT_PANIC));
}

/// No clock reaches as far as this drain is to last.
fn panic_in_the_hub() {
    actix_rt::System::new().block_on(async {
        let hub = Hub::new(&Settings::default(), Arc::new(Metrics::new()));
        let hub = Hub::start_in_arbiter(&Arbiter::new().handle(), |_| hub);
        hub.do_send(Drain { over: Duration::MAX });
        sleep(Duration::from_secs(10)).await; // the process ends long before
    });
}
