//! Any header a client may send.

use proptest::{collection::vec, prelude::*, sample::select};
use worldcast::wire::negotiate;

/// Pieces of which offers consist, and some that spoil them.
const PIECES: &[&str] = &[
    "permessage-deflate",
    "server_no_context_takeover",
    "client_no_context_takeover",
    "server_max_window_bits",
    "client_max_window_bits",
    "8",
    "9",
    "10",
    "15",
    "16",
    "x",
    ";",
    "; ",
    ",",
    ", ",
    "=",
    "\"",
    "\\",
    " ",
    "\t",
    "é",
];

proptest! {
    #[test]
    fn any_header_is_negotiated_without_a_panic(headers in vec(".{0,60}", 0..3)) {
        let _ = negotiate(headers.iter().map(String::as_str));
    }

    #[test]
    fn an_agreement_has_only_offered_parameters(headers in vec(vec(select(PIECES), 0..12), 0..3)) {
        let headers: Vec<String> = headers.iter().map(|pieces| pieces.concat()).collect();
        let agreement = negotiate(headers.iter().map(String::as_str));
        let Some(agreement) = agreement else { return Ok(()) };
        let offer = headers.join(",");
        prop_assert!(offer.contains("permessage-deflate"));
        prop_assert!(agreement.response.is_ascii());
        let window = format!("; server_max_window_bits={}", agreement.window.bits());
        prop_assert_eq!(agreement.response.ends_with(&window), agreement.response.contains("window"));
        prop_assert!(offer.contains("server_max_window_bits") || agreement.window.bits() == 15);
    }

    #[test]
    fn an_offer_survives_its_neighbours(before in vec(select(PIECES), 0..8)) {
        let before = before.concat().replace('"', "").replace("permessage-deflate", "other");
        let header = format!("{before}, permessage-deflate; server_max_window_bits=12");
        prop_assert_eq!(negotiate([&*header].into_iter()).unwrap().window.bits(), 12);
    }
}
