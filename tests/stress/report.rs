//! The figures of a run.

use crate::{
    clients::{End, Kind},
    model::Model,
    process::Metrics,
    settings,
};
use std::{collections::BTreeMap, fmt, time::Duration};

#[derive(Default)]
pub struct Report {
    ends: BTreeMap<(&'static str, End), u64>,
    admitted: u64,
    /// Times from publishing to receiving, in the rooms without flooders.
    pub delays: Delays,
    pub published: u64,
    pub deliveries: u64,
    pub clients_at_once: usize,
    pub memory: Memory,
    pub pauses: u64,
    pub stopped_after: Duration,
}

/// Bytes of memory that the server had in use.
#[derive(Clone, Copy, Default)]
pub struct Memory {
    pub at_rest: usize,
    /// In all outboxes together, at most.
    pub waiting: usize,
    pub most: usize,
    pub bound: usize,
    pub after: usize,
}

/// Durations in steps of a twelfth.
#[derive(Default)]
pub struct Delays(BTreeMap<i32, u64>);

impl Report {
    pub fn sees_end(&mut self, kind: Kind, end: End) {
        *self.ends.entry((kind.name(), end)).or_default() += 1;
    }

    pub fn is_admitted(&mut self) {
        self.admitted += 1;
    }

    /// Adds the present metrics and memory of the server; `at_rest` is its memory before the first
    /// client.
    pub fn sees(&mut self, metrics: &Metrics, memory: usize, at_rest: usize) {
        self.clients_at_once = self.clients_at_once.max(metrics.value("sessions") as usize);
        let pauses = |reason| metrics.value(&format!("pauses_total{{reason=\"{reason}\"}}"));
        self.pauses = pauses("server") + pauses("room");
        self.memory.at_rest = at_rest;
        self.memory.waiting = self.memory.waiting.max(metrics.value("outbox_bytes") as usize);
        self.memory.most = self.memory.most.max(memory);
        self.memory.bound = settings::most_memory(at_rest, self.clients_at_once);
    }

    pub fn counts(&mut self, model: &Model) {
        self.published = model.accepted;
        self.deliveries = model.deliveries;
    }

    fn ends_of(&self, kind: &str) -> String {
        let ends = self.ends.iter().filter(|((of, _), _)| *of == kind);
        ends.map(|((_, end), count)| format!("{count} {end}")).collect::<Vec<_>>().join(", ")
    }
}

impl Delays {
    pub fn add(&mut self, delay: Duration) {
        let step = (delay.as_secs_f64().max(1e-6).log2() * 8.0).ceil() as i32;
        *self.0.entry(step).or_default() += 1;
    }

    /// The value that `share` of all do not exceed.
    fn quantile(&self, share: f64) -> Duration {
        let mut left = (self.0.values().sum::<u64>() as f64 * share).ceil() as u64;
        let step = self.0.iter().find_map(|(step, count)| {
            left = left.saturating_sub(*count);
            (left == 0).then_some(*step)
        });
        Duration::from_secs_f64(step.map_or(0.0, |step| (f64::from(step) / 8.0).exp2()))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clients: u64 = self.ends.values().sum();
        writeln!(
            f,
            "  clients     {clients}, admitted {} times, at most {} at once",
            self.admitted, self.clients_at_once
        )?;
        let kinds: std::collections::BTreeSet<_> = self.ends.keys().map(|(kind, _)| kind).collect();
        for kind in kinds {
            writeln!(f, "              {kind}: {}", self.ends_of(kind))?;
        }
        writeln!(f, "  messages    {} published, {} received", self.published, self.deliveries)?;
        let [half, most, all] = [0.5, 0.99, 1.0].map(|share| self.delays.quantile(share));
        writeln!(
            f,
            "  calm rooms  received after {half:.1?} (half), {most:.1?} (99 of 100), {all:.1?} (all)"
        )?;
        writeln!(f, "  full        {} times a publisher had to wait for capacity", self.pauses)?;
        writeln!(f, "  memory      {}", self.memory)?;
        write!(f, "  stopped     after {:.1?}", self.stopped_after)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes| bytes as f64 / f64::from(1 << 20);
        let [at_rest, most, bound] = [self.at_rest, self.most, self.bound].map(mib);
        let [waiting, after] = [self.waiting, self.after].map(mib);
        write!(
            f,
            "{at_rest:.1} MiB at rest, {most:.1} at most (bound {bound:.1}), {waiting:.1} of it waiting for clients; \
             {after:.1} afterwards"
        )
    }
}
