//! The table, as Markdown: it is read in a terminal and in the README.

use std::fmt::Write;

use super::{
    lines::{BARE_SEND_OF_BUDGET, Budget, GENERATOR_LIMIT, LINES, Line, SATURATED},
    samples::Samples,
};
use crate::{run::Results, system::servers::Target};

/// The whole report.
pub fn render(results: &Results) -> String {
    let columns = &results.columns;
    let mut rows = vec![header(columns)];
    for line in LINES {
        let cells: Vec<String> =
            columns.iter().map(|(target, samples)| cell(line, target, samples)).collect();
        if cells.iter().any(|cell| cell != NOTHING) {
            let label = format!("{}, {}", line.label, line.unit);
            rows.push([vec![label], cells, vec![budget(line.budget)]].concat());
        }
    }
    for (label, suffix) in [("deliveries lost", ".lost"), ("deliveries surplus", ".surplus")] {
        let cells = columns.iter().map(|(_, samples)| format!("{:.0}", samples.total(suffix)));
        rows.push([vec![label.into()], cells.collect(), vec!["0".into()]].concat());
    }
    for (name, label) in SATURATED {
        let share = |samples: &Samples| samples.median(&format!("{name}.generator"));
        let cells: Vec<String> = columns
            .iter()
            .map(|(_, samples)| share(samples).map_or(NOTHING.into(), generator))
            .collect();
        if cells.iter().any(|cell| cell != NOTHING) {
            let label = format!("load generator's share of a core: {label}, %");
            rows.push([vec![label], cells, vec![String::new()]].concat());
        }
    }
    let mut text = aligned(&rows, 1);
    foot(&mut text, results);
    text
}

const NOTHING: &str = "–";

fn header(columns: &[(Target, Samples)]) -> Vec<String> {
    let names = columns.iter().map(|(target, _)| target.name.clone());
    [vec!["work".into()], names.collect(), vec!["budget of rust".into()]].concat()
}

fn cell(line: &Line, target: &Target, samples: &Samples) -> String {
    let Some(value) = samples.median(line.name) else { return NOTHING.into() };
    let misses = target.is_ours() && !line.budget.holds(value);
    format!("{}{}", number(value), if misses { " !" } else { "" })
}

fn budget(budget: Budget) -> String {
    match budget {
        Budget::AtMost(bound) => format!("≤ {bound}"),
        Budget::AtLeast(bound) => format!("≥ {bound}"),
        Budget::None => String::new(),
    }
}

fn generator(share: f64) -> String {
    format!("{share:.0}{}", if share > GENERATOR_LIMIT { " *" } else { "" })
}

/// Three significant digits; more tell nothing.
pub fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 99.95 => format!("{value:.0}"),
        middle if middle >= 9.995 => format!("{value:.1}"),
        small if small >= 0.995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Rows as a Markdown table; the first `texts` columns are aligned to the left.
pub fn aligned(rows: &[Vec<String>], texts: usize) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..rows[0].len()).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(width - cell.chars().count());
            let (before, after) = if column < texts { ("", &*padding) } else { (&*padding, "") };
            let _ = write!(text, "| {before}{cell}{after} ");
        }
        text.push_str("|\n");
        if at == 0 {
            for (column, width) in widths.iter().enumerate() {
                let (dashes, end) = ("-".repeat(*width), if column < texts { "-" } else { ":" });
                let _ = write!(text, "| {dashes}{end}");
            }
            text.push_str("|\n");
        }
    }
    text
}

fn foot(text: &mut String, results: &Results) {
    let _ = writeln!(
        text,
        "\n{} profile, {}, in {:.0} s. {}.",
        results.profile,
        match results.rounds {
            1 => "one round".to_owned(),
            rounds => format!("medians of {rounds} rounds"),
        },
        results.took.as_secs_f64(),
        results.machine.line(),
    );
    if let Some(micros) = results.sends.median("send") {
        let bound = BARE_SEND_OF_BUDGET;
        let _ = writeln!(
            text,
            "A bare TCP send to a waiting socket took {micros:.1} µs of CPU; the budget is of a machine where it takes about {bound}."
        );
    }
    let marked = |mark: &str| text.contains(mark);
    let (misses, limited) = (marked(" ! |"), marked(" * |"));
    if misses {
        text.push_str("! misses the budget.\n");
    }
    if limited {
        text.push_str("* the load generator may be what limits this figure.\n");
    }
    for note in &results.notes {
        let _ = writeln!(text, "{note}");
    }
}
