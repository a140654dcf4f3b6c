//! The log on standard error, and the lines that may be written to it.

mod budget; // lines per second that clients may cause
mod escape; // text of clients, made safe
mod subject; // the client that a line is about
mod throttle; // one line per call site and minute
mod writer; // the thread that writes

pub use escape::Escaped;
pub use subject::Subject;
pub use writer::{dropped, finish};

use crate::config::LogSettings;
use budget::Budget;
use env_logger::{Target, WriteStyle};
use log::LevelFilter;
use std::{
    io::{IsTerminal, Write},
    net::SocketAddr,
    panic::PanicHookInfo,
};
use throttle::Throttle;

/// The target of the program's own log lines.
pub const TARGET: &str = "worldcast";

/// The target of log lines that may repeat: each call site writes one line per minute.
pub const REPEATING: &str = "worldcast::repeating";

/// The log lines that clients may still cause in this second.
static CLIENT_LINES: Budget = Budget::new();

/// Returns true if a line of this level that the client at `peer` causes is to be written, and
/// counts it. It is called before the line is formatted.
pub fn admits(level: log::Level, peer: Option<SocketAddr>) -> bool {
    log::log_enabled!(target: TARGET, level) && CLIENT_LINES.take(peer.map(|peer| peer.ip()))
}

/// Returns the number of lines caused by clients that were suppressed since the start.
pub fn suppressed() -> u64 {
    CLIENT_LINES.suppressed()
}

/// Logs a line that the client at an address causes, within `log.lines_per_second`.
macro_rules! log_client {
    ($peer:expr, $level:expr, $($line:tt)+) => {
        if $crate::logging::admits($level, $peer) {
            log::log!(target: $crate::logging::TARGET, $level, $($line)+);
        }
    };
}
pub(crate) use log_client;

/// Starts the log. The environment variable `RUST_LOG` overrides `log.level`.
///
/// # Panics
/// Panics if the process has a logger already.
pub fn start(settings: &LogSettings) {
    let gaps = writer::GapReport::new(|pipe| build(settings, pipe));
    let log = build(settings, Box::new(writer::Writer::start(gaps)));
    CLIENT_LINES.limit(settings.lines_per_second);
    log::set_max_level(log.filter());
    log::set_boxed_logger(Box::new(Throttle::new(log))).expect("the log is started once");
    std::panic::set_hook(Box::new(log_panic));
}

/// Builds a logger that writes the lines of `settings` to `pipe`.
fn build(settings: &LogSettings, pipe: Box<dyn Write + Send>) -> env_logger::Logger {
    env_logger::Builder::new()
        .filter_level(LevelFilter::Warn) // the libraries' own lines
        .filter_module(TARGET, settings.level)
        .parse_default_env()
        .target(Target::Pipe(pipe))
        .write_style(style())
        .build()
}

/// Logs a panic. The standard hook would block while the reader of standard error stalls.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    log::error!(target: TARGET, "panicked at {location}: {}", Escaped(panic.payload_as_str().unwrap_or("?")));
}

/// Returns the style: colors on a terminal only, and not if `NO_COLOR` is set (no-color.org).
fn style() -> WriteStyle {
    let is_colored = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if is_colored && std::io::stderr().is_terminal() { WriteStyle::Always } else { WriteStyle::Never }
}
