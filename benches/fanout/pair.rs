//! Another build of worldcast beside this one.

use crate::{
    arguments::Arguments,
    cores::Cores,
    descriptors,
    figures::Figures,
    peer::Peer,
    scenario::{self, Bench},
};
use anyhow::Context;
use std::{path::Path, slice};

/// Both start anew for each round, once in each order, since the places of their sockets in memory make a difference
/// too.
pub fn run(arguments: &Arguments, program: &Path) -> anyhow::Result<()> {
    let (cores, pace, allowed) = (Cores::divide()?, arguments.pace(), descriptors::raise()?);
    cores.keep_awake()?;
    arguments.name_no_peer()?;
    for scenario in arguments.groups(allowed)?.concat() {
        let this = Bench::new(&scenario, Peer::Worldcast, pace, cores);
        let other = Bench { program: program.to_owned(), ..this.clone() };
        let (in_order, reversed) = ([this.clone(), other.clone()], [other, this]);
        let measured = |benches: &[Bench]| {
            let at_once = scenario::at_once(slice::from_ref(&scenario), vec![benches.to_vec()]);
            let figures = at_once.iter().flat_map(|benches| scenario::run(benches));
            figures.collect::<anyhow::Result<Vec<_>>>()
        };
        let mut ratios = Figures::default();
        for _ in 0..pace.rounds {
            let (one, two) = (measured(&in_order)?, measured(&reversed)?);
            ratios.0.push((one[0] / one[1] * two[1] / two[0]).sqrt());
        }
        let (median, (least, greatest)) = ratios.median().zip(ratios.range()).context("no round")?;
        println!("{}: this / other {median:.3} ({least:.3}–{greatest:.3})", scenario.name);
    }
    Ok(())
}
