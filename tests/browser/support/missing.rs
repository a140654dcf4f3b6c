//! Missing programs, and the tests that are skipped without them.

use std::{
    env,
    io::{Write, stderr},
    path::PathBuf,
};

/// The path of the first of `names` that is installed.
pub fn program(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let places: Vec<_> = env::split_paths(&path).collect();
    let found = names.iter().flat_map(|name| places.iter().map(move |place| place.join(name)));
    found.into_iter().find(|path| path.is_file())
}

/// Prints that a test is skipped without `what`; fails where WORLDCAST_REQUIRE names the browser.
pub fn skip(what: &str) {
    let required = env::var("WORLDCAST_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|name| name.trim() == "browser"), "{what} not found");
    let _ = writeln!(stderr(), "skipped: {what} not found"); // not captured, as println! is
}
