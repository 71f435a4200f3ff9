//! All figures, for programs.

use serde_json::{Map, Value, json};

use super::{
    lines::{Budget, LINES},
    samples::Samples,
};
use crate::run::Results;

/// The whole run as JSON.
pub fn render(results: &Results) -> String {
    let servers: Map<String, Value> = results
        .columns
        .iter()
        .map(|(target, samples)| (target.name.clone(), figures(samples)))
        .collect();
    let lines: Vec<Value> = LINES
        .iter()
        .map(|line| {
            let (at_most, at_least) = match line.budget {
                Budget::AtMost(bound) => (Some(bound), None),
                Budget::AtLeast(bound) => (None, Some(bound)),
                Budget::None => (None, None),
            };
            json!({ "name": line.name, "label": line.label, "unit": line.unit,
                    "at_most": at_most, "at_least": at_least })
        })
        .collect();
    let whole = json!({
        "profile": results.profile, "rounds": results.rounds,
        "seconds": results.took.as_secs(), "bare_send_micros": results.sends.median("send"), "machine": results.machine.json(),
        "lines": lines, "servers": servers, "notes": results.notes,
    });
    let mut text = serde_json::to_string_pretty(&whole).expect("texts and numbers");
    text.push('\n');
    text
}

/// The figures of one server by name: each round, and their median.
pub(super) fn figures(samples: &Samples) -> Value {
    let figure = |(name, values): (&str, &[f64])| {
        let round = |value: f64| (value * 1e4).round() / 1e4;
        let rounds: Vec<f64> = values.iter().copied().map(round).collect();
        let median = round(samples.median(name).unwrap_or_default());
        (name.to_owned(), json!({ "median": median, "rounds": rounds }))
    };
    Value::Object(samples.iter().map(figure).collect())
}
