//! A load generator for WebSocket broadcast servers, and the report of its measurements.
//!
//! It starts every server itself, on a core that no client uses, and connects from another core.
//! docs/performance.md describes what is measured and how. A module imports only modules above it.

pub mod words; // numbers and payloads as text
pub mod cores; // which thread runs where
pub mod descriptors; // the limit of open files
pub mod peers; // the servers
pub mod clients; // their clients
pub mod bench; // one server about to be measured
pub mod party; // a server with its clients
pub mod scenarios; // the measurements
pub mod report; // tables and pictures
pub mod run; // the order of measurements
