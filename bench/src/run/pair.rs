//! Another build of worldcast beside this one.

use super::{Arguments, build, turns};
use crate::{
    bench::Bench,
    cores::Cores,
    descriptors,
    peers::Peer,
    report::Figures,
    scenarios::{self, Measurement},
};
use anyhow::Context;
use std::{path::Path, slice};

/// Compares this build with `program` in every scenario of `arguments`, and prints the ratios.
///
/// Both start anew for each round, once in each order: the addresses of their sockets in memory
/// make a difference too.
pub fn compare_builds(arguments: &Arguments, program: &Path) -> anyhow::Result<()> {
    build::up_to_date()?;
    let (cores, pace, allowed) = (Cores::divide()?, arguments.pace(), descriptors::raise()?);
    cores.keep_awake()?;
    arguments.name_no_peer()?;
    for scenario in arguments.groups(allowed)?.concat() {
        let this = Measurement::new(&scenario, Peer::Worldcast, pace, cores);
        let bench = Bench { program: program.to_owned(), ..this.bench.clone() };
        let other = Measurement { bench, ..this.clone() };
        let (in_order, reversed) = ([this.clone(), other.clone()], [other, this]);
        let measured = |pair: &[Measurement]| {
            let at_once = scenarios::at_once(slice::from_ref(&scenario), vec![pair.to_vec()]);
            let figures = at_once.iter().flat_map(|measurements| turns::measure(measurements));
            figures.collect::<anyhow::Result<Vec<_>>>()
        };
        let mut ratios = Figures::default();
        for _ in 0..pace.rounds {
            let (one, two) = (measured(&in_order)?, measured(&reversed)?);
            ratios.0.push((one[0] / one[1] * two[1] / two[0]).sqrt());
        }
        let (median, (min, max)) = ratios.median().zip(ratios.range()).context("no round")?;
        println!("{}: this / other {median:.3} ({min:.3}–{max:.3})", scenario.name);
    }
    Ok(())
}
