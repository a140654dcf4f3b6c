//! Foreign programs.

use std::{
    process::{Output, Stdio},
    time::Duration,
};
use tokio::{process::Command, time::timeout};

/// Long, because clients wait before they reconnect.
const PATIENCE: Duration = Duration::from_secs(60);

/// The standard output of the program; `None` if it is missing, which fails where WORLDCAST_REQUIRE
/// names it.
pub async fn output_of(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    let child = command.args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    match timeout(PATIENCE, child).await.unwrap_or_else(|_| panic!("{program} does not end")) {
        Ok(output) if output.status.success() => Some(String::from_utf8(output.stdout).expect("text")),
        Ok(Output { stdout, stderr, .. }) => {
            panic!(
                "{program} failed: {}{}",
                String::from_utf8_lossy(&stdout),
                String::from_utf8_lossy(&stderr)
            );
        }
        Err(error) => {
            let required = std::env::var("WORLDCAST_REQUIRE").unwrap_or_default();
            assert!(!required.split(',').any(|name| name == program), "{program}: {error}");
            println!("skipped: {program} not found");
            None
        }
    }
}
