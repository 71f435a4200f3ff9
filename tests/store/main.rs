//! The verbs of the store, with the same expectations of each kind of store. What only a Redis can have
//! is in `store_redis.rs`, what only a file can have in `store_embedded.rs`.

mod messages;
mod random;
mod record;
mod rooms;
mod seed;
mod sessions;
#[path = "../support/mod.rs"]
mod support;
mod users;
