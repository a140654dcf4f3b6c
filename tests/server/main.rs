//! What the server promises to clients, one file for each subject; the name of a test is the promise.

mod support; // a server, clients, patience

mod broadcast; // everybody hears the same
mod messages; // what was said is what is heard
mod rooms; // who hears whom
mod history; // what is heard afterwards
mod subprotocol; // worldcast.v1
mod presence; // who comes and goes
mod resume; // who comes back
mod publishing; // who publishes over HTTP
mod feeds; // who may publish
mod listening; // who listens over HTTP
mod handshake; // who may come in
mod connections; // one request after the other
mod origins; // which pages may
mod compression; // smaller on the way
mod page; // what a browser gets
mod pace; // how fast a client may speak
mod patience; // how long the server waits, how much it keeps
mod flow; // how fast anybody may speak
mod closing; // how a session ends
mod reasons; // why it ends, by name
mod leaving; // what a vanished client leaves behind
mod log_lines; // what is written about clients
mod crowds; // many rooms and large rooms
mod policies; // what is replaced while it runs
mod stopping; // how the server ends
mod program; // what an operator sees
mod commands;
mod outages; // the program as a client
mod tls; // the same over TLS
mod strangers; // clients that nobody here wrote
