//! What surrounds the product: start, telemetry, drain, and moving its data.

pub mod drain;
pub mod exit;
pub mod rebuild;
pub mod serve;
pub mod start;
pub mod telemetry;
pub mod transfer;
