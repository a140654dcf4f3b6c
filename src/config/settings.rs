//! The settings: every key with its meaning, its unit and its default.

use super::{
    BackplaneKind, BackplaneUrl, ByteSize, HostPattern, OriginPattern, RoomName, RoomOverride, Secret,
};
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// All settings. `config/default.toml` documents the same keys for operators.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Addresses to listen on; each serves both the page and WebSocket.
    #[serde(with = "super::values::address")]
    pub listen: Vec<SocketAddr>,
    /// Worker threads, 512 at most; 0 means one per core.
    pub workers: usize,
    /// `[page]`
    pub page: PageSettings,
    /// `[rooms]`
    pub rooms: RoomSettings,
    /// `[history]`
    pub history: HistorySettings,
    /// `[publish]`
    pub publish: PublishSettings,
    /// `[session]`
    pub session: SessionSettings,
    /// `[limits]`
    pub limits: LimitSettings,
    /// `[origins]`
    pub origins: OriginSettings,
    /// `[compression]`
    pub compression: CompressionSettings,
    /// `[backplane]`
    pub backplane: BackplaneSettings,
    /// `[shutdown]`
    pub shutdown: ShutdownSettings,
    /// `[log]`
    pub log: LogSettings,
    /// `[admin]`
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
            backplane: Default::default(),
            shutdown: Default::default(),
            log: Default::default(),
            admin: Default::default(),
        }
    }
}

/// `[page]`: the files that the server serves to browsers.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PageSettings {
    /// The directory of the page; if it is empty or does not exist, the page in the program is
    /// served.
    pub directory: PathBuf,
}

/// `[rooms]`: the behavior of every room.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoomSettings {
    /// The room of the addresses without a room name, `/` and `/websocket`.
    pub default: RoomName,
    /// The text frame that a client receives first; empty for none.
    pub greeting: String,
    /// True if publishers receive their own messages; a client overrides it with `?echo=true` or
    /// `?echo=false`.
    pub echo: bool,
    /// True if clients of worldcast.v1 receive joins, leaves and the list of members.
    pub presence: bool,
    /// The time over which joins and leaves are collected before a room receives them; 0 sends each
    /// at once. At most 1 s.
    #[serde(with = "super::values::duration")]
    pub gather_presence: Duration,
    /// While a subscriber lags, a room accepts an eighth of an outbox (`session.outbox_bytes` and
    /// `session.outbox_messages`) in this time. 0 is no limit.
    #[serde(with = "super::values::duration")]
    pub patience: Duration,
    /// Settings for some rooms only.
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

/// `[history]`: the messages that every room keeps. The first bound that is reached counts; if one
/// is zero, nothing is kept.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct HistorySettings {
    /// Messages in the history of a room, inclusive.
    pub messages: usize,
    /// The age at which a message is forgotten.
    #[serde(with = "super::values::duration")]
    pub age: Duration,
    /// Bytes in the history of a room, inclusive; each message counts with its payload and 224
    /// bytes.
    pub bytes: ByteSize,
}

impl Default for HistorySettings {
    fn default() -> Self {
        Self { messages: 256, age: Duration::from_secs(600), bytes: ByteSize::from_mib(1) }
    }
}

/// `[publish]`: the clients that may publish.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PublishSettings {
    /// True if everyone may publish, false if only clients with one of `keys` may.
    pub anyone: bool,
    /// The keys that a publisher sends as `Authorization: Bearer`; 16 bytes or more each.
    pub keys: Vec<Secret>,
    /// Idempotency keys in memory, over all rooms; beyond it the oldest are forgotten, or a request
    /// is refused with 503.
    pub idempotency_keys: usize,
    /// The time for which each idempotency key is certainly kept; after it the oldest are forgotten
    /// first.
    #[serde(with = "super::values::duration")]
    pub idempotency_window: Duration,
}

impl Default for PublishSettings {
    fn default() -> Self {
        Self {
            anyone: true,
            keys: Vec::new(),
            idempotency_keys: 100_000,
            idempotency_window: Duration::from_secs(60),
        }
    }
}

