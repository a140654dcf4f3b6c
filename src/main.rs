//! The `worldcast` command.

mod cli; // what can be asked for

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;
use worldcast::config::{DEFAULTS, Settings};

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("worldcast: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    match cli.command() {
        Command::Serve => println!("{:?}", Settings::load(cli.config.as_deref())?.settings.listen),
        Command::Check => print!("{}", Settings::load(cli.config.as_deref())?),
        Command::Defaults => print!("{DEFAULTS}"),
    }
    Ok(())
}
