//! What the program withstands, seen from outside its process; the name of a test is the promise.

mod support; // clients, and patience that ends

mod deaf; // who reads nothing
mod announced; // messages too large to come
mod standstill; // a process that is stopped for a while
mod crowd; // more than may come
mod shares; // what strangers share
mod names; // what it answers to
mod heads; // requests that never end
mod streams; // events, and what comes behind their request
mod descriptors; // no more of them
mod spread; // over the threads
mod log; // nobody reads it
mod operators; // what they ask
mod listeners; // of IPv6, and several for operators
mod measures; // what a message adds to the metrics
mod turns; // what one client does while another waits
mod patience; // what slow clients do in turn
mod failure; // what breaks inside
mod stopping; // signals

use testing::process; // the program in a process of its own
