//! Users, log-in and registration (`http-and-redis.md` sections 2 and 7).

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::{EmbeddedStore, rooms, schema::LAST_USER_ID, tables::Tables};
use crate::{
    contract::keys::GENERAL_ROOM,
    store::{self, Login, Registration, StoreError, User},
};

/// `None` if there is no such user; else the name, if there is one.
type Found = Option<Option<String>>;

impl EmbeddedStore {
    pub(crate) async fn find_login(&self, name: &str) -> store::Result<Option<Login>> {
        let name = name.to_owned();
        self.read(move |connection| {
            let find = "SELECT user, password FROM names LEFT JOIN users ON id = user
                WHERE name = ?1";
            connection
                .prepare_cached(find)?
                .query_row([name], |row| Ok(Login { id: row.get(0)?, password_hash: row.get(1)? }))
                .optional()
        })
        .await
    }

    pub(crate) async fn create_user(
        &self,
        name: &str,
        password_hash: &str,
    ) -> store::Result<Registration> {
        let (name, hash) = (name.to_owned(), password_hash.to_owned());
        self.write(move |tables| register(tables, &name, &hash)).await?
    }

    pub(crate) async fn users(&self, ids: &[String]) -> store::Result<Vec<Option<User>>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let asked = ids.to_owned();
        let found = self.read(move |connection| find_all(connection, &asked)).await?;
        let online = self.queue().online();
        let user = |(found, id): (Found, &String)| {
            found.map(|username| User { username, online: online.contains(id) })
        };
        Ok(found.into_iter().zip(ids).map(user).collect())
    }

    pub(crate) async fn online_users(&self) -> store::Result<Vec<(String, User)>> {
        let ids: Vec<String> = self.queue().online().iter().cloned().collect();
        self.read(move |connection| {
            let found = find_all(connection, &ids)?;
            let user = |(id, found): (String, Found)| {
                found.map(|username| (id, User { username, online: true }))
            };
            Ok(ids.into_iter().zip(found).filter_map(user).collect())
        })
        .await
    }

    pub(crate) async fn user_names(&self, ids: [&str; 2]) -> store::Result<[Option<String>; 2]> {
        let [first, second] = ids.map(str::to_owned);
        self.read(move |connection| names(connection, [&first, &second])).await
    }
}

fn find_all(connection: &Connection, ids: &[String]) -> Result<Vec<Found>> {
    let snapshot = connection.unchecked_transaction()?;
    let mut find = snapshot.prepare_cached("SELECT username FROM users WHERE id = ?1")?;
    ids.iter().map(|id| find.query_row([id], |row| row.get(0)).optional()).collect()
}

/// The names of two users; `None` for an unknown user or one without a name.
pub(super) fn names(connection: &Connection, ids: [&str; 2]) -> Result<[Option<String>; 2]> {
    let mut find = connection.prepare_cached("SELECT username FROM users WHERE id = ?1")?;
    let mut name = |id| -> Result<Option<String>> {
        Ok(find.query_row([id], |row| row.get(0)).optional()?.flatten())
    };
    Ok([name(ids[0])?, name(ids[1])?])
}

fn register(tables: &mut Tables, name: &str, hash: &str) -> Result<store::Result<Registration>> {
    let find = "SELECT 1 FROM names WHERE name = ?1";
    if tables.connection.prepare_cached(find)?.exists([name])? {
        return Ok(Ok(Registration::Taken));
    }
    let last = last_id(&tables.connection)?.unwrap_or(0);
    let Some(next) = last.checked_add(1) else {
        return Ok(Err(StoreError::Refused("there are no more user ids".into())));
    };
    set_last_id(tables, next)?;
    let id = next.to_string();
    set_name(tables, name, &id)?;
    set(tables, &id, Some(name), Some(hash))?;
    rooms::enter(tables, &id, GENERAL_ROOM)?;
    Ok(Ok(Registration::Created(next)))
}

/// The last user id that was given; `None` if there never was a user, nor demo data.
pub(super) fn last_id(connection: &Connection) -> Result<Option<i64>> {
    connection
        .prepare_cached("SELECT value FROM meta WHERE name = ?1")?
        .query_row([LAST_USER_ID], |row| row.get(0))
        .optional()
}

pub(super) fn set_last_id(tables: &mut Tables, id: i64) -> Result<()> {
    let set = "INSERT INTO meta (name, value) VALUES (?1, ?2)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    tables.connection.prepare_cached(set)?.execute(params![LAST_USER_ID, id]).map(|_| ())
}

pub(super) fn set_name(tables: &mut Tables, name: &str, id: &str) -> Result<()> {
    let set = "INSERT INTO names (name, user) VALUES (?1, ?2)
        ON CONFLICT (name) DO UPDATE SET user = excluded.user";
    tables.connection.prepare_cached(set)?.execute([name, id]).map(|_| ())
}

/// Sets what is given of a user. One of whom nothing is known does not exist, as on Redis.
pub(super) fn set(
    tables: &mut Tables,
    id: &str,
    username: Option<&str>,
    password: Option<&str>,
) -> Result<()> {
    if username.is_none() && password.is_none() {
        return Ok(());
    }
    let set = "INSERT INTO users (id, username, password) VALUES (?1, ?2, ?3)
        ON CONFLICT (id) DO UPDATE SET username = coalesce(excluded.username, username),
            password = coalesce(excluded.password, password)";
    tables.connection.prepare_cached(set)?.execute(params![id, username, password]).map(|_| ())
}
