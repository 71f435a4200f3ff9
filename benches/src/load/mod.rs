//! The load generator: one thread, one epoll, no task and no timer per socket.
//!
//! It must cost less than the servers it measures, so it speaks just as much WebSocket, Engine.IO and HTTP as the
//! scenarios need, reads into one buffer, and looks at a delivery only for its mark.

pub mod frame;
pub mod generator;
pub mod http;
pub mod ledger;
pub mod mark;
pub mod net;
pub mod socket;
pub mod upgrade;

pub use self::generator::{Arrival, Generator};
