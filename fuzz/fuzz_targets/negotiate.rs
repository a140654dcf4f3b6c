//! Negotiates any header that offers extensions: no panic, and no agreement without an offer.

#![no_main]

use libfuzzer_sys::fuzz_target;
use worldcast::wire::negotiate;

fuzz_target!(|headers: &str| {
    let Some(agreement) = negotiate(headers.lines()) else { return };
    assert!(headers.contains("permessage-deflate"));
    assert!(headers.contains("server_max_window_bits") || agreement.window.bits() == 15);
});
