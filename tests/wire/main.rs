//! What holds for every input of the wire, tried with thousands that nobody thought of.

mod client; // the other side of the wire
mod decoding; // any bytes, cut anywhere
mod encoding; // what is said is what is heard
mod negotiating; // any header
