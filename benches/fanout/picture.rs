//! What all pictures share: a sheet of panels, colours and letters.

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};
use std::path::Path;

pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

pub const INK: RGBColor = RGBColor(30, 41, 59);
pub const PALE: RGBColor = RGBColor(226, 232, 240);
pub const OURS: RGBColor = RGBColor(37, 99, 235);
pub const OTHERS: RGBColor = RGBColor(148, 163, 184);

/// As wide as a README is on a screen, and white on dark pages too.
pub const WIDTH: u32 = 960;

pub fn sheet(path: &Path, height: u32) -> anyhow::Result<Area<'_>> {
    let sheet = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    sheet.fill(&WHITE)?;
    Ok(sheet)
}

pub fn letters(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

/// Text that begins (`HPos::Left`) or ends there, at half its height.
pub fn write(area: &Area, text: &str, size: i32, side: HPos, at: (i32, i32)) -> anyhow::Result<()> {
    Ok(area.draw(&Text::new(text, at, letters(size).pos(Pos::new(side, VPos::Center))))?)
}
