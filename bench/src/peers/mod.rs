//! The servers that are measured: how each is started and addressed.

mod process; // one process, observed in /proc
mod server; // the processes of a server
pub mod versions; // the installed versions

pub use server::{DEADLINE, Part, Server};

use crate::descriptors;
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};
use testing::Launch;

/// The options that a scenario sets.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Worker threads, where the peer knows such a thing.
    pub workers: usize,
    pub compressed: bool,
    /// Messages per second that one client may send, where the peer can limit that; 0 is no limit.
    pub messages_per_second: u32,
    pub cluster: Cluster,
}

/// Several nodes of worldcast over a Redis of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cluster {
    /// Their number; 0 is one server without Redis.
    pub nodes: usize,
    /// True if clients connect to each in turn, and not only to the first.
    pub spreads: bool,
    /// True if Redis writes every call to its disk within a second (`appendonly yes`).
    pub append_only: bool,
}

impl Cluster {
    /// One server without Redis.
    pub const NONE: Self = Self { nodes: 0, spreads: false, append_only: false };

    /// So many nodes, which share the clients.
    pub const fn of(nodes: usize) -> Self {
        Self { nodes, spreads: true, append_only: false }
    }
}

impl Setup {
    /// One worker, no compression, no limit of messages, no Redis.
    pub const SIMPLE: Self =
        Self { workers: 1, compressed: false, messages_per_second: 0, cluster: Cluster::NONE };
}

/// The ports on which a server is to listen, on 127.0.0.1.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub clients: u16,
    pub operators: u16,
    /// That of Redis, for nodes.
    pub redis: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Peer {
    Worldcast,
    Limit,
    Bun,
    Ws,
    SocketIo,
    Axum,
    Actix,
    Websockets,
}

impl Peer {
    pub const ALL: [Self; 8] = [
        Self::Worldcast,
        Self::Limit,
        Self::Bun,
        Self::Ws,
        Self::SocketIo,
        Self::Axum,
        Self::Actix,
        Self::Websockets,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Worldcast => "worldcast",
            Self::Limit => "limit",
            Self::Bun => "bun",
            Self::Ws => "ws",
            Self::SocketIo => "socket.io",
            Self::Axum => "axum",
            Self::Actix => "actix",
            Self::Websockets => "websockets",
        }
    }

    /// True if it is installed; without `bench/peers/install.sh` only two are.
    pub fn is_installed(self) -> bool {
        let needed = match self {
            Self::Ws | Self::SocketIo => directory().join("node_modules"),
            _ => self.program(),
        };
        needed.exists()
    }

    /// The address of a room.
    pub fn path(self, room: usize) -> String {
        match self {
            Self::Worldcast => format!("/websocket/room-{room}"),
            Self::SocketIo => format!("/socket.io/?EIO=4&transport=websocket&room=room-{room}"),
            _ => format!("/room-{room}"),
        }
    }

    /// The first message of a client, for protocols that need one.
    pub fn first_message(self) -> Option<&'static str> {
        (self == Self::SocketIo).then_some("40")
    }

    /// The payload that carries `text`, in both directions.
    pub fn message(self, text: &str) -> String {
        match self {
            Self::SocketIo => format!("42[\"message\",{}]", serde_json::Value::from(text)),
            _ => text.to_owned(),
        }
    }

    /// The command that starts `program` as this peer.
    pub fn command(self, program: &Path, setup: Setup, ports: Ports) -> Command {
        if self == Self::Worldcast {
            return worldcast(program, setup, ports).command();
        }
        let mut command = Command::new(program);
        command.args(self.script().map(|script| directory().join(script))).arg(ports.clients.to_string());
        if setup.compressed {
            command.arg("compressed");
        }
        command
    }

    pub fn program(self) -> PathBuf {
        match self {
            Self::Worldcast => program_beside("worldcast"),
            Self::Limit => program_beside("worldcast-bench-limit"),
            Self::Bun => directory().join("node_modules/.bin/bun"),
            Self::Ws | Self::SocketIo => "node".into(),
            Self::Axum | Self::Actix => directory().join("rust/target/release").join(self.name()),
            Self::Websockets => directory().join("venv/bin/python"),
        }
    }

    fn script(self) -> Option<&'static str> {
        match self {
            Self::Bun => Some("bun.js"),
            Self::Ws => Some("ws.js"),
            Self::SocketIo => Some("socketio.js"),
            Self::Websockets => Some("python_websockets.py"),
            _ => None,
        }
    }
}

/// The defaults with every limit in place, but without the greeting and the log of messages.
fn worldcast(program: &Path, setup: Setup, ports: Ports) -> Launch {
    let launch = Launch::of(program).settings(&[
        ("listen", format!("127.0.0.1:{}", ports.clients)),
        ("admin.listen", format!("127.0.0.1:{}", ports.operators)),
        ("workers", setup.workers.to_string()),
        ("session.messages_per_second", setup.messages_per_second.to_string()),
        ("rooms.greeting", String::new()),
        ("limits.connections", descriptors::allowed().to_string()),
        ("log.messages", "false".to_owned()),
        ("log.level", "warn".to_owned()),
    ]);
    let Some(redis) = ports.redis else { return launch };
    // Rooms of a new Redis open at once.
    let redis = format!("redis://127.0.0.1:{redis}");
    launch.settings(&[("backplane.kind", "redis"), ("backplane.url", &redis), ("backplane.restore", "0s")])
}

/// The command that starts a Redis on `port`, which saves its data only with `append_only`, in a
/// directory that does not outlive it.
pub fn redis(port: u16, append_only: bool) -> Command {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--loglevel", "warning"]);
    command.args(["--save", "", "--appendonly", if append_only { "yes" } else { "no" }]);
    command
}

/// The path of a program that the same build has made.
///
/// # Panics
/// If the path of this program is unknown.
pub fn program_beside(name: &str) -> PathBuf {
    env::current_exe().expect("this program has a path").with_file_name(name)
}

/// The directory in which the peers are installed.
pub fn directory() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/peers"))
}
