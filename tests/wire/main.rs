//! The wire from outside: its rules byte by byte, and what holds for inputs that nobody thought of.

mod client; // the other side of the wire
mod decoding; // any bytes, cut anywhere
mod encoding; // what is said is what is heard
mod negotiating; // any header
mod rules; // the RFCs in hex
