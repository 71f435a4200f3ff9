//! The wire contract, one file per kind. A handler never spells a key, an event name, a cookie or
//! a channel itself. Each file names the section of `docs/contract/` that it implements.

pub mod control;
pub mod cookie;
pub mod envelope;
pub mod events;
pub mod keys;
pub mod routes;
pub mod session;
pub mod table;
pub mod uri;
