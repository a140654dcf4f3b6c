//! A program as a process: started on free ports, inspected from outside, stopped by a signal.

mod child; // a process of any program
mod launch; // its start
mod log; // its standard error
mod metrics; // its metrics
mod polls; // the descriptors that it waits for
mod program; // the server as a process

pub use crate::{append_frame, handshake};
pub use child::Process;
pub use launch::{Launch, executable};
pub use log::Log;
pub use metrics::Metrics;
pub use program::{Program, Server};
