//! The figures for people: tables that a terminal shows and Markdown understands.

use crate::{
    figures::Figures,
    report::{Report, Row},
};
use std::fmt::{Display, Write};

/// Where it was measured, medians with their ranges, how worldcast compares, and what went wrong.
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

/// A figure as short as its meaning allows.
pub fn rounded(figure: f64) -> String {
    match figure {
        1000.0.. => grouped(format_args!("{figure:.0}")),
        100.0.. => format!("{figure:.0}"),
        10.0.. => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

/// 1,234,567
pub fn grouped(number: impl Display) -> String {
    let digits = number.to_string();
    let mut groups: Vec<_> = digits.as_bytes().rchunks(3).map(String::from_utf8_lossy).collect();
    groups.reverse();
    groups.join(",")
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

/// "4.01 (3.95–4.20)", and " = 1.10 x" of the row that it is compared with.
fn figure(median: f64, figures: &Figures, other: Option<&Figures>) -> String {
    let mut text = rounded(median) + &range(figures, rounded);
    if let Some(times) = other.and_then(|other| figures.over(other).median()) {
        let _ = write!(text, " = {} x", rounded(times));
    }
    text
}

/// " (3.95–4.20)", where there is more than one.
fn range(figures: &Figures, rounded: impl Fn(f64) -> String) -> String {
    let range = figures.range().filter(|_| figures.0.len() > 1);
    range.map_or_else(String::new, |(least, greatest)| format!(" ({}–{})", rounded(least), rounded(greatest)))
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

/// The first line is the head.
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
