//! `POST /logout` (`http-and-redis.md` sections 2 and 6).

use hyper::StatusCode;

use super::{Call, error::Error, respond::Answer};
use crate::app::App;

/// Ends the session. Waits for the store, so that an "OK" is one.
pub(super) async fn post(app: &App, call: Call<'_>) -> Result<Answer, Error> {
    call.visitor.sign_out(app).await?;
    Ok(Answer::status(StatusCode::OK))
}
