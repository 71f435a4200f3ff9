//! A Rust server for the Redis chat demo, wire-compatible with its Node.js original.
//!
//! The code tour, in reading order:
//!
//! 1. [`contract`]: the wire, one room each: routes, events, keys, envelope, cookie, session.
//! 2. [`js`]: JavaScript semantics that show on the wire.
//! 3. [`config`]: every setting, documented once.
//! 4. [`http`]: layer order, session layer, one file per resource, static files,
//!    the built-in page, errors.
//! 5. [`engine`]: Engine.IO: packets, the session state machine, polling, WebSocket, upgrade.
//! 6. [`socketio`]: the Socket.IO packets that the chat uses.
//! 7. [`chat`]: what the product does: connect and leave, join, message, presence.
//! 8. [`bus`]: announcements between instances.
//! 9. [`store`]: the verbs, their guarantees, and the backends.
//! 10. [`limits`]: what one client may use.
//! 11. [`app`]: what the parts share; [`ops`]: start, log and drain around it; [`tally`]: what the log counts.

pub mod app;
pub mod bus;
pub mod chat;
pub mod config;
pub mod contract;
pub mod engine;
pub mod http;
pub mod js;
pub mod limits;
pub mod ops;
pub mod passwords;
pub mod socketio;
pub mod store;
pub mod tally;
