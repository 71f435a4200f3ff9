//! Rooms and who is in them (`http-and-redis.md` sections 2 and 7).

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::{EmbeddedStore, messages, tables::Tables, users};
use crate::{
    contract::keys::GENERAL_ROOM,
    store::{self, Preload, RoomKind, RoomRow, RoomState},
};

impl EmbeddedStore {
    pub(crate) async fn create_private_room(
        &self,
        user1: &str,
        user2: &str,
        room: &str,
    ) -> store::Result<[Option<String>; 2]> {
        let (users, room) = ([user1.to_owned(), user2.to_owned()], room.to_owned());
        self.write(move |tables| {
            for user in &users {
                enter(tables, user, &room)?;
            }
            users::names(&tables.connection, [&users[0], &users[1]])
        })
        .await
    }

    pub(crate) async fn rooms_of(&self, user: &str) -> store::Result<Vec<RoomRow>> {
        let user = user.to_owned();
        self.read(move |connection| rooms_of(connection, &user)).await
    }

    pub(crate) async fn listed_rooms(&self, user: &str) -> store::Result<Vec<String>> {
        let user = user.to_owned();
        self.read(move |connection| listed(connection, &user)).await
    }

    pub(crate) async fn is_listed(&self, user: &str, room: &str) -> store::Result<bool> {
        let key = [user.to_owned(), room.to_owned()];
        self.read(move |connection| {
            let find = "SELECT 1 FROM user_rooms WHERE user = ?1 AND room = ?2";
            connection.prepare_cached(find)?.exists(params![key[0], key[1]])
        })
        .await
    }

    pub(crate) async fn room_exists(&self, room: &str) -> store::Result<bool> {
        let kind = self.room_state(room).await?.kind;
        Ok(kind != RoomKind::Absent)
    }

    pub(crate) async fn history(
        &self,
        room: &str,
        start: i64,
        stop: i64,
    ) -> store::Result<Option<Vec<Vec<u8>>>> {
        let room = room.to_owned();
        self.read(move |connection| messages::range(connection, &room, start, stop)).await
    }

    pub(crate) async fn preload(&self) -> store::Result<Preload> {
        self.read(|connection| {
            let name = connection
                .prepare_cached("SELECT name FROM rooms WHERE id = ?1")?
                .query_row([GENERAL_ROOM], |row| row.get(0))
                .optional()?
                .flatten();
            let messages = messages::range(connection, GENERAL_ROOM, 0, Preload::LAST)?;
            Ok(Preload { name, messages: messages.unwrap_or_default() })
        })
        .await
    }

    pub(crate) async fn room_state(&self, room: &str) -> store::Result<RoomState> {
        let room = room.to_owned();
        self.read(move |connection| state(connection, &room)).await
    }
}

fn state(connection: &Connection, room: &str) -> Result<RoomState> {
    let find = "SELECT name IS NOT NULL, EXISTS (SELECT 1 FROM messages WHERE room = number)
        FROM rooms WHERE id = ?1";
    let found = connection
        .prepare_cached(find)?
        .query_row([room], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (named, has_messages) = found.unwrap_or((false, false));
    let kind = if has_messages { RoomKind::SortedSet } else { RoomKind::Absent };
    Ok(RoomState { named, kind })
}

/// The ids of the rooms in a user's list.
pub(super) fn listed(connection: &Connection, user: &str) -> Result<Vec<String>> {
    let mut find = connection.prepare_cached("SELECT room FROM user_rooms WHERE user = ?1")?;
    find.query_map([user], |row| row.get(0))?.collect()
}

fn rooms_of(connection: &Connection, user: &str) -> Result<Vec<RoomRow>> {
    let find = "SELECT rooms.id, name, EXISTS (SELECT 1 FROM messages WHERE room = number)
        FROM user_rooms JOIN rooms ON rooms.id = user_rooms.room
        WHERE user = ?1 ORDER BY place";
    let snapshot = connection.unchecked_transaction()?;
    let mut statement = snapshot.prepare_cached(find)?;
    let mut found = statement.query([user])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let id: String = row.get(0)?;
        let name: Option<String> = row.get(1)?;
        let has_messages: bool = row.get(2)?;
        match name.filter(|name| !name.is_empty()) {
            Some(name) => rows.push(RoomRow::Named { id, name }),
            None if !has_messages => {}
            None => match pair(&id) {
                Some(users) => {
                    let names = users::names(connection, users)?;
                    rows.push(RoomRow::Private { id, names });
                }
                None => {
                    rows.push(RoomRow::Malformed);
                    break;
                }
            },
        }
    }
    Ok(rows)
}

/// The two users in the id of a private room: it must have exactly two parts.
fn pair(id: &str) -> Option<[&str; 2]> {
    let (first, second) = id.split_once(':')?;
    if second.contains(':') { None } else { Some([first, second]) }
}

/// Puts a room into a user's list, if it is not in it.
pub(super) fn enter(tables: &mut Tables, user: &str, room: &str) -> Result<()> {
    let insert = "INSERT INTO user_rooms (user, room) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    tables.connection.prepare_cached(insert)?.execute([user, room]).map(|_| ())
}

pub(super) fn set_name(tables: &mut Tables, room: &str, name: &str) -> Result<()> {
    let insert = "INSERT INTO rooms (id, name) VALUES (?1, ?2)
        ON CONFLICT (id) DO UPDATE SET name = excluded.name";
    tables.connection.prepare_cached(insert)?.execute([room, name]).map(|_| ())
}

/// The number of a room that is about to get a message, and whether it had neither a name nor
/// messages before.
pub(super) fn number(tables: &mut Tables, room: &str) -> Result<(i64, bool)> {
    if let Some(number) = tables.known_room(room) {
        return Ok((number, false));
    }
    let found = tables
        .connection
        .prepare_cached("SELECT number FROM rooms WHERE id = ?1")?
        .query_row([room], |row| row.get(0))
        .optional()?;
    let (number, is_new) = match found {
        Some(number) => (number, false),
        None => {
            let insert = "INSERT INTO rooms (id) VALUES (?1)";
            let number = tables.connection.prepare_cached(insert)?.insert(params![room])?;
            (number, true)
        }
    };
    tables.remember_room(room, number);
    Ok((number, is_new))
}
