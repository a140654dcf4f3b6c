//! How cost grows with the number of clients, as lines.

use crate::{
    picture::{Area, OURS, PALE, WIDTH, letters, sheet, write},
    report::{Cell, Report},
    table::{grouped, rounded},
};
use plotters::{
    coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter},
    prelude::*,
    style::text_anchor::HPos,
};
use std::path::Path;

/// Scenarios that differ only in the number of clients.
struct Growth {
    title: &'static str,
    scenarios: Scenarios,
    /// The same with two workers, which only we have.
    two_workers: Scenarios,
}

type Scenarios = &'static [(u32, &'static str)];

const DELIVERY: Growth = Growth {
    title: "CPU of a delivery, µs",
    scenarios: &[
        (100, "clients-100"),
        (500, "single"),
        (1_000, "clients-1000"),
        (10_000, "rooms-1"),
        (19_000, "clients-19000"),
    ],
    two_workers: &[
        (100, "workers-2-100"),
        (500, "workers-2-500"),
        (1_000, "workers-2-1000"),
        (10_000, "workers-2-10000"),
    ],
};
const MEMORY: Growth = Growth {
    title: "memory of an idle connection, bytes (logarithmic)",
    scenarios: &[
        (100, "memory-100"),
        (1_000, "memory-1000"),
        (5_000, "memory-5000"),
        (10_000, "memory-10000"),
        (19_000, "memory-19000"),
    ],
    two_workers: &[
        (1_000, "workers-2-memory-1000"),
        (5_000, "workers-2-memory-5000"),
        (19_000, "workers-2-memory-19000"),
    ],
};

/// A name in the legend, with its colour and where it begins.
type Name = (&'static str, RGBColor, i32);

const ONE_WORKER: [Name; 4] = [
    ("worldcast", OURS, 56),
    ("limit", RGBColor(100, 116, 139), 396),
    ("bun", RGBColor(217, 119, 6), 516),
    ("ws", RGBColor(22, 163, 74), 636),
];
const TWO_WORKERS: Name = ("worldcast, 2 workers", RGBColor(147, 51, 234), 196);

const LEGEND_HEIGHT: u32 = 44;
const HEIGHT: u32 = 404;

struct Line<'a> {
    color: RGBColor,
    points: Vec<(u32, &'a Cell)>,
}

/// Writes growth.svg, if there is anything that grows.
pub fn draw(report: &Report, directory: &Path) -> anyhow::Result<()> {
    let (delivery, memory) = (DELIVERY.lines(report), MEMORY.lines(report));
    if delivery.is_empty() || memory.is_empty() {
        return Ok(());
    }
    let path = directory.join("growth.svg");
    let sheet = sheet(&path, HEIGHT)?;
    let (top, rest) = sheet.split_vertically(LEGEND_HEIGHT);
    legend(&top)?;
    let (left, right) = rest.split_horizontally(WIDTH / 2);
    let most = figures(&delivery).fold(0.0, f64::max);
    DELIVERY.draw(&left, &delivery, 0.0..most * 1.08)?;
    let (least, most) = figures(&memory)
        .fold((f64::MAX, 0.0_f64), |(least, most), figure| (least.min(figure), most.max(figure)));
    MEMORY.draw(&right, &memory, (least / 1.5..most * 1.5).log_scale())?;
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
        let line = |peer, color, scenarios: Scenarios| {
            let point = |(clients, name): &(u32, &str)| Some((*clients, report.cell(name, peer)?));
            let positive = |(_, cell): &(u32, &Cell)| cell.range().is_some_and(|(least, _)| least > 0.0);
            Line { color, points: scenarios.iter().filter_map(point).filter(positive).collect() }
        };
        let one_worker = ONE_WORKER.iter().rev().map(|(peer, color, _)| line(peer, *color, self.scenarios));
        let two_workers = line("worldcast", TWO_WORKERS.1, self.two_workers);
        std::iter::once(two_workers).chain(one_worker).filter(|line| !line.points.is_empty()).collect()
    }

    /// A mark on each median, and a thin line from the least to the greatest round.
    fn draw<Y>(&self, area: &Area, lines: &[Line], figures: Y) -> anyhow::Result<()>
    where
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let clients = self.scenarios.iter().map(|(clients, _)| *clients).collect();
        let mut chart = ChartBuilder::on(area)
            .caption(self.title, letters(18))
            .margin(8)
            .margin_right(24)
            .x_label_area_size(48)
            .y_label_area_size(64)
            .build_cartesian_2d((80..22_000_u32).log_scale().with_key_points(clients), figures)?;
        chart
            .configure_mesh()
            .x_desc("clients")
            .axis_desc_style(letters(16))
            .label_style(letters(14))
            .x_label_formatter(&|clients| grouped(clients))
            .y_label_formatter(&short)
            .bold_line_style(PALE)
            .light_line_style(WHITE)
            .draw()?;
        for Line { color, points } in lines {
            let medians = points.iter().filter_map(|(clients, cell)| Some((*clients, cell.median()?)));
            chart.draw_series(LineSeries::new(medians, color.stroke_width(2)).point_size(3))?;
            let ranges = points.iter().filter_map(|(clients, cell)| Some((*clients, cell.range()?)));
            let bar = |(clients, (least, most))| PathElement::new([(clients, least), (clients, most)], color);
            chart.draw_series(ranges.map(bar))?;
        }
        Ok(())
    }
}

/// "8" rather than "8.00".
fn short(figure: &f64) -> String {
    rounded(*figure).trim_end_matches(".00").trim_end_matches(".0").to_owned()
}

/// All of them, with the least and the greatest round.
fn figures(lines: &[Line]) -> impl Iterator<Item = f64> {
    lines.iter().flat_map(|line| &line.points).flat_map(|(_, cell)| &cell.figures).copied()
}
