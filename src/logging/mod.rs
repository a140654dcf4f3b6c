//! The log on standard error, and what may be written into it.

mod budget; // how much clients may cause
mod escape; // what clients say, made safe
mod throttle; // what is said again and again
mod writer; // the thread that writes

pub use escape::Escaped;
pub use writer::{dropped, finish};

use crate::config::LogSettings;
use budget::Budget;
use env_logger::{Target, WriteStyle};
use log::LevelFilter;
use std::{io::IsTerminal, panic::PanicHookInfo};
use throttle::Throttle;

/// The target of every line of ours.
pub const TARGET: &str = "worldcast";

/// The target of a line of ours that would come again and again: it is written once a minute.
pub const REPEATING: &str = "worldcast::complaint";

/// What clients may still cause.
static CLIENT_LINES: Budget = Budget::new();

/// Whether a line of this level that a client causes is to be written; asked before the line is made.
pub fn admits(level: log::Level) -> bool {
    log::log_enabled!(target: TARGET, level) && CLIENT_LINES.take()
}

/// Lines that clients caused and that were left out, since the start.
pub fn suppressed() -> u64 {
    CLIENT_LINES.suppressed()
}

/// Logs what a client causes, within `log.lines_per_second`.
macro_rules! log_client {
    ($level:expr, $($line:tt)+) => {
        if $crate::logging::admits($level) {
            log::log!(target: $crate::logging::TARGET, $level, $($line)+);
        }
    };
}
pub(crate) use log_client;

/// Starts the log; the environment variable `RUST_LOG` has the last word on levels.
pub fn start(settings: &LogSettings) {
    let log = env_logger::Builder::new()
        .filter_level(LevelFilter::Warn) // the libraries' own lines
        .filter_module(TARGET, settings.level)
        .parse_default_env()
        .target(Target::Pipe(Box::new(writer::Writer::start())))
        .write_style(style())
        .build();
    CLIENT_LINES.limit(settings.lines_per_second);
    log::set_max_level(log.filter());
    log::set_boxed_logger(Box::new(Throttle::new(log))).expect("the log is started once");
    std::panic::set_hook(Box::new(log_panic));
}

/// The standard hook would wait for whoever reads standard error.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    log::error!(target: TARGET, "panicked at {place}: {}", Escaped(panic.payload_as_str().unwrap_or("?")));
}

/// Colours are for people: only on a terminal, and not where they are unwanted (no-color.org).
fn style() -> WriteStyle {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if wanted && std::io::stderr().is_terminal() { WriteStyle::Always } else { WriteStyle::Never }
}
