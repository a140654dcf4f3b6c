//! The command line.

use crate::client::{Address, Failure, ServerAddress, Trust};
use anyhow::anyhow;
use clap::{Args, CommandFactory, Parser, Subcommand, error::ErrorKind};
use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use worldcast::{
    config::{ADDRESS_SYNTAX, ByteSize, RoomName, Settings},
    exit::Exit,
    server::StartError,
    shell::{quoted, quoted_path},
};

const SETTINGS: &str = "\
Settings come from FILE, or else from worldcast.toml in the working directory, or else they are the defaults.
A variable wins over the file: WORLDCAST_SESSION__MAX_MESSAGE=128KiB sets max_message in [session].
--listen wins over both.";

/// Returns the end of `--help`: the sources of settings, and the exit codes.
fn after_help() -> String {
    let mut help = format!("{SETTINGS}\n\nExit codes:");
    for exit in Exit::ALL {
        help += &format!("\n  {:>3}  {}", exit.code(), exit.meaning().replace('\n', "\n       "));
    }
    help
}

/// A WebSocket broadcast server: every client of a room receives each message published in it
#[derive(Parser)]
#[command(version, after_help = after_help())]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    /// The configuration to read [default: worldcast.toml, if it exists]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    #[command(flatten)]
    listeners: Listeners,
}

/// The addresses of `--listen`.
#[derive(Args, Clone, Default)]
pub struct Listeners {
    /// An address to listen on, instead of those of `listen`; may be repeated
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', value_parser = listener)]
    listen: Vec<SocketAddr>,
}

/// The commands of the program.
#[derive(Clone, Subcommand)]
pub enum Command {
    /// Run the server; the default command
    Serve {
        #[command(flatten)]
        listeners: Listeners,
    },
    /// Print the settings that the server would run with, and the source of each
    Check {
        #[command(flatten)]
        listeners: Listeners,
    },
    /// Print every setting with its default and its meaning, ready to become a FILE
    Defaults,
    /// Publish every line of standard input in a room of a running server
    Pipe {
        #[command(flatten)]
        room: Room,
        /// The longest line that is published
        #[arg(long, value_name = "SIZE", default_value_t = ByteSize::from_mib(1))]
        max_line: ByteSize,
    },
    /// Print every message that is published in a room of a running server
    Listen {
        #[command(flatten)]
        room: Room,
        /// Begin with so many of the last messages
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        last: usize,
    },
}

/// The arguments of `pipe` and `listen`: a room, its server, and the deadlines.
#[derive(Args, Clone)]
pub struct Room {
    /// The room; the address of the server may name it too
    #[arg(value_name = "ROOM", conflicts_with = "option")]
    name: Option<RoomName>,

    /// The room
    #[arg(long = "room", value_name = "ROOM", id = "option")]
    option: Option<RoomName>,

    /// The server: any address that its log prints, or just its host and port; wss:// or https://
    /// for TLS
    #[arg(long, value_name = "ADDRESS", default_value = "ws://127.0.0.1:8080")]
    server: ServerAddress,

    /// A file with the key, for rooms in which publishing requires one
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,

    /// Certificates in PEM of the only authorities to trust for TLS [default: those of the system]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// The time for which to try to connect while the server cannot be reached
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = humantime::parse_duration)]
    patience: Duration,

    /// Silence of the server after which the connection counts as lost; the server is pinged
    /// halfway
    #[arg(long, value_name = "DURATION", default_value = "40s", value_parser = silence)]
    silence: Duration,
}

fn listener(text: &str) -> Result<SocketAddr, String> {
    text.trim().parse().map_err(|_| format!("expected {ADDRESS_SYNTAX}"))
}

/// The shortest `--silence`: below it, delays of the network would decide.
const MIN_PATIENCE: Duration = Duration::from_secs(1);

