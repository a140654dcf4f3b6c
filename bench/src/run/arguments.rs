//! The command line.

use crate::{
    bench::Pace,
    peers::Peer,
    scenarios::{Scenario, catalogue},
};
use anyhow::bail;
use clap::Parser;
use std::path::PathBuf;

/// Measures worldcast beside its peers. Peers that bench/peers/install.sh has not installed are
/// left out.
#[derive(Parser)]
#[command(name = "cargo run --release -p worldcast-bench --")]
pub struct Arguments {
    /// Peers and scenarios to measure; without any peer all peers, without any scenario all
    /// scenarios. `nodes` is all scenarios whose names begin with `nodes-`.
    #[arg(value_name = "PEER or SCENARIO")]
    names: Vec<String>,

    /// A first look: one round, a tenth of the time.
    #[arg(long)]
    quick: bool,

    /// Measurements of each peer in each scenario.
    #[arg(long, default_value_t = 3, conflicts_with = "quick")]
    rounds: usize,

    /// Measures nothing: shows the figures of an earlier fanout.json.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["names", "quick", "rounds"])]
    pub draw: Option<PathBuf>,

    /// Compares this worldcast with another build of it.
    #[arg(long, value_name = "PROGRAM", conflicts_with_all = ["quick", "draw"])]
    pub against: Option<PathBuf>,

    /// Directory for fanout.json and the pictures.
    #[arg(long, default_value = "target/fanout")]
    pub out: PathBuf,
}

impl Arguments {
    pub fn pace(&self) -> Pace {
        Pace { rounds: if self.quick { 1 } else { self.rounds }, quick: self.quick }
    }

    /// The peers that are asked for and installed.
    pub fn peers(&self) -> Vec<Peer> {
        let mut peers: Vec<_> = Peer::ALL.into_iter().filter(|peer| self.names(peer.name())).collect();
        if peers.is_empty() {
            peers = Peer::ALL.into();
        }
        peers.retain(|peer| peer.is_installed());
        peers
    }

    /// The scenarios that are asked for and need at most `allowed` connections, as the catalogue
    /// groups them.
    pub fn groups(&self, allowed: usize) -> anyhow::Result<Vec<Vec<Scenario>>> {
        let mut groups = catalogue::groups();
        let all: Vec<_> = groups.iter().flatten().map(|scenario| scenario.name.clone()).collect();
        self.refuse_unknown_names(&all)?;
        let without_names = !all.iter().any(|name| self.names_scenario(name, &all));
        for scenarios in &mut groups {
            scenarios.retain(|scenario| without_names || self.names_scenario(&scenario.name, &all));
            for Scenario { name, .. } in scenarios.extract_if(.., |scenario| scenario.clients() > allowed) {
                eprintln!(
                    "{name} is left out: only {allowed} connections fit into the descriptors (ulimit -Hn)"
                );
            }
        }
        Ok(groups)
    }

    /// True if `name` is asked for.
    pub fn names(&self, name: &str) -> bool {
        self.names.iter().any(|given| given == name)
    }

    /// True if the scenario `name` is asked for, by its name or by the begin of several names.
    fn names_scenario(&self, name: &str, all: &[String]) -> bool {
        let begins = |given: &String| begins(name, given) && !all.contains(given);
        self.names(name) || self.names.iter().any(begins)
    }

    /// # Errors
    /// If a peer is asked for.
    pub fn name_no_peer(&self) -> anyhow::Result<()> {
        match Peer::ALL.into_iter().find(|peer| self.names(peer.name())) {
            Some(peer) => bail!("another build is compared, not {}: name scenarios alone", peer.name()),
            None => Ok(()),
        }
    }

    fn refuse_unknown_names(&self, scenarios: &[String]) -> anyhow::Result<()> {
        let peers = Peer::ALL.map(Peer::name);
        for name in &self.names {
            let is_scenario = scenarios.iter().any(|scenario| scenario == name || begins(scenario, name));
            if !peers.contains(&&**name) && !is_scenario {
                bail!("no \"{name}\"; peers: {}; scenarios: {}", peers.join(", "), scenarios.join(", "));
            }
        }
        Ok(())
    }
}

/// True for `nodes-single` and `nodes`.
fn begins(scenario: &str, name: &str) -> bool {
    scenario.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_scenario_or_the_begin_of_several() {
        let chosen = |name: &str| {
            let arguments = Arguments::parse_from(["bench", name]);
            let scenarios = arguments.groups(usize::MAX).unwrap().concat();
            scenarios.into_iter().map(|scenario| scenario.name).collect::<Vec<_>>()
        };
        assert_eq!(chosen("burst"), ["burst"]);
        assert!(chosen("nodes").len() > 10);
        assert!(chosen("nodes").iter().all(|name| name.starts_with("nodes-")));
        assert!(Arguments::parse_from(["bench", "nod"]).groups(usize::MAX).is_err());
    }
}
