//! The browser client's files under `/socket.io/` (`realtime.md` section 6), from a folder that a
//! setting names. The product's own page does not load them.

use std::path::Path;

use bytes::Bytes;
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_ENCODING, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH},
};

use super::{
    payload::Coding,
    polling::{Reply, reply},
};

/// The release whose files clients of the original know.
const TAG: &str = "\"3.0.4\"";

const NAMES: [&str; 3] = ["socket.io.js", "socket.io.min.js", "socket.io.msgpack.min.js"];

/// The answer, if `path` names one of the files and the folder has it. A query string makes the
/// request one for the engine.
pub fn serve(dir: &Path, path: &str, query: Option<&str>, headers: &HeaderMap) -> Option<Reply> {
    let file = path.strip_prefix("/socket.io/")?;
    let (script, map) = match file.strip_suffix(".map") {
        Some(script) => (script, true),
        None => (file, false),
    };
    if query.is_some() || !NAMES.contains(&script) {
        return None;
    }
    if headers.get(IF_NONE_MATCH).is_some_and(|tag| tag == TAG) {
        let mut unchanged = Response::default();
        *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
        return Some(unchanged);
    }
    let content = std::fs::read(dir.join(file)).ok()?;
    let kind = if map { "application/json" } else { "application/javascript" };
    let coding = Coding::preferred(headers);
    let body = coding.map_or_else(|| content.clone(), |coding| coding.encode(&content));
    let mut reply = reply(StatusCode::OK, kind, Bytes::from(body));
    let headers = reply.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=0"));
    headers.insert(ETAG, HeaderValue::from_static(TAG));
    if let Some(coding) = coding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    }
    if !map && let Ok(name) = HeaderValue::from_str(&format!("{file}.map")) {
        headers.insert(HeaderName::from_static("x-sourcemap"), name);
    }
    Some(reply)
}
