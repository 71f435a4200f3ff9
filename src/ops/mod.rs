//! What surrounds the product: start, telemetry, drain.

pub mod drain;
pub mod exit;
pub mod serve;
pub mod telemetry;
