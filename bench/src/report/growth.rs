//! Growth of cost with the number of clients and of rooms, as lines.

use super::{
    Figures, Report,
    picture::{Area, OURS, PALE, sheet, text_style, write},
};
use crate::words::{grouped, rounded};
use plotters::{
    coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter},
    prelude::*,
    style::text_anchor::HPos,
};
use std::path::Path;

/// Scenarios that differ only in one number.
struct Growth {
    title: &'static str,
    number: &'static str,
    numbers: &'static [u32],
    /// The name of the scenario with one of the numbers.
    scenario: Name,
    /// The same with two workers, which only worldcast has.
    two_workers: Option<Name>,
    /// True if the figures need a logarithmic scale.
    is_wide: bool,
}

type Name = fn(u32) -> String;

const CLIENTS: &[u32] = &[100, 500, 1_000, 10_000, 19_000, 50_000];

const ALL: [Growth; 5] = [
    Growth {
        title: "CPU of a delivery, µs",
        number: "clients in one room",
        numbers: CLIENTS,
        scenario: |clients| format!("clients-{clients}"),
        two_workers: None,
        is_wide: false,
    },
    Growth {
        title: "CPU of a delivery by a server that has both cores, µs",
        number: "clients in one room",
        numbers: CLIENTS,
        scenario: |clients| format!("workers-1-{clients}"),
        two_workers: Some(|clients| format!("workers-2-{clients}")),
        is_wide: false,
    },
    Growth {
        title: "memory of an idle connection, bytes (logarithmic)",
        number: "clients",
        numbers: &[100, 1_000, 5_000, 10_000, 19_000, 50_000],
        scenario: |clients| format!("memory-{clients}"),
        two_workers: Some(|clients| format!("workers-2-memory-{clients}")),
        is_wide: true,
    },
    Growth {
        title: "CPU of a delivery in rooms of 2 in which all publish, µs",
        number: "rooms of 2",
        numbers: &[50, 500, 2_000, 5_000],
        scenario: |rooms| format!("rooms-{rooms}-of-2"),
        two_workers: None,
        is_wide: false,
    },
    Growth {
        title: "CPU of a delivery to 10,000 clients, µs",
        number: "rooms that they share",
        numbers: &[1, 10, 100, 1_000, 5_000],
        scenario: |rooms| format!("rooms-{rooms}-of-{}", 10_000 / rooms),
        two_workers: None,
        is_wide: false,
    },
];

/// A name in the legend, its color, and its left edge in pixels.
type Entry = (&'static str, RGBColor, i32);

const ONE_WORKER: [Entry; 4] = [
    ("worldcast", OURS, 56),
    ("limit", RGBColor(100, 116, 139), 396),
    ("bun", RGBColor(217, 119, 6), 516),
    ("ws", RGBColor(22, 163, 74), 636),
];
const TWO_WORKERS: Entry = ("worldcast, 2 workers", RGBColor(147, 51, 234), 196);

const LEGEND_HEIGHT: u32 = 44;
const PANEL_HEIGHT: u32 = 360;

struct Line<'a> {
    color: RGBColor,
    points: Vec<(u32, &'a Figures)>,
}

/// Writes growth.svg, if the report has any of these scenarios.
pub fn draw(report: &Report, directory: &Path) -> anyhow::Result<()> {
    let panels = ALL.iter().map(|growth| (growth, growth.lines(report)));
    let panels: Vec<_> = panels.filter(|(_, lines)| !lines.is_empty()).collect();
    if panels.is_empty() {
        return Ok(());
    }
    let path = directory.join("growth.svg");
    let rows = panels.len().div_ceil(2);
    let sheet = sheet(&path, LEGEND_HEIGHT + PANEL_HEIGHT * rows as u32)?;
    let (top, rest) = sheet.split_vertically(LEGEND_HEIGHT);
    legend(&top)?;
    for (area, (growth, lines)) in rest.split_evenly((rows, 2)).iter().zip(&panels) {
        let all = || lines.iter().flat_map(|line| &line.points).flat_map(|(_, figures)| &figures.0).copied();
        let (min, max) = (all().fold(f64::MAX, f64::min), all().fold(0.0, f64::max));
        if growth.is_wide {
            growth.draw(area, lines, (min / 1.5..max * 1.5).log_scale())?;
        } else {
            growth.draw(area, lines, 0.0..max * 1.08)?;
        }
    }
    Ok(sheet.present()?)
}

fn legend(area: &Area) -> anyhow::Result<()> {
    for (name, color, left) in ONE_WORKER.into_iter().chain([TWO_WORKERS]) {
        area.draw(&PathElement::new([(left, 24), (left + 24, 24)], color.stroke_width(3)))?;
        write(area, name, 17, HPos::Left, (left + 32, 24))?;
    }
    Ok(())
}

impl Growth {
    fn lines<'a>(&self, report: &'a Report) -> Vec<Line<'a>> {
        let line = |peer, color, scenario: Name| {
            let point = |number: &u32| Some((*number, report.figures(&scenario(*number), peer)?));
            let positive = |(_, figures): &(u32, &Figures)| figures.range().is_some_and(|(min, _)| min > 0.0);
            Line { color, points: self.numbers.iter().filter_map(point).filter(positive).collect() }
        };
        let one_worker = ONE_WORKER.iter().rev().map(|(peer, color, _)| line(peer, *color, self.scenario));
        let two_workers = self.two_workers.map(|scenario| line("worldcast", TWO_WORKERS.1, scenario));
        two_workers.into_iter().chain(one_worker).filter(|line| !line.points.is_empty()).collect()
    }

    /// Draws a mark on each median, and a thin line from the minimum to the maximum.
    fn draw<Y>(&self, area: &Area, lines: &[Line], figures: Y) -> anyhow::Result<()>
    where
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let mut numbers: Vec<_> =
            lines.iter().flat_map(|line| &line.points).map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { return Ok(()) };
        let width = (first * 4 / 5..last * 6 / 5).log_scale().with_key_points(numbers);
        let mut chart = ChartBuilder::on(area)
            .caption(self.title, text_style(18))
            .margin(8)
            .margin_right(24)
            .x_label_area_size(48)
            .y_label_area_size(64)
            .build_cartesian_2d(width, figures)?;
        chart
            .configure_mesh()
            .x_desc(self.number)
            .axis_desc_style(text_style(16))
            .label_style(text_style(14))
            .x_label_formatter(&|number| grouped(number))
            .y_label_formatter(&short)
            .bold_line_style(PALE)
            .light_line_style(WHITE)
            .draw()?;
        for Line { color, points } in lines {
            let medians = points.iter().filter_map(|(number, figures)| Some((*number, figures.median()?)));
            chart.draw_series(LineSeries::new(medians, color.stroke_width(2)).point_size(3))?;
            let ranges = points.iter().filter_map(|(number, figures)| Some((*number, figures.range()?)));
            let bar = |(number, (min, max))| PathElement::new([(number, min), (number, max)], color);
            chart.draw_series(ranges.map(bar))?;
        }
        Ok(())
    }
}

/// "8" rather than "8.00".
fn short(figure: &f64) -> String {
    rounded(*figure).trim_end_matches(".00").trim_end_matches(".0").to_owned()
}
