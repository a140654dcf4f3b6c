//! All figures of a run.

use crate::{machine::Machine, peer::Peer, scenario::Scenario};
use serde::Serialize;
use std::{fs, io, path::Path};

/// A row for each scenario.
#[derive(Serialize)]
pub struct Report {
    machine: Machine,
    pub rows: Vec<Row>,
}

/// A scenario and what each peer reached in it.
#[derive(Serialize)]
pub struct Row {
    pub name: &'static str,
    pub title: &'static str,
    pub unit: &'static str,
    pub over: Option<&'static str>,
    pub peers: Vec<Cell>,
}

#[derive(Serialize)]
pub struct Cell {
    pub peer: &'static str,
    /// One for each round.
    pub figures: Vec<f64>,
    pub failures: Vec<String>,
}

impl Report {
    pub fn new(scenarios: &[&'static Scenario], peers: &[Peer]) -> Self {
        let rows = scenarios.iter().map(|scenario| Row::new(scenario, peers));
        Self { machine: Machine::here_and_now(), rows: rows.collect() }
    }

    pub fn add(&mut self, scenario: &Scenario, peer: Peer, figure: anyhow::Result<f64>) {
        let row = self.rows.iter_mut().find(|row| row.name == scenario.name);
        let cell = row.and_then(|row| row.peers.iter_mut().find(|cell| cell.peer == peer.name()));
        match (cell, figure) {
            (Some(cell), Ok(figure)) => cell.figures.push(figure),
            (Some(cell), Err(error)) => cell.failures.push(format!("{error:#}")),
            (None, _) => {}
        }
    }

    /// How many peers in all scenarios together.
    pub fn cells(&self) -> usize {
        self.rows.iter().map(|row| row.peers.len()).sum()
    }

    /// The median of `peer` in the scenario `name`.
    pub fn median(&self, name: &str, peer: &str) -> Option<f64> {
        self.rows.iter().find(|row| row.name == name)?.median(peer)
    }

    pub fn write(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        fs::write(directory.join("fanout.json"), serde_json::to_string_pretty(self)?)
    }
}

impl Row {
    fn new(scenario: &Scenario, peers: &[Peer]) -> Self {
        let measured = peers.iter().filter(|peer| scenario.peers.contains(peer));
        let cell = |peer: &Peer| Cell { peer: peer.name(), figures: Vec::new(), failures: Vec::new() };
        Self {
            name: scenario.name,
            title: scenario.title,
            unit: scenario.unit(),
            over: scenario.over,
            peers: measured.map(cell).collect(),
        }
    }

    pub fn cell(&self, peer: &str) -> Option<&Cell> {
        self.peers.iter().find(|cell| cell.peer == peer)
    }

    pub fn median(&self, peer: &str) -> Option<f64> {
        self.cell(peer)?.median()
    }
}

impl Cell {
    pub fn median(&self) -> Option<f64> {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => None,
            length if length % 2 == 1 => Some(sorted[middle]),
            _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
        }
    }

    /// The least and the greatest figure.
    pub fn range(&self) -> Option<(f64, f64)> {
        let sorted = self.sorted();
        Some((*sorted.first()?, *sorted.last()?))
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.figures.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}
