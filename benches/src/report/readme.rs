//! The table in a README.

use std::{fs, path::Path};

use crate::error::{Error, because};

/// Begins the table.
const FROM: &str = "<!-- benchmark: made by make bench-accept -->";
/// Ends it.
const TO: &str = "<!-- end of benchmark -->";

/// Puts `table` between the marks of a file.
pub fn put(file: &Path, table: &str) -> Result<(), Error> {
    let name = file.display().to_string();
    let text = fs::read_to_string(file).map_err(because(&name))?;
    let put =
        between(&text, table).ok_or_else(|| Error::new(format!("{name} lacks {FROM} … {TO}")))?;
    fs::write(file, put).map_err(because(&name))
}

fn between(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(FROM)?;
    let (_, after) = rest.split_once(TO)?;
    // Its foot is lines of their own, which Markdown would join.
    let (table, foot) = table.split_once("\n\n")?;
    let foot = foot.trim().replace('\n', "\\\n");
    Some(format!("{before}{FROM}\n\n{table}\n\n{foot}\n\n{TO}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_table_goes_and_the_rest_stays() {
        let text = format!("a\n{FROM}\nold\n{TO}\nb");
        let expected = format!("a\n{FROM}\n\n| t |\n\none\\\ntwo\n\n{TO}\nb");
        assert_eq!(between(&text, "| t |\n\none\ntwo\n"), Some(expected));
        assert_eq!(between("none", "| t |\n\nx"), None);
    }
}
