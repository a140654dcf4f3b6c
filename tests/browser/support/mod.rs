//! Support for the tests of this folder.

mod axe; // accessibility by axe-core
mod browser; // Chromium
mod console; // its console
mod driver; // the program that drives it
mod missing; // programs that are not installed
mod page; // a page of another origin
mod proxy; // a server below a path
mod vendor; // commands of this driver alone
mod window; // one window: observations and actions

pub use axe::Axe;
pub use browser::Browser;
pub use page::empty_page;
pub use proxy::proxy_below;
pub use testing::{PATIENCE, within};
pub use window::Window;

use crate::process::{Launch, Server};

/// Random numbers so high that a page waits for minutes before it reconnects.
pub const LOADED_DICE: &str = "Math.random = () => 1000;";

/// Random numbers so low that a page hardly waits.
pub const LIGHT_DICE: &str = "Math.random = () => -0.99;";

/// The program with the page of this source tree.
pub fn server() -> Server {
    server_with::<&str>(&[])
}

pub fn server_with<V: ToString>(settings: &[(&str, V)]) -> Server {
    let mut all = vec![("shutdown.drain", "0s".to_owned())];
    all.extend(settings.iter().map(|(key, value)| (*key, value.to_string())));
    Launch::with(&all).start()
}
