//! The command line.

use crate::client::Address;
use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use std::{fs, path::PathBuf, time::Duration};
use worldcast::config::RoomName;

const EXIT_CODES: &str = "\
Settings come from FILE, or else from config/default.toml if there is one, or else from the defaults.
A variable wins over the file: WORLDCAST_SESSION__MAX_MESSAGE=128KiB sets max_message in [session].

Exit codes:
    0  stopped cleanly; pipe: everything has arrived; listen: nobody reads any more
    1  the configuration is refused, or the server could not start; pipe, listen: the server refuses
    2  the command line is wrong
    3  pipe, listen: the server cannot be reached
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

#[derive(Clone, Subcommand)]
pub enum Command {
    /// Run the server; what happens when no command is given
    Serve,
    /// Print the settings that the server would run with, and where each comes from
    Check,
    /// Print every setting with its default and its meaning, ready to become a FILE
    Defaults,
    /// Say every line of standard input in a room of a running server
    Pipe(Room),
    /// Print everything that is said in a room of a running server
    Listen {
        #[command(flatten)]
        room: Room,
        /// Begin with so many of the last messages
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        last: usize,
    },
}

#[derive(Args, Clone)]
pub struct Room {
    #[arg(long)]
    room: RoomName,

    /// The server, as the address that WebSocket clients use
    #[arg(long, value_name = "ADDRESS", default_value = "ws://127.0.0.1:8080")]
    server: String,

    /// A file with the key to show, where not everybody may publish
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,

    /// How long to try when the server cannot be reached
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = humantime::parse_duration)]
    patience: Duration,
}

impl Cli {
    pub fn command(&self) -> Command {
        self.command.clone().unwrap_or(Command::Serve)
    }
}

impl Room {
    /// Where to connect, beginning with the `last` messages.
    pub fn address(self, last: usize) -> anyhow::Result<Address> {
        let Self { room, server, key_file, patience } = self;
        let read = |path: PathBuf| {
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let key = key_file.map(read).transpose()?.map(|key| key.trim().to_owned());
        Ok(Address { server, room: room.to_string(), key, patience, last })
    }
}
