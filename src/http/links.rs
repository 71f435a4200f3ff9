//! `GET /links` (`http-and-redis.md` section 2).

use std::path::Path;

use super::respond::Answer;
use crate::{
    app::App,
    js::{Json, Object},
};

const ORIGINAL: &str = "https://github.com/redis-developer/basic-redis-chat-demo-nodejs";

/// Reads what to answer with, at start.
///
/// # Errors
/// In plain words, if the file can't be read or is not JSON.
pub fn load(file: Option<&Path>) -> Result<Json, String> {
    let Some(file) = file else {
        let mut links = Object::default();
        links.insert("github", ORIGINAL.into());
        return Ok(links.into());
    };
    let failed = |why: &dyn std::fmt::Display| format!("LINKS_FILE '{}': {why}", file.display());
    let text = std::fs::read_to_string(file).map_err(|why| failed(&why))?;
    Json::parse(&text).map_err(|why| failed(&why))
}

pub(super) fn get(app: &App) -> Answer {
    Answer::ok(&app.links)
}
