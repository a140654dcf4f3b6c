//! Another build of worldcast beside this one.

use crate::{
    arguments::Arguments,
    cores::Cores,
    cpu::{self, Load},
    descriptors,
    figures::Figures,
    peer::Peer,
    scenario::{Bench, Measure, Scenario},
};
use anyhow::{Context, ensure};
use std::path::Path;

/// How much longer they are measured than peers are.
const TIMES: u32 = 2;

/// Both start anew for each round, in another order, since the places of their sockets in memory make a difference too.
pub fn run(arguments: &Arguments, program: &Path) -> anyhow::Result<()> {
    let (cores, pace, allowed) = (Cores::divide()?, arguments.pace(), descriptors::raise()? / 2);
    let this = Bench::new(Peer::Worldcast, pace, cores);
    let other = Bench { program: program.to_owned(), ..this.clone() };
    let both = [this, other];
    for (title, load) in loads(arguments, allowed)? {
        let mut ratios = Figures::default();
        for round in 0..pace.rounds {
            let mut both = both.clone();
            both.rotate_left(round % 2);
            let figures = cpu::per_delivery(&both, load, pace.measure * TIMES);
            let mut figures = figures.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
            figures.rotate_right(round % 2);
            ratios.0.push(figures[0] / figures[1]);
        }
        let (median, (least, greatest)) = ratios.median().zip(ratios.range()).context("no round")?;
        println!("{title}: this / other {median:.3} ({least:.3}–{greatest:.3})");
    }
    Ok(())
}

/// Of the scenarios that are asked for, those that both builds fit into.
fn loads(arguments: &Arguments, allowed: usize) -> anyhow::Result<Vec<(String, Load)>> {
    let mut loads = Vec::new();
    for Scenario { name, title, measure, .. } in arguments.groups(allowed)?.concat() {
        match measure {
            Measure::Cpu(load) => loads.push((title, load)),
            _ => ensure!(
                !arguments.names(&name),
                "builds are compared by the CPU of a delivery, not by {name}"
            ),
        }
    }
    Ok(loads)
}
