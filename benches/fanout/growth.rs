//! How cost grows with the number of clients, as lines.

use crate::{report::Report, table::rounded};
use plotters::{coord::Shift, prelude::*};
use std::path::Path;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Scenarios that differ only in the number of clients.
struct Growth {
    title: &'static str,
    scenarios: Scenarios,
    /// The same with two workers, which only we have.
    two_workers: Scenarios,
}

type Scenarios = &'static [(u32, &'static str)];

const GROWTHS: [Growth; 2] = [
    Growth {
        title: "CPU of a delivery (µs), one message at a time",
        scenarios: &[(100, "clients-100"), (500, "single"), (1_000, "clients-1000"), (10_000, "rooms-1")],
        two_workers: &[
            (100, "workers-2-100"),
            (500, "workers-2"),
            (1_000, "workers-2-1000"),
            (10_000, "workers-2-10000"),
        ],
    },
    Growth {
        title: "memory of an idle connection (bytes)",
        scenarios: &[(1_000, "memory-1000"), (5_000, "memory-5000"), (19_000, "memory-19000")],
        two_workers: &[],
    },
];

const OURS: &str = "worldcast";
const TWO_WORKERS: (&str, RGBColor) = ("worldcast, 2 workers", RGBColor(147, 51, 234));
const LINES: [(&str, RGBColor); 4] = [
    (OURS, RGBColor(37, 99, 235)),
    ("limit", RGBColor(100, 116, 139)),
    ("bun", RGBColor(217, 119, 6)),
    ("ws", RGBColor(22, 163, 74)),
];

/// Writes growth.svg when everything that it shows was measured.
pub fn draw(report: &Report, directory: &Path) -> anyhow::Result<()> {
    let scenarios = GROWTHS.iter().flat_map(|growth| growth.scenarios.iter().chain(growth.two_workers));
    if !scenarios.into_iter().all(|(_, name)| report.median(name, OURS).is_some()) {
        return Ok(());
    }
    let path = directory.join("growth.svg");
    let picture = SVGBackend::new(&path, (960, 320)).into_drawing_area();
    picture.fill(&WHITE)?;
    for (area, growth) in picture.split_evenly((1, 2)).iter().zip(GROWTHS) {
        lines(area, report, &growth)?;
    }
    Ok(picture.present()?)
}

fn lines(area: &Area, report: &Report, growth: &Growth) -> anyhow::Result<()> {
    let points = |peer: &str, scenarios: Scenarios| -> Vec<(u32, f64)> {
        let point = |(clients, name): &(u32, &str)| Some((*clients, report.median(name, peer)?));
        scenarios.iter().filter_map(point).collect()
    };
    let mut lines = vec![(TWO_WORKERS, points(OURS, growth.two_workers))];
    lines.extend(LINES.map(|line| (line, points(line.0, growth.scenarios))));
    lines.retain(|(_, points)| !points.is_empty());
    let most = lines.iter().flat_map(|(_, points)| points).map(|(_, figure)| *figure).fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(growth.title, ("sans-serif", 14))
        .margin(12)
        .x_label_area_size(32)
        .y_label_area_size(48)
        .build_cartesian_2d((100..20_000_u32).log_scale(), 0.0..most * 1.8)?; // the names of the lines go above them
    chart
        .configure_mesh()
        .x_desc("clients")
        .y_label_formatter(&|figure| rounded(*figure))
        .light_line_style(WHITE)
        .draw()?;
    for ((label, color), points) in lines {
        let line = chart.draw_series(LineSeries::new(points, color.stroke_width(2)).point_size(3))?;
        line.label(label).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color));
    }
    let place = SeriesLabelPosition::UpperRight;
    chart.configure_series_labels().position(place).background_style(WHITE).draw()?;
    Ok(())
}
