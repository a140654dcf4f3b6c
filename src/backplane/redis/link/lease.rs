//! Signs of life of this node, and the end of nodes that show none.
//!
//! The leases of all nodes are one sorted set, by the time of the server, so that the clocks of
//! nodes do not count.

use super::{
    connection::{Connection, read},
    failure::Failure,
};
use crate::{
    backplane::redis::{
        call::{Call, Members},
        entry::{NodeId, Sequence},
    },
    config::RoomName,
};
use redis::{Cmd, Pipeline, cmd};

/// Renews the lease of a node; returns 1 if it had one, then the dead nodes.
/// KEYS: leases. ARGV: node, milliseconds after which a node is dead.
const RENEW: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local had = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
local dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf',
  string.format('(%.0f', now - ARGV[2]), 'LIMIT', 0, 16)
return {had and 1 or 0, dead}
";

/// Returns 1 if a node is dead, and removes its lease if the last argument is 1.
/// KEYS: leases. ARGV: node, milliseconds after which a node is dead, 0 or 1.
const JUDGE: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local renewed = redis.call('ZSCORE', KEYS[1], ARGV[1])
if renewed and tonumber(renewed) >= now - ARGV[2] then
  return 0
end
if ARGV[3] == '1' then
  redis.call('ZREM', KEYS[1], ARGV[1])
end
return 1
";

/// Rooms of a dead node that are asked for at once.
const PORTION: usize = 128;

/// The answer to a sign of life.
pub struct Sign {
    /// True if this node had no lease: others took it for dead, or the server has lost it.
    pub was_missing: bool,
    /// Nodes that have shown no sign of life for `backplane.node_timeout`; at most 16.
    pub dead: Vec<NodeId>,
}

impl Connection {
    /// Renews the lease of this node.
    ///
    /// # Errors
    /// [`Failure`] if the server does not answer as it should.
    pub async fn shows_life(&self) -> Result<Sign, Failure> {
        let (had, dead): (u8, Vec<String>) = self.ask(self.of_lease(RENEW, self.node)).await?;
        let dead = dead.iter().filter_map(|node| u64::from_str_radix(node, 16).ok()).map(NodeId);
        Ok(Sign { was_missing: had == 0, dead: dead.filter(|node| *node != self.node).collect() })
    }

    fn of_lease(&self, script: &str, node: NodeId) -> Cmd {
        let mut command = cmd("EVAL");
        command.arg(script).arg(1).arg(self.key("nodes")).arg(node.to_string());
        command.arg(u64::try_from(self.node_timeout.as_millis()).unwrap_or(u64::MAX));
        command
    }

    /// Removes the clients and the speakers of a dead `node` from all rooms, each room at once, then
    /// its lease. A second node that does the same at the same time changes nothing. It ends early
    /// if the node shows a sign of life.
    ///
    /// # Errors
    /// [`Failure`] if the server does not answer as it should; the rest is done at the next sign of
    /// life of any node.
    pub async fn reap(&self, node: NodeId) -> Result<(), Failure> {
        let sets = self.rooms_of_node(node);
        let mut count = Pipeline::with_capacity(sets.len());
        for set in &sets {
            count.cmd("SCARD").arg(set);
        }
        let counts = self.ask_all(&count, sets.len()).await?;
        for (set, count) in sets.iter().zip(counts) {
            if read::<usize>(count)? > 0 && !self.leave_rooms(node, set).await? {
                return Ok(());
            }
        }
        if node != self.node {
            self.is_dead(node, true).await?;
            return Ok(());
        }
        let mut end = cmd("ZREM");
        end.arg(self.key("nodes")).arg(node.to_string());
        self.ask::<usize>(end).await?;
        Ok(())
    }

    /// Returns true if `node` has shown no sign of life for `backplane.node_timeout`; `ends` its
    /// lease then.
    async fn is_dead(&self, node: NodeId, ends: bool) -> Result<bool, Failure> {
        let mut judge = self.of_lease(JUDGE, node);
        judge.arg(u8::from(ends));
        Ok(self.ask::<u8>(judge).await? == 1)
    }

    /// Removes the members of `node` from the rooms in `set`, in portions; false if the node turns
    /// out to live. This node itself leaves without being judged.
    async fn leave_rooms(&self, node: NodeId, set: &str) -> Result<bool, Failure> {
        let mut cursor = "0".to_owned();
        loop {
            let mut scan = cmd("SSCAN");
            scan.arg(set).arg(&cursor).arg("COUNT").arg(PORTION);
            let (next, names): (String, Vec<Vec<u8>>) = self.ask(scan).await?;
            for portion in names.chunks(PORTION) {
                if node != self.node && !self.is_dead(node, false).await? {
                    return Ok(false);
                }
                self.remove_members(node, portion).await?;
            }
            if next == "0" {
                return Ok(true);
            }
            cursor = next;
        }
    }

    async fn remove_members(&self, node: NodeId, rooms: &[Vec<u8>]) -> Result<(), Failure> {
        let names = rooms.iter().filter_map(|name| std::str::from_utf8(name).ok()?.parse::<RoomName>().ok());
        let none = |room| Call::Members(Members::none(room, Sequence(0)));
        let calls: Vec<_> = names.map(none).collect();
        self.run_as(node, &calls.iter().collect::<Vec<_>>()).await?;
        Ok(())
    }
}
