//! The servers that are measured: how each is started and spoken to.

use crate::descriptors;
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// What a scenario asks of a server.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Worker threads, where the peer knows such a thing.
    pub workers: usize,
    pub compressed: bool,
    /// Messages that one client may say in a second, where the peer can limit that; 0 is no limit.
    pub pace: u32,
}

impl Setup {
    /// One worker, and what needs no mention.
    pub const SIMPLE: Self = Self { workers: 1, compressed: false, pace: 0 };
}

/// Where a server is told to listen, on 127.0.0.1.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub clients: u16,
    pub operators: u16,
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

    /// Whether it was installed; without `benches/peers/install.sh` only two are there.
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

    /// What a client sends as soon as it is connected.
    pub fn hello(self) -> Option<&'static str> {
        (self == Self::SocketIo).then_some("40")
    }

    /// `text` as it goes over the wire, both ways.
    pub fn message(self, text: &str) -> String {
        match self {
            Self::SocketIo => format!("42[\"message\",{}]", serde_json::Value::from(text)),
            _ => text.to_owned(),
        }
    }

    /// How `program`, which is this peer, is started.
    pub fn command(self, program: &Path, setup: Setup, ports: Ports) -> Command {
        let mut command = Command::new(program);
        let port = ports.clients.to_string();
        match self {
            Self::Worldcast => command.envs(worldcast(setup, ports)),
            Self::Limit => command.args(["--bench", "--limit", &port]),
            _ => command.args(self.script().map(|script| directory().join(script))).arg(port),
        };
        if setup.compressed && self != Self::Worldcast {
            command.arg("compressed");
        }
        command
    }

    pub fn program(self) -> PathBuf {
        match self {
            Self::Worldcast => env!("CARGO_BIN_EXE_worldcast").into(),
            Self::Limit => env::current_exe().expect("this program has a path"),
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

/// Its defaults, with every limit in place, but for the greeting and the log of what is said.
fn worldcast(setup: Setup, ports: Ports) -> [(&'static str, String); 8] {
    [
        ("WORLDCAST_LISTEN", format!("127.0.0.1:{}", ports.clients)),
        ("WORLDCAST_ADMIN__LISTEN", format!("127.0.0.1:{}", ports.operators)),
        ("WORLDCAST_WORKERS", setup.workers.to_string()),
        ("WORLDCAST_SESSION__MESSAGES_PER_SECOND", setup.pace.to_string()),
        ("WORLDCAST_ROOMS__GREETING", String::new()),
        ("WORLDCAST_LIMITS__CONNECTIONS", descriptors::allowed().to_string()),
        ("WORLDCAST_LOG__MESSAGES", "false".to_owned()),
        ("WORLDCAST_LOG__LEVEL", "warn".to_owned()),
    ]
}

/// Where they are installed.
pub fn directory() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers"))
}
