//! Redis, the nodes that share it, and their clients.

mod cluster; // three nodes and Redis
mod commands; // `worldcast pipe` and `worldcast listen`
mod fake; // a Redis of another version
mod follower; // a client that resumes at any node
mod subscriber; // clients of all kinds

pub use cluster::{Cluster, health, is_ready, reaches, readiness, receives_presence};
pub use commands::{end_of, worldcast};
pub use fake::redis_of_version;
pub use follower::{Addresses, Follower};
pub use subscriber::{Kind, Subscriber};
pub use testing::{Client, End, Events, Http, Launch, PATIENCE, Program, Proxy, Redis, Reply, V1, within};
