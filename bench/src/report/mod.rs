//! All figures of a run, as a file, as tables and as pictures.

mod chart; // bars of each scenario
mod figures; // the figures of all rounds
mod growth; // lines of growing numbers
mod machine; // the machine and the date
mod picture; // parts of all pictures
mod table; // the figures as text

pub use figures::Figures;
pub use machine::Machine;

use crate::{peers::Peer, scenarios::Scenario};
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::{fs, io, path::Path};

/// A machine, and a row for each scenario.
#[derive(Deserialize, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub rows: Vec<Row>,
}

/// A scenario and the figures of each peer.
#[derive(Deserialize, Serialize)]
pub struct Row {
    pub name: String,
    pub title: String,
    pub unit: String,
    pub over: Option<String>,
    pub peers: Vec<Cell>,
}

#[derive(Deserialize, Serialize)]
pub struct Cell {
    pub peer: String,
    pub figures: Figures,
    pub failures: Vec<String>,
}

/// Prints the tables, and draws the pictures into `directory`.
pub fn show(report: &Report, directory: &Path) -> anyhow::Result<()> {
    print!("{}", table::of(report));
    fs::create_dir_all(directory)?;
    chart::draw(report, directory)?;
    growth::draw(report, directory)
}

impl Report {
    pub fn new(scenarios: &[Scenario], peers: &[Peer], machine: Machine) -> Self {
        Self { machine, rows: scenarios.iter().map(|scenario| Row::new(scenario, peers)).collect() }
    }

    /// Reads the file of an earlier run.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let text = fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is no report", file.display()))
    }

    pub fn add(&mut self, scenario: &Scenario, peer: Peer, figure: anyhow::Result<f64>) {
        let row = self.rows.iter_mut().find(|row| row.name == scenario.name);
        let cell = row.and_then(|row| row.peers.iter_mut().find(|cell| cell.peer == peer.name()));
        match (cell, figure) {
            (Some(cell), Ok(figure)) => cell.figures.0.push(figure),
            (Some(cell), Err(error)) => cell.failures.push(format!("{error:#}")),
            (None, _) => {}
        }
    }

    /// The figures of `peer` in the scenario `name`.
    pub fn figures(&self, name: &str, peer: &str) -> Option<&Figures> {
        self.rows.iter().find(|row| row.name == name)?.figures(peer)
    }

    pub fn write(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        fs::write(directory.join("fanout.json"), serde_json::to_string_pretty(self)?)
    }
}

impl Row {
    fn new(scenario: &Scenario, peers: &[Peer]) -> Self {
        let cell = |peer: Peer| Cell {
            peer: peer.name().to_owned(),
            figures: Figures::default(),
            failures: Vec::new(),
        };
        Self {
            name: scenario.name.clone(),
            title: scenario.title.clone(),
            unit: scenario.unit().to_owned(),
            over: scenario.over.clone(),
            peers: scenario.peers_of(peers).map(cell).collect(),
        }
    }

    pub fn figures(&self, peer: &str) -> Option<&Figures> {
        Some(&self.peers.iter().find(|cell| cell.peer == peer)?.figures)
    }
}
