//! Every key, its meaning, its unit and its one default.

use super::{ByteSize, HostPattern, OriginPattern, RoomName, RoomOverride, Secret};
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// Everything that can be configured. `config/default.toml` shows the same, for people.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Addresses to listen on; every one serves the page and WebSocket alike.
    #[serde(with = "super::values::address")]
    pub listen: Vec<SocketAddr>,
    /// Threads that hold sessions; 0 means one per core.
    pub workers: usize,
    pub page: PageSettings,
    pub rooms: RoomSettings,
    pub history: HistorySettings,
    pub publish: PublishSettings,
    pub session: SessionSettings,
    pub limits: LimitSettings,
    pub origins: OriginSettings,
    pub compression: CompressionSettings,
    pub shutdown: ShutdownSettings,
    pub log: LogSettings,
    pub admin: AdminSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 3000)), SocketAddr::from(([127, 0, 0, 1], 8080))],
            workers: 0,
            page: Default::default(),
            rooms: Default::default(),
            history: Default::default(),
            publish: Default::default(),
            session: Default::default(),
            limits: Default::default(),
            origins: Default::default(),
            compression: Default::default(),
            shutdown: Default::default(),
            log: Default::default(),
            admin: Default::default(),
        }
    }
}

/// `[page]`: the files that a browser gets.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PageSettings {
    /// Directory of the page; where it does not exist, the copy inside the binary is served.
    pub directory: PathBuf,
}

impl Default for PageSettings {
    fn default() -> Self {
        Self { directory: "static".into() }
    }
}

/// `[rooms]`: what every room does.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoomSettings {
    /// The room of an address that names none: `/` and `/websocket`.
    pub default: RoomName,
    /// What a client hears first, as a text frame; empty for nothing.
    pub greeting: String,
    /// Whether the speaker hears itself; a client overrides it with `?echo=true` or `?echo=false`.
    pub echo: bool,
    /// Whether clients of worldcast.v1 are told who comes, goes and is there.
    pub presence: bool,
    /// How long comings and goings are gathered before a room is told; zero: not at all.
    #[serde(with = "super::values::duration")]
    pub gather_presence: Duration,
    /// In which an eighth of an outbox may be said in a room while somebody there is behind; zero for no such bound.
    #[serde(with = "super::values::duration")]
    pub patience: Duration,
    /// What holds in some rooms only.
    #[serde(rename = "override")]
    pub overrides: Vec<RoomOverride>,
}

impl Default for RoomSettings {
    fn default() -> Self {
        Self {
            default: "lobby".parse().expect("the name is allowed"),
            greeting: "world".into(),
            echo: true,
            presence: false,
            gather_presence: Duration::from_millis(100),
            patience: Duration::from_millis(100),
            overrides: Vec::new(),
        }
    }
}

/// `[history]`: what every room remembers; whichever ends first. Nothing if one of them is zero.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct HistorySettings {
    /// The last messages of a room that are remembered.
    pub messages: usize,
    /// How long a message is remembered.
    #[serde(with = "super::values::duration")]
    pub age: Duration,
    /// Bytes of messages that a room remembers, with 224 bytes more for each.
    pub bytes: ByteSize,
}

impl HistorySettings {
    /// How often it is looked for what to forget: a quarter of the age, at most once a second.
    pub fn expiry_interval(&self) -> Duration {
        (self.age / 4).clamp(Duration::from_millis(5), Duration::from_secs(1))
    }
}

impl Default for HistorySettings {
    fn default() -> Self {
        Self { messages: 256, age: Duration::from_secs(600), bytes: ByteSize::from_mib(1) }
    }
}

/// `[publish]`: who may say something.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PublishSettings {
    /// Whether everybody may publish, or only who shows a key.
    pub anyone: bool,
    /// What a publisher shows, as `Authorization: Bearer`.
    pub keys: Vec<Secret>,
    /// Idempotency keys that are remembered, over all rooms.
    pub retries: usize,
    /// How long each is held, whatever comes; then the oldest are forgotten first.
    #[serde(with = "super::values::duration")]
    pub idempotency_window: Duration,
}

impl Default for PublishSettings {
    fn default() -> Self {
        Self { anyone: true, keys: Vec::new(), retries: 100_000, idempotency_window: Duration::from_secs(60) }
    }
}

/// `[session]`: what one client may do, and how long the server waits for it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionSettings {
    /// Largest message a client may send, inflated; a larger one ends the session with 1009.
    pub max_message: ByteSize,
    /// Bytes that may wait for one client; more ends its session.
    pub outbox_bytes: ByteSize,
    /// Messages that may wait for one client; more ends its session.
    pub outbox_messages: usize,
    /// The kernel's send buffer for one client (SO_SNDBUF; Linux doubles it); 0 leaves it to the kernel.
    pub send_buffer: ByteSize,
    /// Silence after which a client is pinged.
    #[serde(with = "super::values::duration")]
    pub ping_after: Duration,
    /// Silence after the ping that ends the session.
    #[serde(with = "super::values::duration")]
    pub pong_within: Duration,
    /// How long a write may make no progress before the connection is cut.
    #[serde(with = "super::values::duration")]
    pub stalled_write: Duration,
    /// How long the closing handshake may take.
    #[serde(with = "super::values::duration")]
    pub close_within: Duration,
    /// How long a client may take over the head of a request, the opening handshake included.
    #[serde(with = "super::values::duration")]
    pub handshake_within: Duration,
    /// Bytes of the head of a request; a larger one is refused with 431.
    pub max_head: ByteSize,
    /// Bytes a second at which a client must take the response to a plain request, on average after
    /// `stalled_write`; a slower one is cut off. 0 is no limit.
    pub min_response_rate: ByteSize,
    /// Messages a second that are read from one client; above it, reading pauses. 0 is no limit.
    pub messages_per_second: u32,
    /// Bytes a second, likewise.
    pub bytes_per_second: ByteSize,
    /// How much of both may be saved up while the client says less.
    #[serde(with = "super::values::duration")]
    pub burst: Duration,
}

