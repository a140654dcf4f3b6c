//! The wire from outside: its rules byte by byte, and properties of random inputs.

mod client; // the other side of the wire
mod decoding; // any bytes, cut anywhere
mod encoding; // encoded messages decode to the same
mod negotiating; // any header
mod rules; // the RFCs in hex
