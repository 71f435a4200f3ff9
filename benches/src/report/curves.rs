//! The chart of a growth run: a panel per curve, a line per server, sizes by their logarithm.

use std::fmt::Write;

use super::{
    chart::{COLOURS, escaped, legend},
    growth::{Growth, at, grouped},
    table::number,
};
use crate::scenarios::growth::{ALL, Curve, Family};

const COLUMNS: usize = 3;
/// Width and height of a panel with its labels.
const PANEL: (usize, usize) = (290, 170);
/// Where in it the curve is drawn: left, top, width, height.
const PLOT: (f64, f64, f64, f64) = (20.0, 40.0, 220.0, 90.0);
const TOP: usize = 40;
/// Above the panels of a family.
const TITLE: usize = 24;

/// The chart as SVG.
pub fn render(growth: &Growth) -> String {
    let mut body = String::new();
    let mut y = TOP;
    for family in ALL {
        let panels: Vec<String> =
            family.curves.iter().filter_map(|curve| panel(growth, family, curve)).collect();
        if panels.is_empty() {
            continue;
        }
        let _ = writeln!(
            body,
            r#"<text class="t" x="10" y="{}">by the number of {}</text>"#,
            y + 16,
            family.of
        );
        y += TITLE;
        for (place, panel) in panels.iter().enumerate() {
            let (x, y) = (place % COLUMNS * PANEL.0, y + place / COLUMNS * PANEL.1);
            let _ = writeln!(body, r#"<g transform="translate({x} {y})">{panel}</g>"#);
        }
        y += panels.len().div_ceil(COLUMNS) * PANEL.1;
    }
    let (width, height, foot) = (COLUMNS * PANEL.0, y + 24, y + 10);
    let legend = legend(growth.columns.iter().map(|(target, _)| &*target.name));
    let machine = escaped(&growth.machine.line());
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">
<style>text{{fill:#1f2937}}.f{{font-size:9px}}.t{{font-size:13px;font-weight:bold}}line{{stroke:#9ca3af}}polyline{{fill:none;stroke-width:1.5}}</style>
<rect width="{width}" height="{height}" fill="#fff"/>
{legend}{body}<text x="10" y="{foot}" fill="#6b7280">{machine}</text>
</svg>
"##
    )
}

/// The lines of all servers that have the curve, or `None` if no one has.
fn panel(growth: &Growth, family: &Family, curve: &Curve) -> Option<String> {
    let lines: Vec<(usize, Vec<(u64, f64)>)> = growth
        .columns
        .iter()
        .enumerate()
        .map(|(column, (_, samples))| {
            let figure = |size: &u64| Some((*size, samples.median(&at(curve.name, *size))?));
            (column, family.sizes.iter().filter_map(figure).collect())
        })
        .filter(|(_, points): &(usize, Vec<_>)| !points.is_empty())
        .collect();
    let figures = || lines.iter().flat_map(|(_, points)| points.iter().map(|(_, value)| *value));
    let largest = figures().max_by(f64::total_cmp)?.max(1e-9);
    let (first, last) = (*family.sizes.first()? as f64, *family.sizes.last()? as f64);
    let (left, top, width, height) = PLOT;
    let place = |size: u64, value: f64| {
        let x = left + width * (size as f64 / first).ln() / (last / first).ln().max(1e-9);
        (x, top + height * (1.0 - value.max(0.0) / largest))
    };
    let (bottom, right) = (top + height, left + width);
    let mut svg = format!(
        r#"<text x="{left}" y="20">{}, {}</text><line x1="{left}" x2="{right}" y1="{bottom}" y2="{bottom}"/><line x1="{left}" x2="{left}" y1="{top}" y2="{bottom}"/><text class="f" x="{left}" y="{}">{}</text>"#,
        escaped(curve.label),
        curve.unit,
        top - 6.0,
        number(largest)
    );
    for size in family.sizes {
        let (x, y) = (place(*size, 0.0).0, bottom + 12.0);
        let _ = write!(
            svg,
            r#"<text class="f" x="{x:.1}" y="{y}" text-anchor="middle">{}</text>"#,
            grouped(*size)
        );
    }
    for (column, points) in lines {
        let colour = COLOURS[column % COLOURS.len()];
        let points: Vec<(f64, f64)> =
            points.into_iter().map(|(size, value)| place(size, value)).collect();
        let line: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = write!(svg, r#"<polyline points="{}" stroke="{colour}"/>"#, line.join(" "));
        for (x, y) in points {
            let _ = write!(svg, r#"<circle cx="{x:.1}" cy="{y:.1}" r="2" fill="{colour}"/>"#);
        }
    }
    Some(svg)
}
