//! Session documents (`http-and-redis.md` section 6): opaque bytes under a key with a life.

use redis::pipe;

use super::RedisStore;
use crate::{
    contract::keys::{SESSION_SECONDS, session},
    store::Result,
};

impl RedisStore {
    pub(crate) async fn session_load(&self, sid: &str) -> Result<Option<Vec<u8>>> {
        let mut ask = pipe();
        ask.cmd("GETEX").arg(session(sid)).arg("EX").arg(SESSION_SECONDS);
        self.ask(&ask).await?.bytes()
    }

    pub(crate) async fn session_peek(&self, sid: &str) -> Result<Option<Vec<u8>>> {
        let mut ask = pipe();
        ask.cmd("GET").arg(session(sid));
        self.ask(&ask).await?.bytes()
    }

    pub(crate) async fn session_create(&self, sid: &str, text: &str, seconds: u64) -> Result<()> {
        let mut ask = pipe();
        ask.cmd("SET").arg(session(sid)).arg(text).arg("EX").arg(seconds);
        self.ask(&ask).await?.done()
    }

    pub(crate) async fn session_replace(
        &self,
        sid: &str,
        text: &str,
        seconds: u64,
    ) -> Result<bool> {
        let mut ask = pipe();
        ask.cmd("SET").arg(session(sid)).arg(text).arg("XX").arg("EX").arg(seconds);
        Ok(self.ask(&ask).await?.bytes()?.is_some())
    }

    pub(crate) async fn session_delete(&self, sid: &str) -> Result<()> {
        let mut ask = pipe();
        ask.cmd("DEL").arg(session(sid));
        self.ask(&ask).await?.done()
    }
}
