//! The figures of a run: by server and name, one per round.

use std::collections::BTreeMap;

/// The figures of one server in one round, or in all of them.
#[derive(Debug, Clone, Default)]
pub struct Samples(BTreeMap<String, Vec<f64>>);

impl Samples {
    /// Books a figure.
    pub fn put(&mut self, name: impl Into<String>, value: f64) {
        self.0.entry(name.into()).or_default().push(value);
    }

    /// The median over the rounds.
    pub fn median(&self, name: &str) -> Option<f64> {
        let mut values = self.0.get(name)?.clone();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        match values.len() {
            0 => None,
            odd if odd % 2 == 1 => Some(values[middle]),
            _ => Some((values[middle - 1] + values[middle]) / 2.0),
        }
    }

    /// All names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[f64])> {
        self.0.iter().map(|(name, values)| (name.as_str(), &values[..]))
    }

    /// The sum of all rounds over the names that contain `part`.
    pub fn total_of(&self, part: &str) -> f64 {
        let named = self.0.iter().filter(|(name, _)| name.contains(part));
        named.flat_map(|(_, values)| values).sum()
    }

    /// The sum of all rounds over the names that end in `suffix`.
    pub fn total(&self, suffix: &str) -> f64 {
        let named = self.0.iter().filter(|(name, _)| name.ends_with(suffix));
        named.flat_map(|(_, values)| values).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_sums() {
        let mut samples = Samples::default();
        for value in [3.0, 1.0, 2.0] {
            samples.put("a.lost", value);
        }
        samples.put("b.lost", 1.0);
        assert_eq!(samples.median("a.lost"), Some(2.0));
        assert_eq!(samples.total(".lost"), 7.0);
        assert_eq!(samples.median("c"), None);
    }
}
