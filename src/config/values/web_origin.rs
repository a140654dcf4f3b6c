//! The origin of a web page, as browsers send it.

use super::host::Host;

/// The value of the header `Origin` (RFC 6454 §7).
#[derive(Clone, Copy, Debug)]
pub enum WebOrigin<'a> {
    /// `null` for files and sandboxes, or `file://` of some browsers; two equal values may be
    /// different pages.
    Opaque(&'a str),
    /// The origin of a page.
    Page {
        /// The scheme, such as `https`.
        scheme: &'a str,
        /// The host.
        host: Host<'a>,
        /// The port, or the default port of the scheme; `None` if the scheme has none.
        port: Option<u16>,
    },
}

impl<'a> WebOrigin<'a> {
    /// Parses the header's value; `None` if it is no origin.
    pub fn parse(origin: &'a str) -> Option<Self> {
        if is_opaque(origin) {
            return Some(Self::Opaque(origin));
        }
        let (scheme, authority) = split_scheme(origin)?;
        let (host, port) = Host::with_port(authority)?;
        Some(Self::Page { scheme, host, port: port.or(default_port(scheme)) })
    }
}

pub(super) fn is_opaque(origin: &str) -> bool {
    ["null", "file://"].contains(&origin)
}

/// Splits a scheme (RFC 3986 §3.1), which may be that of an app or an extension, from the rest
/// after `://`.
pub(super) fn split_scheme(origin: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = origin.split_once("://")?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some((scheme, rest))
}

/// Returns the port of a URL of this scheme that names none.
pub fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        scheme if scheme.eq_ignore_ascii_case("https") => Some(443),
        scheme if scheme.eq_ignore_ascii_case("http") => Some(80),
        _ => None,
    }
}
