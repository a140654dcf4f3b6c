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
    filtered(settings.level, &std::env::var("RUST_LOG").unwrap_or_default())
        .target(Target::Pipe(pipe))
        .write_style(style())
        .build()
}

/// Returns a log of the lines that pass `directives`, the value of `RUST_LOG`. `level` holds for
/// the program's own lines unless a directive is about them: one with their target, or one without
/// any, which is about all lines.
fn filtered(level: LevelFilter, directives: &str) -> env_logger::Builder {
    let mut log = env_logger::Builder::new();
    log.filter_level(LevelFilter::Warn); // the libraries' own lines
    if !has_level_for_all(directives) {
        log.filter_module(TARGET, level);
    }
    log.parse_filters(directives);
    log
}

/// Returns true if one of the directives is a level without a target, as in `info` and
/// `actix_http=trace,debug`. The part behind a slash is a pattern for the text of lines.
fn has_level_for_all(directives: &str) -> bool {
    let (directives, _) = directives.split_once('/').unwrap_or((directives, ""));
    directives.split(',').any(|directive| directive.trim().parse::<LevelFilter>().is_ok())
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

#[cfg(test)]
mod tests {
    use super::*;
    use log::{Level, Log, Metadata};

    #[test]
    fn rust_log_overrides_the_level_where_it_says_one() {
        let passes = |directives, target, level| {
            let log = filtered(LevelFilter::Info, directives).build();
            log.enabled(&Metadata::builder().target(target).level(level).build())
        };
        let most = |directives, target| {
            let levels = [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error];
            levels.into_iter().find(|level| passes(directives, target, *level))
        };
        for (directives, own, repeating, of_libraries) in [
            ("", Some(Level::Info), Some(Level::Info), Some(Level::Warn)),
            ("debug", Some(Level::Debug), Some(Level::Debug), Some(Level::Debug)),
            (" WARN ", Some(Level::Warn), Some(Level::Warn), Some(Level::Warn)),
            ("off", None, None, None),
            ("worldcast=debug", Some(Level::Debug), Some(Level::Debug), Some(Level::Warn)),
            ("worldcast", Some(Level::Trace), Some(Level::Trace), Some(Level::Warn)),
            ("error,worldcast=trace", Some(Level::Trace), Some(Level::Trace), Some(Level::Error)),
            ("actix_http=trace", Some(Level::Info), Some(Level::Info), Some(Level::Trace)),
            ("actix_http=trace,error", Some(Level::Error), Some(Level::Error), Some(Level::Trace)),
            ("worldcast::repeating=off", Some(Level::Info), None, Some(Level::Warn)),
            ("nonsense=much", Some(Level::Info), Some(Level::Info), Some(Level::Warn)),
        ] {
            let found =
                (most(directives, TARGET), most(directives, REPEATING), most(directives, "actix_http"));
            assert_eq!(found, (own, repeating, of_libraries), "{directives}");
        }
    }
}
