//! The order of measurements: rounds, groups, turns.

mod arguments; // the command line
mod build; // the programs that are measured
mod pair; // another build beside this one
mod party_process; // the clients of each server in a process of their own
mod progress; // finished and remaining turns
mod turns; // several servers at once

pub use arguments::Arguments;
pub use pair::compare_builds;
pub use party_process::serve;

use crate::{
    cores::Cores,
    descriptors,
    peers::Peer,
    report::{self, Machine, Report},
    scenarios::{self, Measurement},
};
use anyhow::Context;
use progress::Progress;
use std::iter;

/// Measures round by round: a disturbance of the machine then affects all scenarios of a group.
pub fn all(arguments: &Arguments) -> anyhow::Result<()> {
    build::up_to_date()?;
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
                scenarios.map(|scenario| Measurement::new(scenario, *peer, pace, cores)).collect()
            };
            for measurements in scenarios::at_once(compared, peers.iter().map(of).collect()) {
                progress.start(&measurements);
                for (of, figure) in measurements.iter().zip(turns::measure(&measurements)) {
                    report.add(&of.scenario, of.bench.peer, figure);
                }
                progress.end(&measurements);
            }
        }
        // An interrupted run keeps this.
        report.write(&arguments.out).context("the report cannot be written")?;
    }
    progress.finish();
    report::show(&report, &arguments.out)
}
