//! Another build of worldcast beside this one: both run all the time, and work in turn, for some milliseconds each.
//!
//! Whatever disturbs the machine for longer than that disturbs both, so that a difference of one in a hundred shows.

use crate::{
    arguments::Arguments,
    cores::Cores,
    cpu::{Load, Party},
    descriptors,
    figures::Figures,
    peer::Peer,
    scenario::{Bench, Measure, Scenario},
};
use anyhow::{Context, ensure};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// How long one works before it is the other's turn.
const TURN: Duration = Duration::from_millis(20);
/// How much longer than a peer they are measured, both together.
const TIMES: u32 = 4;

/// Both start anew for each round, since the places of their sockets in memory make a difference too.
pub fn run(arguments: &Arguments, program: &Path) -> anyhow::Result<()> {
    let (cores, pace, allowed) = (Cores::divide()?, arguments.pace(), descriptors::raise()? / 2);
    let this = Bench::new(Peer::Worldcast, pace, cores);
    let other = Bench { program: program.to_owned(), ..Bench::new(Peer::Worldcast, pace, cores) };
    for (title, load) in loads(arguments, allowed)? {
        let ratio = |round| match round % 2 {
            0 => ratio(&this, &other, load),
            _ => Ok(1.0 / ratio(&other, &this, load)?),
        };
        let ratios = Figures((0..pace.rounds).map(ratio).collect::<anyhow::Result<_>>()?);
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

/// How many times the CPU of the second a delivery costs the first.
fn ratio(first: &Bench, second: &Bench, load: Load) -> anyhow::Result<f64> {
    let time = first.pace.warm + first.pace.measure * TIMES;
    let (mut first, mut second) = (Party::gather(first, load)?, Party::gather(second, load)?);
    let (mut ones, mut others) = (Figures::default(), Figures::default());
    let began = Instant::now();
    while began.elapsed() < time {
        ones.0.push(first.run(TURN, 1)?);
        others.0.push(second.run(TURN, 1)?);
    }
    ones.over(&others).median().context("no turn")
}
