//! The page in a real browser, against the real program; the name of a test is the promise.

mod support; // a browser and its windows

mod messages; // published and received
mod rooms; // addresses and members
mod connecting; // open, closed, lost, reconnected
mod resume; // missed messages
mod greeting; // once for each visit
mod frames; // the drawing of a frame
mod feeds; // event streams
mod policy; // Content-Security-Policy
mod origins; // pages of other origins
mod scripts; // imports, and tables that documents share
mod crowd; // ten thousand messages
mod access; // accessibility, keyboard, screens

use testing::process; // the program in a process of its own
