//! The figures as pictures: bars for each scenario.

use super::{
    Cell, Report, Row,
    picture::{Area, INK, OTHERS, OURS, WIDTH, sheet, write},
};
use crate::words::rounded;
use plotters::{prelude::*, style::text_anchor::HPos};
use std::path::Path;

/// The scenarios that most readers ask for, with their titles.
const HIGHLIGHTS: [(&str, &str); 4] = [
    ("single", "CPU of a delivery to 500 clients, µs · less is better"),
    ("rate-16", "deliveries a second, 16 publishers, 200 clients · more is better"),
    ("p99", "99 of 100 deliveries to 1,000 clients within, ms · less is better"),
    ("memory-5000", "memory of an idle connection, bytes · less is better"),
];

const PANEL_HEIGHT: u32 = 280;
const BAR: (i32, i32) = (18, 27); // its height, and the distance to the next, in pixels
const BARS_AT: (i32, i32) = (112, 52);
const MAX_BAR: f64 = 258.0;
/// A bar that exceeds the next by more than this factor is cut.
const MAX_RATIO: f64 = 3.0;
const MIN_PEERS: usize = 5;

type Panel<'a> = (String, &'a Row);

/// Writes fanout.svg, with a panel for each scenario in which enough peers were measured, and
/// highlights.svg.
pub fn draw(report: &Report, directory: &Path) -> anyhow::Result<()> {
    let all = report.rows.iter().filter(|row| medians(row).count() >= MIN_PEERS);
    let all: Vec<_> = all.map(|row| (format!("{} ({})", row.title, row.unit), row)).collect();
    let highlights = HIGHLIGHTS.iter().filter_map(|(name, title)| {
        let (_, row) = all.iter().find(|(_, row)| row.name == *name)?;
        Some(((*title).to_owned(), *row))
    });
    panels(&highlights.collect::<Vec<_>>(), &directory.join("highlights.svg"))?;
    panels(&all, &directory.join("fanout.svg"))
}

fn panels(panels: &[Panel], path: &Path) -> anyhow::Result<()> {
    if panels.is_empty() {
        return Ok(());
    }
    let lines = panels.len().div_ceil(2);
    let sheet = sheet(path, lines as u32 * PANEL_HEIGHT)?;
    for (area, (title, row)) in sheet.split_evenly((lines, 2)).iter().zip(panels) {
        panel(area, title, row)?;
    }
    Ok(sheet.present()?)
}

fn panel(area: &Area, title: &str, row: &Row) -> anyhow::Result<()> {
    write(area, title, 18, HPos::Left, (16, 26))?;
    let mut ends: Vec<_> = row.peers.iter().filter_map(|cell| Some(cell.figures.range()?.1)).collect();
    ends.sort_by(f64::total_cmp);
    let max = match ends[..] {
        [.., next, longest] if longest > next * MAX_RATIO => next * 1.25,
        [.., longest] => longest,
        [] => return Ok(()),
    };
    for (number, (cell, median)) in medians(row).enumerate() {
        let top = BARS_AT.1 + number as i32 * BAR.1;
        bar(area, cell, median, max, top)?;
    }
    Ok(())
}

/// Draws a bar as long as the median, cut at `longest`, and a thin line over the range.
fn bar(area: &Area, cell: &Cell, median: f64, longest: f64, top: i32) -> anyhow::Result<()> {
    let (left, middle, bottom) = (BARS_AT.0, top + BAR.0 / 2, top + BAR.0);
    let end = |figure: f64| left + (figure.min(longest) * MAX_BAR / longest) as i32;
    let color = if cell.peer == "worldcast" { OURS } else { OTHERS };
    write(area, &cell.peer, 16, HPos::Right, (left - 8, middle))?;
    area.draw(&Rectangle::new([(left, top), (end(median), bottom)], color.filled()))?;
    let (min, max) = cell.figures.range().unwrap_or((median, median));
    area.draw(&PathElement::new([(end(min), middle), (end(max), middle)], INK))?;
    if median > longest {
        let cut = end(longest) - 24;
        let gap = [(cut, bottom), (cut + 6, top), (cut + 12, top), (cut + 6, bottom)];
        area.draw(&Polygon::new(gap, WHITE))?;
    }
    write(area, &rounded(median), 16, HPos::Left, (end(max) + 6, middle))
}

fn medians(row: &Row) -> impl Iterator<Item = (&Cell, f64)> {
    row.peers.iter().filter_map(|cell| Some((cell, cell.figures.median()?)))
}

const _: () =
    assert!(BARS_AT.0 as f64 + MAX_BAR + 90.0 < WIDTH as f64 / 2.0, "the figures stand beside the bars");
