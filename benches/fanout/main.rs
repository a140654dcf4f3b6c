//! Fan-out beside peers: `cargo bench --bench fanout -- [PEER or SCENARIO]... [--quick]`.
//!
//! Starts every server itself, one at a time and on a core of its own, and speaks to it from another
//! core. docs/performance.md tells what is measured and how.

mod arguments; // what is asked for
mod catalogue; // the scenarios
mod chart; // pictures of the figures
mod client; // one connection
mod cores; // who runs where
mod cpu; // what a delivery costs
mod crowd; // many connections
mod frame; // the wire, as far as a client needs it
mod growth; // pictures of how cost grows
mod idle; // what silence costs
mod latency; // how long a delivery takes
mod limit; // the best that could be
mod machine; // where it was measured
mod peer; // the servers
mod rate; // how many deliveries there are
mod report; // the figures
mod scenario; // one measurement
mod server; // a server's process
mod table; // the figures for people
mod watched; // many connections, as they have something to read

use anyhow::Context;
use arguments::Arguments;
use clap::Parser;
use cores::Cores;
use report::Report;
use scenario::Bench;
use std::io::{IsTerminal, stderr};

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.limit {
        Some(port) => limit::serve(port),
        None if arguments.bench => run(&arguments),
        None => Ok(()), // `cargo test` has no use for this
    }
}

/// Round by round, every peer in turn, so that whatever disturbs the machine disturbs all.
fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (cores, pace) = (Cores::divide()?, arguments.pace());
    let (scenarios, peers) = (arguments.scenarios()?, arguments.peers());
    let mut report = Report::new(&scenarios, &peers);
    let mut progress = Progress { done: 0, all: report.cells() * pace.rounds };
    for scenario in scenarios {
        for _ in 0..pace.rounds {
            for peer in peers.iter().filter(|peer| scenario.peers.contains(peer)) {
                progress.show(scenario.name, peer.name());
                let figure = scenario.run(&Bench { peer: *peer, pace, cores });
                report.add(scenario, *peer, figure);
            }
        }
        report.write(&arguments.out).context("the report cannot be written")?; // whoever interrupts keeps this
    }
    eprintln!();
    print!("{}", table::of(&report));
    chart::draw(&report, &arguments.out)?;
    growth::draw(&report, &arguments.out)
}

/// Measurements that were begun, and that there will be.
struct Progress {
    done: usize,
    all: usize,
}

impl Progress {
    /// One line that changes on a terminal, many lines elsewhere.
    fn show(&mut self, scenario: &str, peer: &str) {
        self.done += 1;
        let line = format!("{} of {} · {scenario} · {peer}", self.done, self.all);
        if stderr().is_terminal() {
            eprint!("\r\x1b[K{line}");
        } else {
            eprintln!("{line}");
        }
    }
}
