//! `rebuild-presence`: the online set becomes what the leases say.

use super::exit::Failure;
use crate::{
    chat::online::data_of,
    config::Rebuild,
    contract::{control::Control, envelope, events},
    store::{
        self, Result, Store,
        redis::{
            RedisStore,
            leases::{Leases, TakeOut, server_of},
            link::{self, Link},
        },
    },
};

/// The name of this command in announcements.
const NAME: &str = "rebuild-presence";

/// Does it, and tells how it went on standard output. Must be called where `spawn_local` works.
///
/// # Errors
/// What ends the program with a code of its own.
pub async fn run(settings: Rebuild) -> std::result::Result<(), Failure> {
    let client = link::client(&settings.redis).map_err(Failure::Setting)?;
    let place = link::place(&client);
    let connect = async || {
        let link = Link::start(client.clone(), settings.redis.timeout).await;
        link.map_err(|why| Failure::Store(why.to_string()))
    };
    let store = Store::Redis(RedisStore::new(connect().await?, connect().await?, NAME));
    let Some(leases) = store.leases() else { return Ok(()) };
    let failed = |why| Failure::Store(format!("the Redis at {place}: {why}"));
    let strangers = strangers(leases).await.map_err(failed)?;
    if strangers > 0 && !settings.force {
        let who = if strangers == 1 {
            "1 server listens".into()
        } else {
            format!("{strangers} servers listen")
        };
        return Err(Failure::Local(format!(
            "{who} on the Redis at {place} that does not count who is online, such as one of the original or \
             with COMPAT=exact. Stop it first; --force goes on, and shows who is only there as offline. \
             Nothing was changed"
        )));
    }
    let ghosts = rebuild(&store, leases).await.map_err(failed)?;
    let left = leases.online().await.map_err(failed)?.len();
    match ghosts.len() {
        0 => println!("Nobody had to be taken out; {left} online."),
        count => println!("Taken out: {count} ({}); {left} online.", ghosts.join(", ")),
    }
    Ok(())
}

/// Number of connections that listen and have no lease.
async fn strangers(leases: &Leases) -> Result<usize> {
    let seen = leases.look().await?;
    // A dead one does not listen.
    let ours = seen.processes.len() - seen.dead.len();
    Ok(seen.listeners.unwrap_or(0).saturating_sub(ours))
}

/// Takes out who is nowhere, and returns their ids.
async fn rebuild(store: &Store, leases: &Leases) -> Result<Vec<String>> {
    let mut out = Vec::new();
    let seen = leases.look().await?;
    for process in &seen.dead {
        let users = leases.users_of(process).await?;
        let due: Vec<_> = users.into_iter().map(|(user, data)| take_out(user, &data)).collect();
        let ended = Control::LeaseEnded { server: server_of(process).into() };
        let ended = if seen.is_only(process) { ended.encode(NAME) } else { Vec::new() };
        out.extend(leases.take_out(Some(process), &due, &ended).await?);
    }
    let ids = leases.online().await?;
    let found = store.users(&ids).await?;
    let due = ids.into_iter().zip(found).map(|(id, user)| {
        let user = user.unwrap_or(store::User { username: None, online: true });
        let data = data_of(&id, &user, false);
        take_out(id, &data)
    });
    out.extend(leases.take_out(None, &due.collect::<Vec<_>>(), b"").await?);
    leases.tell(&Control::PresenceRebuilt.encode(NAME)).await?;
    out.sort();
    Ok(out)
}

fn take_out(user: String, data: &[u8]) -> TakeOut {
    let envelope = envelope::encode(NAME, events::USER_DISCONNECTED, data);
    TakeOut { user, envelope, keep: false }
}
