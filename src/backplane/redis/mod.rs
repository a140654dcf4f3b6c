//! The order of several nodes, made by Redis or Valkey.
#![allow(dead_code)]

pub mod call; // the words between a node and Redis
pub mod entry; // batches as Redis stores them
pub mod codec; // batches as bytes
pub mod scripts; // calls as scripts of Redis
pub mod link; // connections to Redis

pub use call::NodeId;
pub use link::{Link, LinkHandle, SetupError};

use call::LinkEvent;

/// Link → hub: events in their order.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct FromLink(pub Vec<LinkEvent>);