/// `[session]`: the limits and deadlines of one client.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionSettings {
    /// The largest message that a client may send, inflated, inclusive; a larger one is answered
    /// with 1009.
    pub max_message: ByteSize,
    /// Bytes that may wait for one client, inclusive; more closes it with 1013 `too_slow`.
    pub outbox_bytes: ByteSize,
    /// Messages that may wait for one client, inclusive; more closes it with 1013 `too_slow`.
    pub outbox_messages: usize,
    /// The kernel's send buffer for one client, in bytes (SO_SNDBUF; Linux doubles it); 0 leaves it
    /// to the kernel.
    pub send_buffer: ByteSize,
    /// The silence after which a client is pinged.
    #[serde(with = "super::values::duration")]
    pub ping_after: Duration,
    /// The silence after the ping that closes the session with 1001 `silent`.
    #[serde(with = "super::values::duration")]
    pub pong_within: Duration,
    /// The longest time without progress of a write; after it the connection is reset.
    #[serde(with = "super::values::duration")]
    pub stalled_write: Duration,
    /// The longest time of the closing handshake; after it the connection is reset.
    #[serde(with = "super::values::duration")]
    pub close_within: Duration,
    /// The longest time for the head of a request to arrive, also of the opening handshake. After
    /// it an incomplete head is refused with 408, and an idle connection is closed.
    #[serde(with = "super::values::duration")]
    pub handshake_within: Duration,
    /// The largest head of a request, in bytes, inclusive; a larger one is refused with 431.
    pub max_head: ByteSize,
    /// Bytes per second at which a client must receive the response to a plain request, on average
    /// once `stalled_write` has passed; a slower client is cut off. 0 is no limit.
    pub min_response_rate: ByteSize,
    /// Messages per second that are read from one client; above it, reading pauses. 0 is no limit.
    pub messages_per_second: u32,
    /// Bytes per second that are read from one client; above it, reading pauses. 0 is no limit.
    pub bytes_per_second: ByteSize,
    /// The size of both token buckets: the messages and bytes of so much time may be read at once.
    #[serde(with = "super::values::duration")]
    pub burst: Duration,
    /// The secret under which session tokens are issued: at least 32 visible ASCII characters, or
    /// empty for a random one that ends with the process.
    pub secret: Secret,
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
            secret: Secret::default(),
        }
    }
}

/// `[limits]`: the bounds of all clients together.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Sessions that may be open at once, over all listeners, inclusive; further ones are refused
    /// with 503.
    pub connections: usize,
    /// Sessions that may be open at once from one IP address, or one /64 network of IPv6,
    /// inclusive; further ones are refused with 429. 0 is no limit.
    pub connections_per_ip: usize,
    /// Sessions that may begin in one second, inclusive; further ones are refused with 503. 0 is no
    /// limit.
    pub connections_per_second: u32,
    /// Rooms that may exist at once, inclusive. Beyond it a room without members ends, one of the
    /// source that holds most; an eighth is kept for sources that hold few. Where no room may end,
    /// a client that would open another one is closed with 1013 `too_many_rooms`.
    pub rooms: usize,
    /// Bytes of messages in flight from publishers to subscribers; at the bound publishers are not
    /// read until bytes are free (backpressure).
    pub in_flight_bytes: ByteSize,
    /// Bytes of request bodies in memory; a quarter of them is reserved for requests with a key. A
    /// request that waits too long for its share is refused with 503.
    pub body_bytes: ByteSize,
    /// Bytes of responses about histories that are not sent yet, in the same shares and with the
    /// same refusal.
    pub answer_bytes: ByteSize,
    /// Bytes that may wait in all outboxes together, inclusive; shared ones count once. Beyond it a
    /// client that needs more and holds more than its fair share is closed with 1013 `too_slow`.
    pub outbox_bytes_total: ByteSize,
    /// Bytes in the histories of all rooms together, inclusive; beyond it the source whose messages
    /// take most bytes loses the oldest message of the room where it has most.
    pub history_bytes_total: ByteSize,
    /// Bytes of encoded histories that each worker thread caches for clients that join, inclusive;
    /// one history is cached whatever its size.
    pub history_cache_bytes: ByteSize,
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
            history_cache_bytes: ByteSize::from_mib(4),
        }
    }
}

