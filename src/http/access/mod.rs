//! Who may do what over HTTP: judged by where a page came from, and by the key that a request shows.

pub mod api_keys; // Authorization: Bearer
pub mod cors; // pages of other origins that read responses
pub mod origin; // pages that may connect, hosts that are answered
