//! The command line of the runner.

use std::time::Duration;

/// The length of the ordinary test run.
const SHORT: Duration = Duration::from_secs(8);

pub struct Options {
    pub seed: u64,
    /// The length of the main act.
    pub length: Duration,
    /// Nodes that share one Redis; 0 is one server without it.
    pub nodes: usize,
}

impl Options {
    /// `--seed N`, `--seconds N`, `--minutes N`, `--nodes N`; `None` when other tests were asked for, or a list
    /// of them.
    pub fn read(arguments: impl Iterator<Item = String>) -> Option<Self> {
        let arguments: Vec<_> = arguments.collect();
        let number = |name: &str| {
            let at = arguments.iter().position(|argument| argument == name)?;
            arguments.get(at + 1)?.parse::<u64>().ok()
        };
        let minutes = number("--minutes").map(|minutes| Duration::from_secs(60 * minutes));
        let length = number("--seconds").map(Duration::from_secs).or(minutes).unwrap_or(SHORT);
        let seed = number("--seed").unwrap_or_else(|| fastrand::u64(..1_000_000));
        let nodes = number("--nodes").unwrap_or_default() as usize;
        if arguments.iter().any(|argument| argument == "--list") {
            println!("stress: test");
            return None;
        }
        is_for_us(&arguments).then_some(Self { seed, length, nodes })
    }
}

/// `cargo test` gives every test target the same arguments: first a filter, which may be for
/// others.
fn is_for_us(arguments: &[String]) -> bool {
    let first = arguments.first().map_or("", String::as_str);
    let is_filter = !first.is_empty() && !first.starts_with('-');
    !is_filter || "stress".contains(first)
}
