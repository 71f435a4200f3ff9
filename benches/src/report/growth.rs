//! The growth tables.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::{
    json::figures,
    samples::Samples,
    table::{aligned, number},
};
use crate::{
    scenarios::growth::{ALL, Curve, Family},
    system::{machine::Machine, servers::Target},
};

/// Up to this factor from the smallest size to the largest a curve counts as flat.
const FLAT: f64 = 1.5;

/// What a growth run found.
#[derive(Debug)]
pub struct Growth {
    /// The machine.
    pub machine: Machine,
    /// The servers with their figures, whose names end in `@` and the size.
    pub columns: Vec<(Target, Samples)>,
    /// What has to be said besides.
    pub notes: Vec<String>,
}

/// The name of a figure at a size.
pub fn at(name: &str, size: u64) -> String {
    format!("{name}@{size}")
}

impl Growth {
    /// A table per family.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for family in ALL {
            let mut rows = vec![header(family)];
            for curve in family.curves {
                for (target, samples) in &self.columns {
                    rows.extend(row(family, curve, &target.name, samples));
                }
            }
            if rows.len() > 1 {
                let _ = writeln!(text, "{}", aligned(&rows, 2));
            }
        }
        let (mut lost, mut surplus) = (0.0, 0.0);
        for (_, samples) in &self.columns {
            lost += samples.total_of(".lost@");
            surplus += samples.total_of(".surplus@");
        }
        let _ = writeln!(
            text,
            "Growth is from the first figure to the last; up to {FLAT} it counts as flat. \
             Deliveries lost {lost:.0}, surplus {surplus:.0}.\n{}.",
            self.machine.line()
        );
        for note in &self.notes {
            let _ = writeln!(text, "{note}");
        }
        text
    }

    /// All figures.
    pub fn json(&self) -> String {
        let servers: Map<String, Value> = self
            .columns
            .iter()
            .map(|(target, samples)| (target.name.clone(), figures(samples)))
            .collect();
        let whole =
            json!({ "machine": self.machine.json(), "servers": servers, "notes": self.notes });
        let mut text = serde_json::to_string_pretty(&whole).expect("texts and numbers");
        text.push('\n');
        text
    }
}

fn header(family: &Family) -> Vec<String> {
    let sizes = family.sizes.iter().map(|size| grouped(*size));
    let first = [format!("by {}", family.of), "server".to_owned()];
    first.into_iter().chain(sizes).chain(["growth".to_owned()]).collect()
}

fn row(family: &Family, curve: &Curve, server: &str, samples: &Samples) -> Option<Vec<String>> {
    let figures: Vec<Option<f64>> =
        family.sizes.iter().map(|size| samples.median(&at(curve.name, *size))).collect();
    let known = || figures.iter().flatten();
    let (first, last) = (known().next()?, known().next_back()?);
    let growth = last / first.max(1e-9);
    let verdict = match growth {
        _ if known().count() < 2 => String::new(),
        flat if flat <= FLAT => format!("{growth:.2} flat"),
        _ if curve.reason.is_empty() => format!("{growth:.2} !"),
        _ => format!("{growth:.2}: {}", curve.reason),
    };
    let cells = figures.iter().map(|figure| figure.map_or("–".to_owned(), number));
    let label = [format!("{}, {}", curve.label, curve.unit), server.to_owned()];
    Some(label.into_iter().chain(cells).chain([verdict]).collect())
}

pub(super) fn grouped(size: u64) -> String {
    let digits = size.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_grouped() {
        assert_eq!([10, 5_000, 1_000_000].map(grouped), ["10", "5,000", "1,000,000"]);
    }
}
