//! The figures as tables, in Markdown that a terminal shows well.

use super::{Figures, Report, Row};
use crate::words::rounded;
use std::fmt::Write;

/// The machine, medians with their ranges, the ratios of worldcast to others, and the failures.
pub fn of(report: &Report) -> String {
    let peers = peers(report);
    let head = ["scenario", "unit"].into_iter().chain(peers.iter().copied()).map(str::to_owned).collect();
    let figures = report.rows.iter().map(|row| figures(report, row, &peers));
    let mut text = format!("{}\n", report.machine);
    text += &aligned(std::iter::once(head).chain(figures).collect());
    let others: Vec<_> = peers.iter().copied().filter(|peer| *peer != "worldcast").collect();
    let ratios: Vec<_> = report.rows.iter().filter_map(|row| ratios(row, &others)).collect();
    if !ratios.is_empty() {
        let head = others.iter().map(|peer| format!("worldcast / {peer}"));
        let head = std::iter::once("scenario".to_owned()).chain(head).collect();
        text += "\n";
        text += &aligned(std::iter::once(head).chain(ratios).collect());
    }
    text + &failures(report)
}

fn peers(report: &Report) -> Vec<&str> {
    let mut peers: Vec<&str> = Vec::new();
    for cell in report.rows.iter().flat_map(|row| &row.peers) {
        if !peers.contains(&&*cell.peer) {
            peers.push(&cell.peer);
        }
    }
    peers
}

fn figures(report: &Report, row: &Row, peers: &[&str]) -> Vec<String> {
    let text = |peer: &&str| {
        let figures = row.figures(peer)?;
        let other = row.over.as_ref().and_then(|over| report.figures(over, peer));
        Some(figures.median().map_or_else(|| "failed".into(), |median| figure(median, figures, other)))
    };
    let start = [row.title.clone(), row.unit.clone()];
    start.into_iter().chain(peers.iter().map(|peer| text(peer).unwrap_or_default())).collect()
}

/// "4.01 (3.95–4.20)", followed by " = 1.10 x", the ratio to the row that it is compared with.
fn figure(median: f64, figures: &Figures, other: Option<&Figures>) -> String {
    let mut text = rounded(median) + &range(figures, rounded);
    if let Some(times) = other.and_then(|other| figures.over(other).median()) {
        let _ = write!(text, " = {} x", rounded(times));
    }
    text
}

/// " (3.95–4.20)"; empty for a single round.
fn range(figures: &Figures, rounded: impl Fn(f64) -> String) -> String {
    let range = figures.range().filter(|_| figures.0.len() > 1);
    range.map_or_else(String::new, |(min, max)| format!(" ({}–{})", rounded(min), rounded(max)))
}

fn ratios(row: &Row, others: &[&str]) -> Option<Vec<String>> {
    let ours = row.figures("worldcast")?;
    let two_digits = |ratio: f64| format!("{ratio:.2}");
    let ratio = |peer: &&str| {
        let ratios = ours.over(row.figures(peer)?);
        Some(two_digits(ratios.median()?) + &range(&ratios, two_digits))
    };
    let ratios: Vec<_> = others.iter().map(|peer| ratio(peer).unwrap_or_default()).collect();
    let start = std::iter::once(row.title.clone());
    ratios.iter().any(|ratio| !ratio.is_empty()).then(|| start.chain(ratios).collect())
}

fn failures(report: &Report) -> String {
    let mut text = String::new();
    for row in &report.rows {
        for cell in &row.peers {
            for failure in &cell.failures {
                let _ = writeln!(text, "{} · {}: {failure}", row.name, cell.peer);
            }
        }
    }
    text
}

/// A table whose first line is the head.
fn aligned(lines: Vec<Vec<String>>) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let cells = line.iter().zip(&widths).map(|(cell, &width)| format!(" {cell:width$} "));
        let _ = writeln!(text, "|{}|", cells.collect::<Vec<_>>().join("|"));
        if number == 0 {
            let rule = widths.iter().map(|width| "-".repeat(width + 2));
            let _ = writeln!(text, "|{}|", rule.collect::<Vec<_>>().join("|"));
        }
    }
    text
}
