//! The `worldcast` command.

mod cli; // what can be asked for

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;
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
        Command::Check => print!("{}", Settings::load(config)?),
        Command::Defaults => print!("{DEFAULTS}"),
    }
    Ok(())
}

fn serve(settings: Settings) -> anyhow::Result<()> {
    logging::start(&settings.log);
    let stopped =
        actix_rt::System::new().block_on(async { Ok(Server::start(settings)?.run_until_stopped().await?) });
    logging::finish();
    stopped
}
