//! The measurement that runs, the number of those done, and the time that remains.

use crate::{
    bench::Pace,
    peers::Peer,
    scenarios::{Measurement, Scenario},
};
use indicatif::{FormattedDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// Two lines that change on a terminal; elsewhere one line for each measurement.
pub struct Progress {
    /// Its length is the expected duration of all measurements in ms.
    bar: ProgressBar,
    done: usize,
    all: usize,
}

impl Progress {
    pub fn of(scenarios: &[Scenario], peers: &[Peer], pace: Pace) -> anyhow::Result<Self> {
        let times = |scenario: &Scenario| scenario.peers_of(peers).count() * pace.rounds;
        let expected: Duration =
            scenarios.iter().map(|scenario| scenario.expected_duration(pace) * times(scenario) as u32).sum();
        let target = ProgressDrawTarget::stderr_with_hz(4);
        let bar = ProgressBar::with_draw_target(Some(expected.as_millis() as u64), target);
        let lines = "{msg}\n{bar:32.blue/dim} {prefix}, {elapsed_precise} gone";
        bar.set_style(ProgressStyle::with_template(lines)?.progress_chars("━╸─"));
        bar.enable_steady_tick(Duration::from_secs(1)); // hardly a disturbance
        Ok(Self { bar, done: 0, all: scenarios.iter().map(times).sum() })
    }

    pub fn start(&mut self, measurements: &[Measurement]) {
        let names: Vec<_> =
            measurements.iter().map(|of| format!("{} {}", of.bench.peer.name(), of.scenario.name)).collect();
        let what = names.join(", ");
        if self.bar.is_hidden() {
            eprintln!("{} of {} · {what}", self.done + 1, self.all);
        }
        let left = FormattedDuration(self.left());
        self.bar.set_prefix(format!("{} of {}, about {left} left", self.done, self.all));
        self.bar.set_message(what);
    }

    pub fn end(&mut self, measurements: &[Measurement]) {
        self.done += measurements.len();
        let expected: Duration =
            measurements.iter().map(|of| of.scenario.expected_duration(of.bench.pace)).sum();
        self.bar.inc(expected.as_millis() as u64);
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// The expected time, corrected by the ratio of measured to expected time so far.
    fn left(&self) -> Duration {
        let (done, all) = (self.bar.position(), self.bar.length().unwrap_or_default());
        let expected = Duration::from_millis(all.saturating_sub(done));
        match done {
            0 => expected,
            done => expected.mul_f64(self.bar.elapsed().as_millis() as f64 / done as f64),
        }
    }
}
