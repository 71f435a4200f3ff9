//! The benchmark: chat servers side by side, by the same load, in one run.
//!
//! In reading order:
//!
//! * [`options`]: the command line and the two profiles
//! * [`system`]: processes, what they used, Redis, its seed, the servers, the machine
//! * [`load`]: the generator
//! * [`scenarios`]: what is measured
//! * [`report`]: the lines with the budget, the table, JSON, the chart
//! * [`prepare`], [`run`]: servers interleaved, scenario by scenario

pub mod error;
pub mod load;
pub mod options;
pub mod prepare;
pub mod report;
pub mod run;
pub mod scenarios;
pub mod system;
