//! `GET /me` (`http-and-redis.md` section 2).

use super::{Call, respond::Answer};
use crate::js::Json;

/// The user as the session has it, or `null`.
pub(super) fn get(call: &Call<'_>) -> Answer {
    Answer::ok(call.visitor.user().unwrap_or(&Json::Null))
}
