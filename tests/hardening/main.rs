//! Attacks and failures, seen from outside the process; the name of a test is the promise.

mod support; // clients, and patience that ends

mod stalled_readers; // clients that read nothing
mod announced; // messages that are only announced
mod standstill; // a process that is stopped for a while
mod crowd; // limits on connections
mod shares; // shares of common bounds
mod names; // host names
mod heads; // requests that never end
mod streams; // event streams, and input after their request
mod descriptors; // file descriptors run out
mod spread; // connections over the threads
mod log; // a log without a reader
mod operators; // the admin listener
mod listeners; // of IPv6, and several for operators
mod measures; // metrics of a message
mod turns; // long requests beside deliveries
mod patience; // slow clients that take turns
mod failure; // panics
mod stopping; // signals
mod backplane; // the server that several nodes share

use testing::process; // the program in a process of its own
