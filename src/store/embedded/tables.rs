//! The connection that writes, with what it remembers.

use std::collections::HashMap;

use rusqlite::{Connection, Result};

/// Most rooms whose numbers are remembered. What is forgotten is looked up again.
const MOST_ROOMS: usize = 50_000;

/// The writing connection.
pub(super) struct Tables {
    pub(super) connection: Connection,
    /// The numbers of rooms that have a name or messages. Rooms never vanish while a file is open,
    /// unless a transaction is rolled back.
    rooms: HashMap<String, i64>,
}

impl Tables {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, rooms: HashMap::new() }
    }

    /// Does some work as one transaction; if any of it fails, nothing was done.
    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Tables) -> Result<T>,
    ) -> Result<T> {
        self.begin()?;
        let outcome = work(self).and_then(|done| self.commit().map(|()| done));
        if outcome.is_err() {
            self.roll_back();
        }
        outcome
    }

    /// Begins a transaction that ends with `commit` or `roll_back`.
    pub(super) fn begin(&self) -> Result<()> {
        self.run("BEGIN IMMEDIATE")
    }

    pub(super) fn commit(&self) -> Result<()> {
        self.run("COMMIT")
    }

    /// Ends a transaction that failed. Some errors end it by themselves.
    pub(super) fn roll_back(&mut self) {
        self.forget();
        if !self.connection.is_autocommit()
            && let Err(why) = self.run("ROLLBACK")
        {
            tracing::error!(%why, "a transaction on the data file can't be rolled back");
        }
    }

    /// Forgets what is remembered of the tables.
    pub(super) fn forget(&mut self) {
        self.rooms.clear();
    }

    pub(super) fn known_room(&self, id: &str) -> Option<i64> {
        self.rooms.get(id).copied()
    }

    pub(super) fn remember_room(&mut self, id: &str, number: i64) {
        if self.rooms.len() >= MOST_ROOMS {
            self.rooms.clear();
        }
        self.rooms.insert(id.to_owned(), number);
    }

    fn run(&self, sql: &str) -> Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(|_| ())
    }
}
