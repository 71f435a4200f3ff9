//! What surrounds the load: processes, their accounting, Redis, the machine.

pub mod account;
pub mod machine;
pub mod process;
pub mod redis;
pub mod seed;
pub mod servers;
pub mod yardstick;
