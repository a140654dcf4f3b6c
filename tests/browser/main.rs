//! The page in a real browser, against the real program; the name of a test is the promise.

mod support; // a browser, its windows, what a person sees and does

mod talking; // what is said and heard
mod rooms; // which room, and who is in it
mod connecting; // open, closed, lost, found again
mod resume; // cut off, and nothing missed
mod silence; // who speaks when, and who may
mod frames; // how a message is drawn
mod feeds; // listening over HTTP
mod policy; // what the browser forbids
mod origins; // what it lets other pages read
mod scripts; // imports, and tables that documents share
mod crowd; // more than anybody can read
mod access; // whoever sits there, with whatever screen

use testing::process; // the program in a process of its own
