//! The negotiation of compression in the opening handshake (RFC 7692 §5 and §7.1).

use super::WindowBits;

/// The parameters of permessage-deflate that server and client agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The window of the frames that the server sends: 9, 12 or 15 bits.
    pub window: WindowBits,
    /// The value of `Sec-WebSocket-Extensions` in the response.
    pub response: String,
}

/// Accepts the first acceptable offer of permessage-deflate in the values of all
/// `Sec-WebSocket-Extensions` headers of a request; returns `None` if there is none. An offer with
/// a malformed, unknown or repeated parameter is declined (RFC 7692 §7.1), and the next offer is
/// considered.
///
/// Both sides give up context takeover: one message is compressed once for all clients, and an idle
/// session needs no memory for compression. The server may demand that of the client even if the
/// client did not offer it (RFC 7692 §7.1.1.2). The server accepts any window of the client, so the
/// response demands none.
pub fn negotiate<'a>(offers: impl Iterator<Item = &'a str>) -> Option<Agreement> {
    offers.flat_map(|header| split(header, ',')).find_map(accept)
}

impl Agreement {
    fn new(window: Option<WindowBits>) -> Self {
        let bits = window.map(|window| format!("; server_max_window_bits={}", window.bits()));
        let response = format!(
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover{}",
            bits.unwrap_or_default()
        );
        Self { window: window.unwrap_or(WindowBits::MAX), response }
    }
}

fn accept(offer: &str) -> Option<Agreement> {
    let mut parts = split(offer, ';');
    parts.next().filter(|name| *name == "permessage-deflate")?;
    let (mut seen, mut window) = (Vec::new(), None);
    for part in parts {
        let (name, value) = parameter(part)?;
        if seen.contains(&name) {
            return None;
        }
        seen.push(name);
        match (name, value.as_deref()) {
            (
                "server_no_context_takeover" | "client_no_context_takeover" | "client_max_window_bits",
                None,
            ) => {}
            ("client_max_window_bits", Some(bits)) => drop(window_bits(bits)?),
            ("server_max_window_bits", Some(bits)) => window = Some(WindowBits::new(window_bits(bits)?)?),
            _ => return None,
        }
    }
    Some(Agreement::new(window))
}

/// Parses a number of bits: 8 to 15, without leading zeros (RFC 7692 §7.1.2).
fn window_bits(value: &str) -> Option<u8> {
    (8..=15).find(|bits: &u8| bits.to_string() == value)
}

/// Parses a parameter: `name`, `name=value` or `name="value"` (RFC 6455 §9.1).
fn parameter(text: &str) -> Option<(&str, Option<String>)> {
    match text.split_once('=') {
        None => Some((text, None)),
        Some((name, value)) if value.starts_with('"') => Some((name, Some(unquoted(value)?))),
        Some((name, value)) => Some((name, Some(value.to_owned()))),
    }
}

fn unquoted(quoted: &str) -> Option<String> {
    let mut escaped = quoted.strip_prefix('"')?.strip_suffix('"')?.chars();
    let mut plain = String::new();
    while let Some(character) = escaped.next() {
        plain.push(if character == '\\' { escaped.next()? } else { character });
    }
    Some(plain)
}

/// Splits `text` at the separators outside of quotes, and trims the parts.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let ends = move |character| {
        quoted ^= character == '"' && !escaped;
        escaped = quoted && character == '\\' && !escaped;
        character == separator && !quoted
    };
    text.split(ends).map(|part| part.trim_matches([' ', '\t']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

    fn agreed(offers: &[&str]) -> Option<(u8, String)> {
        let agreement = negotiate(offers.iter().copied())?;
        Some((agreement.window.bits(), agreement.response))
    }

    #[test]
    fn compression_is_negotiated_without_context_takeover() {
        let offers = [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits", // browsers
            "permessage-deflate;client_max_window_bits=10;server_no_context_takeover",
            " permessage-deflate ; client_no_context_takeover ;\tclient_max_window_bits=\"8\" ",
        ];
        for offer in offers {
            assert_eq!(agreed(&[offer]), Some((15, PLAIN.into())), "{offer}");
        }
    }

    #[test]
    fn the_window_of_the_server_is_one_of_three_and_no_larger_than_the_client_asks_for() {
        for (bits, agreed_bits) in [(9, 9), (10, 9), (11, 9), (12, 12), (13, 12), (14, 12), (15, 15)] {
            let agreement = Some((agreed_bits, format!("{PLAIN}; server_max_window_bits={agreed_bits}")));
            assert_eq!(agreed(&[&format!("permessage-deflate; server_max_window_bits={bits}")]), agreement);
            assert_eq!(agreed(&[&format!("permessage-deflate; server_max_window_bits = \"{bits}\"")]), None);
            assert_eq!(
                agreed(&[&format!("permessage-deflate; server_max_window_bits=\"{bits}\"")]),
                agreement
            );
        }
        assert_eq!(agreed(&["permessage-deflate; server_max_window_bits=\"1\\2\""]).unwrap().0, 12);
    }

    #[test]
    fn the_first_acceptable_offer_is_accepted() {
        let offers = [
            "x-webkit-deflate-frame, permessage-deflate; server_max_window_bits=8",
            "permessage-bzip2; a=\", permessage-deflate, \\\", permessage-deflate, \"",
            ", , permessage-deflate; server_max_window_bits=11",
            "permessage-deflate",
        ];
        assert_eq!(agreed(&offers).unwrap().0, 9);
    }

    #[test]
    fn an_offer_with_a_malformed_unknown_or_repeated_parameter_is_declined() {
        let parameters = [
            "unknown",
            "",
            "server_no_context_takeover=1",
            "client_no_context_takeover=true",
            "server_max_window_bits",
            "server_max_window_bits=",
            "server_max_window_bits=8", // zlib cannot
            "server_max_window_bits=16",
            "server_max_window_bits=09",
            "server_max_window_bits=+9",
            "server_max_window_bits=\"10",
            "server_max_window_bits=1\"0\"",
            "server_max_window_bits=\"1\\\\0\"",
            "client_max_window_bits=7",
            "client_max_window_bits=\"\"",
            "client_max_window_bits; client_max_window_bits=9",
            "server_no_context_takeover; server_no_context_takeover",
        ];
        for parameter in parameters {
            assert_eq!(agreed(&[&format!("permessage-deflate; {parameter}")]), None, "{parameter}");
        }
    }

    #[test]
    fn other_extensions_are_declined() {
        for offer in ["", ",", "permessage-deflate-x", "permessage deflate", "Permessage-Deflate", "\"", "é"]
        {
            assert_eq!(agreed(&[offer]), None, "{offer}");
        }
    }
}
