//! The words that the tests are written in: a server, clients, and patience that ends.

mod app; // answers without a socket
mod binary; // the program itself
mod events; // a client of Server-Sent Events
mod fake; // servers that misbehave
mod host; // what every server can be asked
mod http; // plain requests over a socket
mod program; // programs that nobody here wrote
mod proxy; // a way that does not last
mod server; // a server in this process
mod tls; // TLS in front of one
mod v1; // a client of the subprotocol

pub use app::{Answer, answer, answer_while_stopping, answer_with, upgrade};
pub use binary::Binary;
pub use events::Events;
pub use fake::Fake;
pub use host::Host;
pub use http::{Http, Reply};
pub use program::output_of;
pub use proxy::{QuietProxy, proxy_that_cuts};
pub use server::TestServer;
pub use testing::{Client, End, Raw, frame, hex, text, within};
pub use tls::{Authority, Flaw, TlsProxy};
pub use v1::V1;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
/// A valid opening handshake at `path`.
pub fn handshake(path: &str) -> String {
    testing::handshake(path, "")
}

/// Lets this process and its children hold as many descriptors as the system allows, and says how many.
pub fn raise_descriptor_limit() -> usize {
    let allowed = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: allowed.maximum, ..allowed }).expect("the limit may rise");
    allowed.maximum.map_or(usize::MAX, |limit| limit as usize)
}
