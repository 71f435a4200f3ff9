//! This server's lease: while it is renewed its users are online, and who had a lease that has ended is
//! cleared away (`store::redis::leases`).

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{Chat, online::data_of, user::User};
use crate::{
    contract::{control::Control, events},
    store::{
        self, StoreError,
        redis::leases::{Leases, TakeOut, server_of},
    },
};

/// A lease is renewed so often during its life.
pub(super) const BEATS: u32 = 3;

/// The lease of this server.
pub(super) struct Lease {
    life: Duration,
    renewed: Cell<Option<Instant>>,
    /// It is given back.
    ended: Cell<bool>,
    /// Redis refuses it, which the log was told.
    refused: Cell<bool>,
    /// Users whose coming or leaving Redis refused, by their ids.
    owed: RefCell<HashMap<String, Rc<User>>>,
}

impl Lease {
    pub(super) fn new(life: Duration) -> Lease {
        Lease {
            life,
            renewed: Cell::default(),
            ended: Cell::default(),
            refused: Cell::default(),
            owed: RefCell::default(),
        }
    }

    /// Notes a renewal. Returns whether no beat was missed before it.
    fn renew(&self) -> bool {
        let last = self.renewed.replace(Some(Instant::now()));
        last.is_some_and(|last| last.elapsed() < self.life / 2)
    }
}

impl Chat {
    /// The leases, if this server holds one.
    pub(super) fn own_leases(&self) -> Option<&Leases> {
        self.store.leases().filter(|_| self.policy.counts_sockets())
    }

    fn lease_ended(&self, server: &str) -> Vec<u8> {
        Control::LeaseEnded { server: server.to_owned() }.encode(&self.server_id)
    }

    /// Renews the lease, for the first time before anybody connects, and sees to what the others left. Returns
    /// whether Redis was there.
    pub async fn renew_lease(self: &Rc<Self>) -> bool {
        let Some(leases) = self.own_leases().filter(|_| !self.lease.ended.get()) else {
            return true;
        };
        match self.beat(leases).await {
            Ok(()) => self.lease.refused.set(false),
            Err(StoreError::Refused(why)) => {
                if !self.lease.refused.replace(true) {
                    tracing::error!(
                        why,
                        "Redis refuses this server's lease: who is online is wrong"
                    );
                }
            }
            Err(StoreError::Unavailable(why)) => {
                tracing::debug!(why, "the lease is not renewed");
                return false;
            }
        }
        true
    }

    /// Renews the lease for ever.
    pub async fn keep_lease(self: Rc<Self>) {
        while self.own_leases().is_some() {
            sleep(self.lease.life / BEATS).await;
            // At once when Redis is back: who waits there for this server does not wait for long.
            while !self.renew_lease().await {
                self.store.until_up().await;
            }
        }
    }

    /// Gives the lease back, when all users have left. If that fails, it ends by itself.
    pub async fn end_lease(&self) {
        let Some(leases) = self.own_leases() else { return };
        self.lease.ended.set(true);
        if let Err(why) = leases.end(&self.lease_ended(&self.server_id)).await {
            tracing::warn!(%why, "the lease can't be given back: it ends by itself");
        }
    }

    /// Counts a user again with the next beat that Redis takes, by what is so then.
    pub(super) fn owe(&self, user: Rc<User>) {
        self.lease.owed.borrow_mut().insert(user.id.clone(), user);
    }

    async fn beat(self: &Rc<Self>, leases: &Leases) -> store::Result<()> {
        let begun = Control::LeaseBegun { server: self.server_id.clone() };
        let beat = leases.beat(self.lease.life, &begun.encode(&self.server_id)).await?;
        let due = self.clients.borrow_mut().presence.beat(
            &beat,
            self.lease.renew(),
            self.hearing.borrow().is_behind(),
        );
        if !due.restore.is_empty() {
            tracing::warn!(
                users = due.restore.len(),
                "the lease had ended: its users are put back"
            );
        }
        for user in due.restore.iter().chain(&due.wronged) {
            self.put_back(user);
        }
        for user in self.lease.owed.take().into_values() {
            let is_here = self.clients.borrow().presence.is_here(&user.id);
            if is_here {
                self.put_back(&user);
            } else {
                let change = self.clients.borrow().presence.leaving(&user.id);
                self.count(None, &user, change);
            }
        }
        for process in &due.dead {
            let is_only = beat.is_only(process);
            let ended = if is_only { self.lease_ended(server_of(process)) } else { Vec::new() };
            self.clear_away(leases, process, &ended).await?;
        }
        if due.alone {
            leases.tell(&Control::OthersGone.encode(&self.server_id)).await?;
        }
        if !due.ghosts.is_empty() {
            self.take_out_ghosts(leases, &due.ghosts).await?;
        }
        self.end_lost_sessions().await
    }

    /// Takes out the users of a process that was killed.
    async fn clear_away(
        self: &Rc<Self>,
        leases: &Leases,
        process: &str,
        ended: &[u8],
    ) -> store::Result<()> {
        let users = leases.users_of(process).await?;
        let out = self.take_out(leases, Some(process), &users, ended).await?;
        tracing::info!(
            process,
            users = out,
            "the lease of a server has ended: its users are offline"
        );
        Ok(())
    }

    /// Takes out who was on servers without a lease that are gone.
    async fn take_out_ghosts(
        self: &Rc<Self>,
        leases: &Leases,
        ids: &[String],
    ) -> store::Result<()> {
        let found = self.store.users(ids).await?;
        let online = ids.iter().zip(found).filter_map(|(id, user)| {
            let user = user.filter(|user| user.online)?;
            Some((id.clone(), data_of(id, &user, false)))
        });
        let users: Vec<_> = online.collect();
        if !users.is_empty() {
            let out = self.take_out(leases, None, &users, &[]).await?;
            tracing::info!(users = out, "a server without a lease is gone: its users are offline");
        }
        Ok(())
    }

    async fn take_out(
        self: &Rc<Self>,
        leases: &Leases,
        process: Option<&str>,
        users: &[(String, Vec<u8>)],
        ended: &[u8],
    ) -> store::Result<usize> {
        users.iter().for_each(|(user, _)| self.told.borrow_mut().counts(user));
        let due: Vec<TakeOut> = {
            let clients = self.clients.borrow();
            let take_out = |(user, data): &(String, Vec<u8>)| TakeOut {
                user: user.clone(),
                envelope: self.announcement(events::USER_DISCONNECTED, data).unwrap_or_default(),
                keep: clients.presence.is_elsewhere(user),
            };
            users.iter().map(take_out).collect()
        };
        let out = leases.take_out(process, &due, ended).await;
        let out_now: HashSet<&String> = out.iter().flatten().collect();
        // After an error some may be out all the same.
        let mut is_unsure = out.is_err();
        for (user, data) in users {
            let is_overtaken = self.told.borrow_mut().counted(user);
            let here = self.clients.borrow().presence.user_here(user);
            if let Some(here) = here {
                // They came after that; what was heard of them meanwhile may have waited for this.
                self.show_corrected(&here);
            } else if !out_now.contains(user) {
                continue;
            } else if is_overtaken {
                is_unsure = true;
            } else {
                self.show_presence(None, user, false, data);
            }
        }
        if is_unsure {
            self.look_who_is_online();
        }
        out.map(|out| out.len())
    }
}
