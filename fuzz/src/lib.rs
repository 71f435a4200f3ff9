//! What reads a stranger's bytes, each as a function of bytes that panics where a promise is broken.
//!
//! `fuzz_targets/` hands them to libFuzzer. `tests/fuzz_corpus/` of the server includes this file and
//! replays the corpus through them, on the stable compiler.

pub mod body;
pub mod cookie;
pub mod envelope;
pub mod frames;
pub mod json;
pub mod packet;
pub mod payload;
pub mod query;
pub mod session;

/// A target by its name, which is also that of its corpus.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 9] = [
    ("body", body::run),
    ("cookie", cookie::run),
    ("envelope", envelope::run),
    ("frames", frames::run),
    ("json", json::run),
    ("packet", packet::run),
    ("payload", payload::run),
    ("query", query::run),
    ("session", session::run),
];

/// Takes a byte off the input: a choice that the fuzzer makes.
fn choice(data: &mut &[u8]) -> u8 {
    let Some((&first, rest)) = data.split_first() else { return 0 };
    *data = rest;
    first
}
