//! Fan-out beside peers: `cargo bench --bench fanout -- [PEER or SCENARIO]... [--quick]`,
//! `--against PROGRAM`, or `--draw FILE`.
//!
//! Starts every server itself, on a core that no client uses, and speaks to it from another core.
//! docs/performance.md tells what is measured and how.

mod apart; // a process for each of several servers' clients
mod arguments; // what is asked for
mod catalogue; // the scenarios
mod chart; // pictures of the figures
mod client; // one connection
mod cores; // who runs where
mod cpu; // what a delivery costs
mod crowd; // many connections
mod descriptors; // how many connections fit
mod figures; // the same thing in every round
mod flood; // who says all it can
mod frame; // the wire, as far as a client needs it
mod growth; // pictures of how cost grows
mod idle; // what silence costs
mod latency; // how long a delivery takes
mod limit; // about what the kernel alone costs
mod machine; // where it was measured
mod pair; // another build beside this one
mod peer; // the servers
mod picture; // what all pictures share
#[path = "../../tests/process/polls.rs"]
mod polls; // what its threads wait for
mod progress; // what was done and what is to come
mod rate; // how many deliveries there are
mod report; // the figures
mod scenario; // one measurement
mod server; // a server's process
mod table; // the figures for people
mod turns; // several servers at once
mod versions; // which servers
mod watched; // many connections, as they have something to read

use anyhow::Context;
use arguments::Arguments;
use clap::Parser;
use cores::Cores;
use machine::Machine;
use peer::Peer;
use progress::Progress;
use report::Report;
use scenario::Bench;
use std::{fs, iter, path::Path};

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match &arguments {
        Arguments { limit: Some(port), .. } => limit::serve(*port),
        Arguments { party: Some(program), .. } => apart::serve(&arguments.party_of(program)?),
        Arguments { draw: Some(file), out, .. } => show(&Report::read(file)?, out),
        Arguments { against: Some(other), .. } => pair::run(&arguments, other),
        Arguments { bench: true, .. } => run(&arguments),
        _ => Ok(()), // `cargo test` has no use for this
    }
}

/// Round by round, so that whatever disturbs the machine disturbs all scenarios of a group.
fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (cores, pace) = (Cores::divide()?, arguments.pace());
    cores.keep_awake()?;
    let allowed = descriptors::raise()?;
    let (groups, peers) = (arguments.groups(allowed)?, arguments.peers());
    let scenarios = groups.concat();
    let mut report = Report::new(&scenarios, &peers, Machine::here_and_now(cores, &peers));
    let mut progress = Progress::of(&scenarios, &peers, pace)?;
    for group in groups.iter().flat_map(|group| iter::repeat_n(group, pace.rounds)) {
        for compared in group.chunk_by(|one, next| next.is_compared_with(one)) {
            let of = |peer: &Peer| {
                let scenarios = compared.iter().filter(|scenario| scenario.is_for(*peer));
                scenarios.map(|scenario| Bench::new(scenario, *peer, pace, cores)).collect()
            };
            for benches in scenario::at_once(compared, peers.iter().map(of).collect()) {
                progress.begin(&benches);
                for (Bench { scenario, peer, .. }, figure) in benches.iter().zip(scenario::run(&benches)) {
                    report.add(scenario, *peer, figure);
                }
                progress.end(&benches);
            }
        }
        report.write(&arguments.out).context("the report cannot be written")?; // whoever interrupts keeps this
    }
    progress.finish();
    show(&report, &arguments.out)
}

/// The tables on the terminal, the pictures in `directory`.
fn show(report: &Report, directory: &Path) -> anyhow::Result<()> {
    print!("{}", table::of(report));
    fs::create_dir_all(directory)?;
    chart::draw(report, directory)?;
    growth::draw(report, directory)
}
