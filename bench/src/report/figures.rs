//! The figures of one peer in one scenario, one for each round.

use serde::{Deserialize, Serialize};

#[derive(Default, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Figures(pub Vec<f64>);

impl Figures {
    pub fn median(&self) -> Option<f64> {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => None,
            length if length % 2 == 1 => Some(sorted[middle]),
            _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
        }
    }

    /// The minimum and the maximum.
    pub fn range(&self) -> Option<(f64, f64)> {
        let sorted = self.sorted();
        Some((*sorted.first()?, *sorted.last()?))
    }

    /// The ratio to the figure of `other`, round by round: a disturbance of a round affects both.
    /// Empty where a round of one of them failed.
    pub fn over(&self, other: &Self) -> Self {
        if self.0.len() != other.0.len() {
            return Self::default();
        }
        Self(self.0.iter().zip(&other.0).map(|(one, other)| one / other).collect())
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}
