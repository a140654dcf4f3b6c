//! The words that the tests are written in: a server, clients, and patience that ends.

mod app; // answers without a socket
mod binary; // the program itself
mod fake; // servers that misbehave
mod host; // requests to a server
mod program; // foreign programs
mod proxy; // a proxy that cuts connections
mod server; // a server in this process
mod tls; // TLS in front of one

pub use app::{Answer, answer, answer_while_stopping, answer_with, upgrade};
pub use binary::Binary;
pub use fake::Fake;
pub use host::Host;
pub use program::output_of;
pub use proxy::{QuietProxy, proxy_that_cuts};
pub use server::TestServer;
pub use testing::{Client, End, Events, Http, Raw, Reply, V1, frame, handshake, hex, text, within};
pub use tls::{Authority, Flaw, TlsProxy};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit on descriptors of this process and its children as far as the system allows;
/// returns it.
pub fn raise_descriptor_limit() -> usize {
    let allowed = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: allowed.maximum, ..allowed }).expect("the limit may rise");
    allowed.maximum.map_or(usize::MAX, |limit| limit as usize)
}
