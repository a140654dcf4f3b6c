//! The `worldcast` command.

mod cli; // what can be asked for
mod client; // lines into a room, or out of it

use anyhow::Context;
use clap::Parser;
use cli::{Cli, Command};
use client::Failure;
use std::{
    io::{self, Write},
    process::ExitCode,
};
use worldcast::{
    config::{DEFAULTS, Settings},
    exit::Exit,
    logging,
    server::{Server, Signals},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => Exit::Success.into(),
        Err(error) => {
            eprintln!("worldcast: {error:#}");
            error.downcast_ref().map_or(Exit::Failure, Failure::exit).into()
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    let config = cli.config.as_deref();
    match cli.command() {
        Command::Serve => serve(Settings::load(config)?.settings)?,
        Command::Check => print(&Settings::load(config)?.to_string())?,
        Command::Defaults => print(DEFAULTS)?,
        Command::Pipe { room, max_line } => as_client(client::pipe(room.address(0)?, max_line))?,
        Command::Listen { room, last } => as_client(client::listen(room.address(last)?))?,
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

/// Standard input may still be waited for when there is nothing more to do.
fn as_client(command: impl Future<Output = Result<(), Failure>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(command);
    runtime.shutdown_background();
    Ok(ended?)
}

fn serve(settings: Settings) -> anyhow::Result<()> {
    logging::start(&settings.log);
    let stopped = actix_rt::System::new().block_on(async {
        let signals = Signals::listen()?; // before the first client can come
        Server::start(settings)?.run_until_stopped(signals).await;
        Ok(())
    });
    logging::finish();
    stopped
}
