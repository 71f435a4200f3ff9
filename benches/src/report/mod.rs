//! What was measured, for readers and for programs.

pub mod chart;
pub mod curves;
pub mod growth;
pub mod json;
pub mod lines;
pub mod readme;
pub mod samples;
pub mod table;
