//! The chart: for each line of the table a bar per server, longest bar to the edge.

use std::fmt::Write;

use super::{
    lines::{Budget, LINES},
    table::number,
};
use crate::run::Results;

const WIDTH: usize = 860;
const LABELS: usize = 360;
const BARS: usize = 420;
const BAR: usize = 11;
const GAP: usize = 14;
const TOP: usize = 46;
/// One per column; the first two are this repository's.
pub(super) const COLOURS: [&str; 6] =
    ["#c2410c", "#f59e0b", "#15803d", "#1d4ed8", "#7c3aed", "#64748b"];

/// The chart as SVG.
pub fn render(results: &Results) -> String {
    let mut body = String::new();
    let mut y = TOP;
    for line in LINES {
        let figures: Vec<(usize, f64)> = results
            .columns
            .iter()
            .enumerate()
            .filter_map(|(column, (_, samples))| Some((column, samples.median(line.name)?)))
            .collect();
        if figures.is_empty() {
            continue;
        }
        let bound = match line.budget {
            Budget::AtMost(bound) | Budget::AtLeast(bound) => Some(bound),
            Budget::None => None,
        };
        let largest = figures.iter().map(|(_, value)| *value).chain(bound).fold(1e-9, f64::max);
        let length = |value: f64| value / largest * BARS as f64;
        let middle = y + figures.len() * BAR / 2 + 4;
        let _ = writeln!(
            body,
            r#"<text x="{}" y="{middle}" text-anchor="end">{}, {}</text>"#,
            LABELS - 10,
            line.label,
            line.unit
        );
        let from = y;
        for (column, value) in figures {
            let colour = COLOURS[column % COLOURS.len()];
            let (width, end) = (length(value).max(1.0), LABELS as f64 + length(value) + 4.0);
            let _ = writeln!(
                body,
                r#"<rect x="{LABELS}" y="{y}" width="{width:.1}" height="{}" fill="{colour}"/><text class="f" x="{end:.1}" y="{}">{}</text>"#,
                BAR - 2,
                y + BAR - 3,
                number(value)
            );
            y += BAR;
        }
        if let Some(bound) = bound {
            let x = LABELS as f64 + length(bound);
            let _ = writeln!(
                body,
                r#"<line x1="{x:.1}" x2="{x:.1}" y1="{}" y2="{}"/>"#,
                from - 3,
                y + 1
            );
        }
        y += GAP;
    }
    let mut legend = legend(results.columns.iter().map(|(target, _)| &*target.name));
    let x = 10 + results.columns.len() * 130;
    let _ = writeln!(
        legend,
        r#"<line x1="{x}" x2="{x}" y1="12" y2="28"/><text x="{}" y="24">budget of rust</text>"#,
        x + 7
    );
    let (height, foot) = (y + 24, y + 10);
    let machine = escaped(&results.machine.line());
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="11">
<style>text{{fill:#1f2937}}.f{{font-size:9px}}line{{stroke:#dc2626;stroke-width:1.5;stroke-dasharray:3 2}}</style>
<rect width="{WIDTH}" height="{height}" fill="#fff"/>
{legend}{body}<text x="10" y="{foot}" fill="#6b7280">{machine}</text>
</svg>
"##
    )
}

/// What colour is whose.
pub(super) fn legend<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut legend = String::new();
    for (column, name) in names.enumerate() {
        let (x, colour) = (10 + column * 130, COLOURS[column % COLOURS.len()]);
        let _ = writeln!(
            legend,
            r#"<rect x="{x}" y="14" width="12" height="12" fill="{colour}"/><text x="{}" y="24">{}</text>"#,
            x + 17,
            escaped(name)
        );
    }
    legend
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
