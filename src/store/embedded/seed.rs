//! The demo's data in an empty file (`http-and-redis.md` section 11).

use super::{EmbeddedStore, records, users};
use crate::store::{
    Result,
    seed::{USERS, demo_data},
};

impl EmbeddedStore {
    /// Writes the demo data if nobody ever registered here, and says whether it did.
    ///
    /// `hashes` makes one bcrypt hash of the demo's password per user; it is only called if there is
    /// something to seed. All is written in one step.
    ///
    /// # Errors
    /// As the verbs of the store; `hashes`' own are passed on.
    pub async fn seed(
        &self,
        hashes: impl AsyncFnOnce() -> Result<[String; USERS]>,
    ) -> Result<bool> {
        if self.read(users::last_id).await?.is_some() {
            return Ok(false);
        }
        let records = demo_data(&hashes().await?);
        self.write(move |tables| {
            // Somebody may have registered since the look.
            let is_empty = users::last_id(&tables.connection)?.is_none();
            if is_empty {
                records::add_all(tables, &records)?;
            }
            Ok(is_empty)
        })
        .await
    }
}
