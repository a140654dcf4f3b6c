//! The figures as pictures: bars for each scenario.

use crate::{
    report::{Cell, Report, Row},
    table::rounded,
};
use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};
use std::path::Path;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const OURS: RGBColor = RGBColor(37, 99, 235);
const OTHERS: RGBColor = RGBColor(148, 163, 184);
const INK: RGBColor = RGBColor(30, 41, 59);

const PANEL: (u32, u32) = (480, 260);
const BAR: (i32, i32) = (16, 26); // its height, and from one to the next
const BARS_AT: (i32, i32) = (96, 44);
const LONGEST: f64 = 260.0;
const ENOUGH: usize = 5;

/// Writes fanout.svg: a panel for each scenario in which enough peers were measured.
pub fn draw(report: &Report, directory: &Path) -> anyhow::Result<()> {
    let rows: Vec<_> = report.rows.iter().filter(|row| medians(row).count() >= ENOUGH).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let lines = rows.len().div_ceil(2);
    let path = directory.join("fanout.svg");
    let size = (2 * PANEL.0, lines as u32 * PANEL.1);
    let picture = SVGBackend::new(&path, size).into_drawing_area();
    picture.fill(&WHITE)?;
    for (area, row) in picture.split_evenly((lines, 2)).iter().zip(rows) {
        panel(area, row)?;
    }
    Ok(picture.present()?)
}

fn panel(area: &Area, row: &Row) -> anyhow::Result<()> {
    let title = text(14).color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
    area.draw(&Text::new(format!("{} ({})", row.title, row.unit), (16, 24), title))?;
    let most = row.peers.iter().filter_map(Cell::range).map(|(_, greatest)| greatest).fold(0.0, f64::max);
    for (number, (cell, median)) in medians(row).enumerate() {
        let top = BARS_AT.1 + number as i32 * BAR.1;
        bar(area, cell, median, LONGEST / most, top)?;
    }
    Ok(())
}

/// A bar as long as the median, and a thin line over the range.
fn bar(area: &Area, cell: &Cell, median: f64, scale: f64, top: i32) -> anyhow::Result<()> {
    let (left, middle) = (BARS_AT.0, top + BAR.0 / 2);
    let end = |figure: f64| left + (figure * scale) as i32;
    let color = if cell.peer == "worldcast" { OURS } else { OTHERS };
    let name = text(13).color(&INK).pos(Pos::new(HPos::Right, VPos::Center));
    area.draw(&Text::new(cell.peer, (left - 8, middle), name))?;
    area.draw(&Rectangle::new([(left, top), (end(median), top + BAR.0)], color.filled()))?;
    let (least, greatest) = cell.range().unwrap_or((median, median));
    area.draw(&PathElement::new([(end(least), middle), (end(greatest), middle)], INK))?;
    let figure = text(13).color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
    area.draw(&Text::new(rounded(median), (end(greatest) + 6, middle), figure))?;
    Ok(())
}

fn medians(row: &Row) -> impl Iterator<Item = (&Cell, f64)> {
    row.peers.iter().filter_map(|cell| Some((cell, cell.median()?)))
}

fn text(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().into()
}
