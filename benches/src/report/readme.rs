//! Reports in Markdown files.

use std::{fs, path::Path};

use crate::error::{Error, because};

/// A place in a Markdown file for what a run prints.
#[derive(Debug)]
pub struct Place {
    from: &'static str,
    to: &'static str,
}

/// That of the comparison.
pub const BENCHMARK: Place = Place {
    from: "<!-- benchmark: made by make bench-accept -->",
    to: "<!-- end of benchmark -->",
};

/// That of growth.
pub const GROWTH: Place = Place {
    from: "<!-- growth: made by make bench-growth-accept -->",
    to: "<!-- end of growth -->",
};

impl Place {
    /// Puts `report` between the marks of a file.
    pub fn put(&self, file: &Path, report: &str) -> Result<(), Error> {
        let name = file.display().to_string();
        let text = fs::read_to_string(file).map_err(because(&name))?;
        let put = self
            .between(&text, report)
            .ok_or_else(|| Error::new(format!("{name} lacks {} … {}", self.from, self.to)))?;
        fs::write(file, put).map_err(because(&name))
    }

    fn between(&self, text: &str, report: &str) -> Option<String> {
        let Place { from, to } = self;
        let (before, rest) = text.split_once(from)?;
        let (_, after) = rest.split_once(to)?;
        // The foot is lines of their own, which Markdown would join.
        let (tables, foot) = report.rsplit_once("\n\n")?;
        let foot = foot.trim().replace('\n', "\\\n");
        Some(format!("{before}{from}\n\n{tables}\n\n{foot}\n\n{to}{after}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_table_goes_and_the_rest_stays() {
        let Place { from, to } = BENCHMARK;
        let text = format!("a\n{from}\nold\n{to}\nb");
        let expected = format!("a\n{from}\n\n| t |\n\n| u |\n\none\\\ntwo\n\n{to}\nb");
        let report = "| t |\n\n| u |\n\none\ntwo\n";
        assert_eq!(BENCHMARK.between(&text, report), Some(expected));
        assert_eq!(GROWTH.between(&text, report), None);
    }
}
