//! The promises of the server to clients, one file for each subject; the name of a test is the
//! promise.

mod support; // a server, clients, patience

mod broadcast; // one order for all members
mod messages; // text and bytes, unchanged
mod rooms; // names, isolation, members
mod history; // earlier messages
mod subprotocol; // worldcast.v1
mod presence; // joins, leaves and members
mod resume; // clients that reconnect
mod publishing; // publishing over HTTP
mod feeds; // publishing with a key
mod event_streams; // subscribing over HTTP
mod handshake; // the opening handshake
mod refusals; // each refusal, once
mod connections; // several requests of one connection
mod origins; // pages that may connect
mod compression; // permessage-deflate
mod page; // files for a browser
mod rate; // messages and bytes per second
mod patience; // slow and silent clients
mod flow; // backpressure of a room
mod closing; // the closing handshake
mod reasons; // close reasons by name
mod leaving; // clients that disconnect without a close frame
mod log_lines; // lines about clients
mod crowds; // many rooms and large rooms
mod policies; // a policy that is replaced while the server runs
mod stopping; // the end of the server
mod program; // the program and its log
mod commands; // the program as a client
mod outages; // patience of the commands
mod tls; // the same over TLS
mod foreign_clients; // other languages and libraries
