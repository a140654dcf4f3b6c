//! The `worldcast` command.

mod cli; // what can be asked for

use anyhow::Context;
use clap::Parser;
use cli::{Cli, Command};
use std::{
    io::{self, Write},
    process::ExitCode,
};
use worldcast::{
    config::{DEFAULTS, Settings},
    logging,
    server::Server,
};

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("worldcast: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    let config = cli.config.as_deref();
    match cli.command() {
        Command::Serve => serve(Settings::load(config)?.settings)?,
        Command::Check => print(&Settings::load(config)?.to_string())?,
        Command::Defaults => print(DEFAULTS)?,
    }
    Ok(())
}

/// Prints to standard output; a reader that has seen enough, such as `head`, is no failure.
fn print(text: &str) -> anyhow::Result<()> {
    let mut output = io::stdout();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}

fn serve(settings: Settings) -> anyhow::Result<()> {
    logging::start(&settings.log);
    let stopped =
        actix_rt::System::new().block_on(async { Ok(Server::start(settings)?.run_until_stopped().await?) });
    logging::finish();
    stopped
}
