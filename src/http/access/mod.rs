//! Access control over HTTP: by the origin of a page, by the name of the server, and by API keys.

pub mod api_keys; // keys in Authorization: Bearer
pub mod cors; // pages of other origins that read responses
pub mod origin; // pages that may connect, names that the server answers to
pub mod rights; // the rights of the sender of a request
