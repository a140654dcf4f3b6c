//! The programs that are measured, built as this one was.

use anyhow::{Context, ensure};
use std::{env, process::Command};

/// Builds the server and the programs of the benchmark if they are older than their sources.
///
/// Cargo alone can tell; without it (a program that was copied elsewhere) they are taken as they
/// are.
pub fn up_to_date() -> anyhow::Result<()> {
    let Some(cargo) = env::var_os("CARGO") else { return Ok(()) };
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    // One command each: together they would share features, and the server would not be the one
    // that is shipped.
    for package in ["worldcast", "worldcast-bench"] {
        let mut build = Command::new(&cargo);
        build.args(["build", "--quiet", "--locked", "--bins", "--profile", profile, "--package", package]);
        let status =
            build.current_dir(env!("CARGO_MANIFEST_DIR")).status().context("cargo does not start")?;
        ensure!(status.success(), "{package} cannot be built: {status}");
    }
    Ok(())
}