fn silence(text: &str) -> Result<Duration, String> {
    let silence = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    match (MIN_PATIENCE..=Duration::from_secs(24 * 3600)).contains(&silence) {
        true => Ok(silence),
        false => Err("expected 1s to 24h".to_owned()),
    }
}

impl Cli {
    /// Returns the command; `serve` if none is given.
    pub fn command(&self) -> Command {
        self.command.clone().unwrap_or(Command::Serve { listeners: Listeners::default() })
    }

    /// Returns the addresses of every `--listen`, before and after the command.
    ///
    /// Ends the process if the command does not listen.
    pub fn listen(&self) -> Vec<SocketAddr> {
        let Listeners { listen } = &self.listeners;
        match &self.command {
            None => listen.clone(),
            Some(Command::Serve { listeners } | Command::Check { listeners }) => {
                [&listen[..], &listeners.listen].concat()
            }
            Some(_) if listen.is_empty() => Vec::new(),
            Some(_) => {
                let sentence = "--listen is for `worldcast serve` and `worldcast check`";
                Self::command_for_errors().error(ErrorKind::ArgumentConflict, sentence).exit()
            }
        }
    }

    /// Converts `error`, and appends the command line that would start the server in spite of it,
    /// if there is one.
    pub fn explain(&self, error: StartError, settings: &Settings) -> anyhow::Error {
        let Some((listen, admin)) = error.free_addresses(settings) else { return error.into() };
        let mut words = Vec::new();
        if admin != settings.admin.listen {
            let admin: Vec<_> = admin.iter().map(SocketAddr::to_string).collect();
            words.push(format!("WORLDCAST_ADMIN__LISTEN={}", quoted(&admin.join(","))));
        }
        words.push(quoted(&env::args().next().unwrap_or_else(|| "worldcast".to_owned())));
        if listen != settings.listen || !self.listen().is_empty() {
            words.extend(listen.iter().map(|address| format!("--listen {}", quoted(&address.to_string()))));
        }
        words.extend(self.config.iter().map(|file| format!("--config {}", quoted_path(file))));
        anyhow!("{error}: `{}`", words.join(" "))
    }

    fn command_for_errors() -> clap::Command {
        <Self as CommandFactory>::command()
    }
}

impl Room {
    /// Returns the address to connect to, beginning with the `last` messages.
    ///
    /// # Errors
    /// Fails if no room is named or two are, if a file has no key or no certificate, or if there is
    /// no authority to trust.
    pub fn address(self, last: usize) -> Result<Address, Failure> {
        let Self { name, option, server, key_file, ca, patience, silence } = self;
        let room = match (name.or(option), server.room.clone()) {
            (Some(room), Some(other)) if room != other => {
                let sentence =
                    format!("--server names the room {other}, and the command line the room {room}");
                return Err(Failure::Usage(sentence));
            }
            (None, None) => {
                return Err(Failure::Usage("no room is named: `worldcast listen ROOM`".to_owned()));
            }
            (room, other) => room.or(other).expect("one of them"),
        };
        let key = key_file.as_deref().map(read_key).transpose()?;
        let trust = match (server.tls, ca) {
            (true, ca) => Some(Trust::load(ca)?),
            (false, None) => None,
            (false, Some(_)) => {
                let why = format!("--ca is for TLS, which {server} does without: write wss:// or https://");
                return Err(Failure::Usage(why));
            }
        };
        Ok(Address { server, trust, room, key, patience, silence, last })
    }
}

/// Returns the header that shows the key in the file.
fn read_key(path: &Path) -> Result<HeaderValue, Failure> {
    let refused = |why: String| Failure::Usage(format!("--key-file {}: {why}", path.display()));
    let key = fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    let key = key.trim();
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(refused("a key is one line of visible ASCII characters".to_owned()));
    }
    let mut header =
        HeaderValue::try_from(format!("Bearer {key}")).map_err(|error| refused(error.to_string()))?;
    header.set_sensitive(true);
    Ok(header)
}
