//! The command line.

use clap::{Parser, Subcommand};
use std::path::PathBuf;

const EXIT_CODES: &str = "\
Settings come from FILE, or else from config/default.toml if there is one, or else from the defaults.
A variable wins over the file: WORLDCAST_SESSION__MAX_MESSAGE=128KiB sets max_message in [session].

Exit codes:
    0  stopped cleanly
    1  the configuration is refused, or the server could not start
    2  the command line is wrong
   70  a part of the server that cannot be replaced has failed
  130  stopped at once by a second signal";

/// A WebSocket broadcast server: what one client says in a room, every client of the room hears.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    /// The configuration to read [default: config/default.toml, if there is one]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Clone, Copy, Subcommand)]
pub enum Command {
    /// Run the server; what happens when no command is given
    Serve,
    /// Print the settings that the server would run with, and where each comes from
    Check,
    /// Print every setting with its default and its meaning, ready to become a FILE
    Defaults,
}

impl Cli {
    pub fn command(&self) -> Command {
        self.command.unwrap_or(Command::Serve)
    }
}