/// `[origins]`: the web pages that may connect, and the host names that the server accepts.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct OriginSettings {
    /// Origins that may connect in addition to the server's own, such as `https://example.org`; `*`
    /// allows every page.
    pub allowed: Vec<OriginPattern>,
    /// Host names that the server accepts in addition to those of this machine, of the local
    /// network and of listed origins; with a scheme, also the only own pages of that name.
    pub hosts: Vec<HostPattern>,
}

/// `[compression]`: permessage-deflate (RFC 7692).
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompressionSettings {
    /// True if compression is negotiated with clients that offer it.
    pub enabled: bool,
    /// The level of compression, 1 (fast) to 9 (small).
    pub level: u32,
    /// The smallest message that is compressed; a smaller one is sent plain.
    pub threshold: ByteSize,
}

impl Default for CompressionSettings {
    fn default() -> Self {
        Self { enabled: true, level: 4, threshold: ByteSize::from_bytes(256) }
    }
}

/// `[backplane]`: the order that several nodes share.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackplaneSettings {
    /// The kind of backplane.
    pub kind: BackplaneKind,
    /// The address of the server, such as `redis://127.0.0.1:6379`; empty for none.
    pub url: BackplaneUrl,
    /// The user; empty for that of `url`, or for the default user.
    pub user: String,
    /// The password; empty for that of `url` or of `password_file`, or for none.
    pub password: Secret,
    /// A file with the password, which is read at each connect; empty for none.
    pub password_file: PathBuf,
    /// A file with the certificates, in PEM, that may sign that of a `rediss://` server; empty for
    /// those that the system trusts.
    pub ca: PathBuf,
    /// The beginning of every key and channel of this program.
    pub prefix: String,
    /// The longest time for the answer to a call; after it the server is connected to anew.
    #[serde(with = "super::values::duration")]
    pub timeout: Duration,
    /// The time after a restart of the server, or a failover, in which rooms wait for nodes that
    /// give back messages that the server has lost.
    #[serde(with = "super::values::duration")]
    pub restore: Duration,
    /// The silence after which a node counts as dead for the others, which remove its clients. A
    /// node shows a sign of life three times in it.
    #[serde(with = "super::values::duration")]
    pub node_timeout: Duration,
    /// Bytes that the server has pushed and that the hub has not handled yet, inclusive; beyond it
    /// the server is connected to anew, and the hub fetches what is missing.
    pub push_buffer: ByteSize,
}

impl Default for BackplaneSettings {
    fn default() -> Self {
        Self {
            kind: BackplaneKind::None,
            url: BackplaneUrl::default(),
            user: String::new(),
            password: Secret::default(),
            password_file: PathBuf::new(),
            ca: PathBuf::new(),
            prefix: "worldcast:".to_owned(),
            timeout: Duration::from_secs(2),
            restore: Duration::from_secs(1),
            node_timeout: Duration::from_secs(15),
            push_buffer: ByteSize::from_mib(16),
        }
    }
}

/// `[shutdown]`: the end of the server.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShutdownSettings {
    /// The time over which the sessions are closed, each at a random moment; 0 closes all at once.
    #[serde(with = "super::values::duration")]
    pub drain: Duration,
}

impl Default for ShutdownSettings {
    fn default() -> Self {
        Self { drain: Duration::from_secs(10) }
    }
}

/// `[log]`: the log on standard error.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// The least severe level that is written: `off`, `error`, `warn`, `info`, `debug` or `trace`.
    #[serde(with = "super::values::level")]
    pub level: log::LevelFilter,
    /// True if the messages of clients are logged.
    pub messages: bool,
    /// Lines per second that clients may cause; further lines are counted instead of written, and
    /// the last quarter is kept for addresses with few lines. 0 is no limit.
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
    /// Addresses that serve `/health`, `/ready` and `/metrics`; an empty list turns them off.
    #[serde(with = "super::values::address")]
    pub listen: Vec<SocketAddr>,
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self { listen: vec![SocketAddr::from(([127, 0, 0, 1], 8081))] }
    }
}
