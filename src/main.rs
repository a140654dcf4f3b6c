//! The `worldcast` command.

mod cli; // arguments and options
mod client; // the commands `pipe` and `listen`

use anyhow::Context;
use clap::Parser;
use cli::{Cli, Command};
use client::Failure;
use log::info;
use std::{
    io::{self, Write},
    process::ExitCode,
};
use worldcast::{
    config::{DEFAULTS, Loaded, Settings},
    exit::Exit,
    logging::{self, Escaped, TARGET},
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
    let (config, listen) = (cli.config.as_deref(), cli.listen());
    match cli.command() {
        Command::Serve { .. } => serve(cli, Settings::load(config, &listen)?)?,
        Command::Check { .. } => print(&Settings::load(config, &listen)?.to_string())?,
        Command::Defaults => print(DEFAULTS)?,
        Command::Pipe { room, max_line } => as_client(client::pipe(room.address(0)?, max_line))?,
        Command::Listen { room, last } => as_client(client::listen(room.address(last)?))?,
    }
    Ok(())
}

/// Prints to standard output; a reader that closes early, such as `head`, is no failure.
fn print(text: &str) -> anyhow::Result<()> {
    let mut output = io::stdout();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}

/// Runs a command of the client. A thread may still wait for standard input at its end; the process
/// does not wait for it.
fn as_client(command: impl Future<Output = Result<(), Failure>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(command);
    runtime.shutdown_background();
    Ok(ended?)
}

fn serve(cli: &Cli, loaded: Loaded) -> anyhow::Result<()> {
    logging::start(&loaded.settings.log);
    info!(target: TARGET, "{}", Escaped(&loaded.summary()));
    let settings = loaded.settings;
    let stopped = actix_rt::System::new().block_on(async {
        let signals = Signals::listen()?; // before the first client can come
        let started = Server::start(&settings).map_err(|error| cli.explain(error, &settings));
        started?.run_until_stopped(signals).await;
        Ok(())
    });
    logging::finish();
    stopped
}