impl SessionSettings {
    /// How often sessions are looked at: a quarter of the shortest deadline, at most once a second.
    pub fn sweep_interval(&self) -> Duration {
        let deadlines = [self.ping_after, self.pong_within, self.stalled_write, self.close_within];
        let shortest = deadlines.into_iter().min().unwrap_or_default();
        (shortest / 4).clamp(Duration::from_millis(5), Duration::from_secs(1))
    }
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            max_message: ByteSize::from_kib(64),
            outbox_bytes: ByteSize::from_mib(1),
            outbox_messages: 1024,
            send_buffer: ByteSize::from_kib(64),
            ping_after: Duration::from_secs(25),
            pong_within: Duration::from_secs(10),
            stalled_write: Duration::from_secs(10),
            close_within: Duration::from_secs(5),
            handshake_within: Duration::from_secs(10),
            max_head: ByteSize::from_kib(16),
            min_response_rate: ByteSize::from_kib(1),
            messages_per_second: 0,
            bytes_per_second: ByteSize::from_bytes(0),
            burst: Duration::from_secs(2),
        }
    }
}

/// `[limits]`: what all clients together may use.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Sessions that may be open at once, over all listeners; more are refused with 503.
    pub connections: usize,
    /// Sessions that may be open at once from one IP address, or one /64 network of IPv6; more are refused with 429. 0 is no limit.
    pub connections_per_ip: usize,
    /// Sessions that may begin in one second; more are refused with 503. 0 is no limit.
    pub connections_per_second: u32,
    /// Rooms that may exist at once; past it, a room that only remembers is forgotten, and if there is
    /// none, whoever would begin one more is sent away with 1013.
    pub rooms: usize,
    /// Bytes of messages between the sockets of their speakers and those of their hearers; at the
    /// limit, speakers are no longer read until there is room.
    pub in_flight_bytes: ByteSize,
    /// Bytes of request bodies that are read at once; a quarter of them is for requests with a key.
    pub body_bytes: ByteSize,
    /// Bytes that answers about histories hold until their clients have taken them; likewise.
    pub answer_bytes: ByteSize,
    /// Bytes that may wait in all outboxes together; past it, whoever needs more and holds more than
    /// its fair share is too slow.
    pub outbox_bytes_total: ByteSize,
    /// Bytes that all rooms together may remember; past it, the room that holds most forgets its oldest messages.
    pub history_bytes_total: ByteSize,
    /// Bytes of histories that each worker thread keeps encoded for newcomers; 0 keeps none.
    pub recall_cache_bytes: ByteSize,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            connections: 100_000,
            connections_per_ip: 0,
            connections_per_second: 0,
            rooms: 100_000,
            in_flight_bytes: ByteSize::from_mib(16),
            body_bytes: ByteSize::from_mib(16),
            answer_bytes: ByteSize::from_mib(64),
            outbox_bytes_total: ByteSize::from_mib(1024),
            history_bytes_total: ByteSize::from_mib(256),
            recall_cache_bytes: ByteSize::from_mib(4),
        }
    }
}

/// `[origins]`: the web pages that may connect, and the names that the server answers to.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct OriginSettings {
    /// Origins beside our own, such as `https://example.org`; `*` allows every page.
    pub allowed: Vec<OriginPattern>,
    /// Names of the server, beside those of this machine, of the local network and of listed origins.
    pub hosts: Vec<HostPattern>,
}

/// `[compression]`: permessage-deflate (RFC 7692).
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompressionSettings {
    /// Whether compression is negotiated with clients that offer it.
    pub enabled: bool,
    /// 1 (fast) to 9 (small).
    pub level: u32,
    /// Messages below this size go out plain.
    pub threshold: ByteSize,
}

impl Default for CompressionSettings {
    fn default() -> Self {
        Self { enabled: true, level: 4, threshold: ByteSize::from_bytes(256) }
    }
}

/// `[shutdown]`: how the server stops.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShutdownSettings {
    /// Time over which the sessions are closed, each at a random moment of it.
    #[serde(with = "super::values::duration")]
    pub drain: Duration,
}

impl Default for ShutdownSettings {
    fn default() -> Self {
        Self { drain: Duration::from_secs(10) }
    }
}

/// `[log]`: what is written to standard error.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`.
    #[serde(with = "super::values::level")]
    pub level: log::LevelFilter,
    /// Whether what clients say is logged.
    pub messages: bool,
    /// Lines that clients cause, in a second; more are counted instead. 0 is no limit.
    pub lines_per_second: u32,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { level: log::LevelFilter::Info, messages: true, lines_per_second: 1000 }
    }
}

/// `[admin]`: the listener for operators.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminSettings {
    /// Addresses that serve `/health`, `/ready` and `/metrics`; none switches them off.
    #[serde(with = "super::values::address")]
    pub listen: Vec<SocketAddr>,
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self { listen: vec![SocketAddr::from(([127, 0, 0, 1], 8081))] }
    }
}
