//! What is asked for on the command line.

use crate::{
    catalogue,
    cores::Cores,
    peer::Peer,
    scenario::{Bench, Pace, Scenario},
};
use anyhow::{Context, bail};
use clap::Parser;
use std::path::{Path, PathBuf};

/// Measures worldcast beside its peers. Those that benches/peers/install.sh has not installed are left out.
#[derive(Parser)]
#[command(name = "cargo bench --bench fanout --")]
pub struct Arguments {
    /// Peers and scenarios to measure; without any peer all peers, without any scenario all scenarios.
    #[arg(value_name = "PEER or SCENARIO")]
    names: Vec<String>,

    /// A first look: one round, a tenth of the time.
    #[arg(long)]
    quick: bool,

    /// How often each peer is measured in each scenario.
    #[arg(long, default_value_t = 3, conflicts_with = "quick")]
    rounds: usize,

    /// Measures nothing: shows the figures of an earlier fanout.json again.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["names", "quick", "rounds"])]
    pub draw: Option<PathBuf>,

    /// Compares this worldcast with another build of it, as precisely as can be.
    #[arg(long, value_name = "PROGRAM", conflicts_with_all = ["quick", "draw"])]
    pub against: Option<PathBuf>,

    /// Directory for fanout.json and the pictures.
    #[arg(long, default_value = "target/fanout")]
    pub out: PathBuf,

    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    pub bench: bool,

    /// Be the peer named limit, on this port.
    #[arg(long, hide = true)]
    pub limit: Option<u16>,

    /// Be the party of the one peer in the one scenario, whose server is this program.
    #[arg(long, hide = true)]
    pub party: Option<PathBuf>,
}

impl Arguments {
    pub fn pace(&self) -> Pace {
        Pace { rounds: if self.quick { 1 } else { self.rounds }, quick: self.quick }
    }

    /// The installed ones of the peers that are asked for.
    pub fn peers(&self) -> Vec<Peer> {
        let mut peers: Vec<_> = Peer::ALL.into_iter().filter(|peer| self.names(peer.name())).collect();
        if peers.is_empty() {
            peers = Peer::ALL.into();
        }
        peers.retain(|peer| peer.is_installed());
        peers
    }

    /// The scenarios that are asked for and that so many connections suffice for, as the catalogue groups them.
    pub fn groups(&self, allowed: usize) -> anyhow::Result<Vec<Vec<Scenario>>> {
        let mut groups = catalogue::groups();
        let all: Vec<_> = groups.iter().flatten().map(|scenario| scenario.name.clone()).collect();
        self.refuse_unknown_names(&all)?;
        let without_names = !all.iter().any(|name| self.names(name));
        for scenarios in &mut groups {
            scenarios.retain(|scenario| without_names || self.names(&scenario.name));
            for Scenario { name, .. } in scenarios.extract_if(.., |scenario| scenario.clients() > allowed) {
                eprintln!(
                    "{name} is left out: only {allowed} connections fit into the descriptors (ulimit -Hn)"
                );
            }
        }
        Ok(groups)
    }

    /// The only peer that is asked for, as `program`, in the only scenario.
    pub fn party_of(&self, program: &Path) -> anyhow::Result<Bench> {
        let scenario = catalogue::groups().into_iter().flatten().find(|scenario| self.names(&scenario.name));
        let peer = Peer::ALL.into_iter().find(|peer| self.names(peer.name()));
        let (scenario, peer) = scenario.zip(peer).context("a party needs a scenario and a peer")?;
        Ok(Bench { scenario, peer, program: program.into(), pace: self.pace(), cores: Cores::divide()? })
    }

    /// Whether `name` is asked for.
    pub fn names(&self, name: &str) -> bool {
        self.names.iter().any(|given| given == name)
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
            if !peers.contains(&&**name) && !scenarios.contains(name) {
                bail!("no \"{name}\"; peers: {}; scenarios: {}", peers.join(", "), scenarios.join(", "));
            }
        }
        Ok(())
    }
}
