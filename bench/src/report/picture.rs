//! The sheet, the colors and the text style of all pictures.

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

/// The width in pixels of a README on a screen.
pub const WIDTH: u32 = 960;

pub fn sheet(path: &Path, height: u32) -> anyhow::Result<Area<'_>> {
    let sheet = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    sheet.fill(&WHITE)?;
    Ok(sheet)
}

pub fn text_style(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

/// Draws text that begins (`HPos::Left`) or ends at `at`, vertically centered.
pub fn write(area: &Area, text: &str, size: i32, side: HPos, at: (i32, i32)) -> anyhow::Result<()> {
    Ok(area.draw(&Text::new(text, at, text_style(size).pos(Pos::new(side, VPos::Center))))?)
}
