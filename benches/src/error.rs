//! The one error: a sentence for whoever ran the benchmark.

use std::fmt::{self, Display};

/// Why a measurement, or the whole run, can't go on.
#[derive(Debug)]
pub struct Error(String);

impl Error {
    /// An error that says `text`.
    pub fn new(text: impl Into<String>) -> Error {
        Error(text.into())
    }
}

impl Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// Puts what was tried before the cause: for `map_err`.
pub fn because<E: Display>(what: impl Into<String>) -> impl FnOnce(E) -> Error {
    let what = what.into();
    move |cause| Error(format!("{what}: {cause}"))
}
