//! The order of several nodes, made by Redis or Valkey.
//!
//! The node is plain data; the link carries its calls, on a thread of its own.

mod call; // the words between a node and Redis
mod entry; // batches as Redis stores them
mod codec; // batches as bytes
mod node; // the part of a node in the order
mod scripts; // calls as scripts of Redis
mod link; // connections to Redis
#[cfg(test)]
mod fake; // a model of the scripts
#[cfg(test)]
mod simulation; // schedules of several nodes and a Redis that fails

pub use call::LinkEvent;
pub use entry::NodeId;
pub use link::{Link, LinkHandle, SetupError};
pub use node::{Counts, Node, NodeTimes};

use std::time::Instant;

/// Link → hub: events in their order.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct FromLink(pub Vec<LinkEvent>);

/// The backplane of a node among several.
pub struct Redis {
    pub(super) node: Node,
    link: LinkHandle,
}

impl Redis {
    /// A backplane of `node`, which reaches Redis over `link`.
    pub fn new(node: Node, link: LinkHandle) -> Self {
        Self { node, link }
    }

    /// Hands the calls that are due over to the link.
    pub(super) fn flush(&mut self, now: Instant) {
        let calls = self.node.take_calls(now);
        if !calls.is_empty() {
            self.link.send(calls);
        }
    }
}
