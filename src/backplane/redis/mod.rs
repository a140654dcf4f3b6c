//! The order of several nodes, made by Redis or Valkey.
#![allow(dead_code)]

pub mod call; // the words between a node and Redis
pub mod entry; // batches as Redis stores them
pub mod codec; // batches as bytes
pub mod scripts; // calls as scripts of Redis
#[cfg(test)]
pub mod fake; // a Redis in memory
