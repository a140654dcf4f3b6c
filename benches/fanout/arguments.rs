//! What is asked for on the command line.

use crate::{
    catalogue,
    peer::Peer,
    scenario::{Pace, Scenario},
};
use anyhow::bail;
use clap::Parser;
use std::{path::PathBuf, time::Duration};

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

    /// Directory for fanout.json and the pictures.
    #[arg(long, default_value = "target/fanout")]
    pub out: PathBuf,

    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    pub bench: bool,

    /// Be the peer named limit, on this port.
    #[arg(long, hide = true)]
    pub limit: Option<u16>,
}

impl Arguments {
    pub fn pace(&self) -> Pace {
        let (rounds, divisor) = if self.quick { (1, 10) } else { (self.rounds, 1) };
        Pace {
            rounds,
            measure: Duration::from_secs(2) / divisor,
            chat: Duration::from_secs(6) / divisor.min(3),
            idle: Duration::from_secs(30) / divisor,
        }
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

    /// Those that are asked for.
    pub fn scenarios(&self) -> anyhow::Result<Vec<Scenario>> {
        let mut scenarios = catalogue::scenarios();
        self.refuse_unknown_names(&scenarios)?;
        if scenarios.iter().any(|scenario| self.names(&scenario.name)) {
            scenarios.retain(|scenario| self.names(&scenario.name));
        }
        Ok(scenarios)
    }

    fn names(&self, name: &str) -> bool {
        self.names.iter().any(|given| given == name)
    }

    fn refuse_unknown_names(&self, scenarios: &[Scenario]) -> anyhow::Result<()> {
        let peers = Peer::ALL.map(Peer::name);
        let scenarios: Vec<_> = scenarios.iter().map(|scenario| &*scenario.name).collect();
        for name in &self.names {
            if !peers.contains(&&**name) && !scenarios.contains(&&**name) {
                bail!("no \"{name}\"; peers: {}; scenarios: {}", peers.join(", "), scenarios.join(", "));
            }
        }
        Ok(())
    }
}
