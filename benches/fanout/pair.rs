//! Another build of worldcast beside this one.

use crate::{
    arguments::Arguments,
    cores::Cores,
    descriptors,
    figures::Figures,
    peer::Peer,
    scenario::{Bench, Pace},
};
use anyhow::Context;
use std::path::Path;

/// How much longer they are measured than peers are, where the CPU of a message or of a connection is compared.
const TIMES: u32 = 2;

/// Both start anew for each round, in another order, since the places of their sockets in memory make a difference too;
/// side by side wherever both fit, even where peers are measured alone.
pub fn run(arguments: &Arguments, program: &Path) -> anyhow::Result<()> {
    let (cores, pace, allowed) = (Cores::divide()?, arguments.pace(), descriptors::raise()?);
    let this = Bench::new(Peer::Worldcast, Pace { measure: pace.measure * TIMES, ..pace }, cores);
    let other = Bench { program: program.to_owned(), ..this.clone() };
    let both = [this, other];
    arguments.name_no_peer()?;
    for scenario in arguments.groups(allowed)?.concat() {
        let mut ratios = Figures::default();
        for round in 0..pace.rounds {
            let mut both = both.clone();
            both.rotate_left(round % 2);
            let figures = both.chunks(scenario.fitting(allowed)).flat_map(|benches| scenario.run(benches));
            let mut figures = figures.collect::<anyhow::Result<Vec<_>>>()?;
            figures.rotate_right(round % 2);
            ratios.0.push(figures[0] / figures[1]);
        }
        let (median, (least, greatest)) = ratios.median().zip(ratios.range()).context("no round")?;
        println!("{}: this / other {median:.3} ({least:.3}–{greatest:.3})", scenario.name);
    }
    Ok(())
}
