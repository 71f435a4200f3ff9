//! Files of the client build (`http-and-redis.md` section 12).

use std::{
    cell::RefCell,
    collections::HashMap,
    io::{self, SeekFrom},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Either, StreamBody};
use hyper::{
    Method, Response, StatusCode,
    body::Frame,
    header::{
        ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap,
        HeaderValue, LAST_MODIFIED, LOCATION,
    },
    http::request::Parts,
};
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _},
};

use super::{
    Target, conditional,
    conditional::Part,
    error::Error,
    respond::{Answer, Body, assemble, full},
};
use crate::contract::uri::{decode_component, encode_url, escape_html};

/// Files up to this size are sent in one piece; others in pieces of it.
const CHUNK: usize = 64 << 10;

/// Files up to this size are kept in memory once they were asked for.
const KEPT: u64 = 1 << 20;
/// Bytes that are kept in all; past it all is read anew.
const KEPT_IN_ALL: usize = 32 << 20;
/// A file that was changed so lately may be changed again within the same tick of its clock.
const SETTLED: Duration = Duration::from_secs(2);

/// The folder of the client build.
pub struct Files {
    root: PathBuf,
    kept: RefCell<HashMap<PathBuf, Kept>>,
}

/// A file as it was read.
struct Kept {
    size: u64,
    changed: SystemTime,
    bytes: Bytes,
}

impl Files {
    /// Files below a folder.
    pub fn new(root: PathBuf) -> Files {
        Files { root, kept: RefCell::default() }
    }

    /// A small file that has been `changed` last and is of that `size`; `None` if it is too large
    /// to be in memory, or another one by now.
    async fn whole(
        &self,
        path: &Path,
        size: u64,
        changed: SystemTime,
    ) -> io::Result<Option<Bytes>> {
        if size > KEPT {
            return Ok(None);
        }
        if let Some(kept) = self.kept.borrow().get(path)
            && (kept.size, kept.changed) == (size, changed)
        {
            return Ok(Some(kept.bytes.clone()));
        }
        let bytes = Bytes::from(tokio::fs::read(path).await?);
        if bytes.len() as u64 != size {
            return Ok(None);
        }
        if changed.elapsed().is_ok_and(|age| age > SETTLED) {
            let mut kept = self.kept.borrow_mut();
            if kept.values().map(|kept| kept.bytes.len()).sum::<usize>() > KEPT_IN_ALL {
                kept.clear();
            }
            kept.insert(path.to_owned(), Kept { size, changed, bytes: bytes.clone() });
        }
        Ok(Some(bytes))
    }
}

fn part_of(whole: &Bytes, start: u64, length: u64) -> Bytes {
    let start = usize::try_from(start).unwrap_or(usize::MAX).min(whole.len());
    let end = start + usize::try_from(length).unwrap_or(usize::MAX).min(whole.len() - start);
    whole.slice(start..end)
}

/// Types by extension; others are bytes. Text, JavaScript and JSON are said to be UTF-8.
#[rustfmt::skip]
const TYPES: [(&str, &str); 31] = [
    ("html", "text/html; charset=UTF-8"), ("htm", "text/html; charset=UTF-8"),
    ("css", "text/css; charset=UTF-8"), ("txt", "text/plain; charset=UTF-8"),
    ("csv", "text/csv; charset=UTF-8"), ("md", "text/markdown; charset=UTF-8"),
    ("js", "application/javascript; charset=UTF-8"), ("mjs", "application/javascript; charset=UTF-8"),
    ("json", "application/json; charset=UTF-8"), ("map", "application/json; charset=UTF-8"),
    ("webmanifest", "application/manifest+json"), ("xml", "application/xml"),
    ("wasm", "application/wasm"), ("pdf", "application/pdf"), ("zip", "application/zip"),
    ("gz", "application/gzip"), ("eot", "application/vnd.ms-fontobject"),
    ("ico", "image/x-icon"), ("png", "image/png"), ("jpg", "image/jpeg"), ("jpeg", "image/jpeg"),
    ("gif", "image/gif"), ("svg", "image/svg+xml"), ("webp", "image/webp"),
    ("woff", "font/woff"), ("woff2", "font/woff2"), ("ttf", "font/ttf"), ("otf", "font/otf"),
    ("mp3", "audio/mpeg"), ("mp4", "video/mp4"), ("webm", "video/webm"),
];

/// The file, or the way to the folder, that the path names; `None` if it is for others to answer.
pub async fn find(
    files: &Files,
    request: &Parts,
    target: &Target<'_>,
) -> Result<Option<Response<Body>>, Error> {
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return Ok(None);
    }
    let Some(name) = file_name(&target.path) else { return Ok(None) };
    let path = files.root.join(&name);
    // On the loop: it takes a microsecond or two where the folder is on a disk of this machine, and
    // every request comes this way.
    let found = match std::fs::metadata(&path) {
        Ok(found) => found,
        Err(why) if is_missing(&why) => return Ok(None),
        Err(why) => return Err(Error::File(why)),
    };
    if found.is_dir() {
        let on_the_way = !target.path.ends_with('/');
        return Ok(on_the_way.then(|| redirect(target).send(request)));
    }
    if !found.is_file() {
        // Reading a pipe or a device could take for ever.
        return Ok(None);
    }
    let modified = found.modified().map_err(Error::File)?;
    send(files, request, &path, found.len(), modified).await.map(Some)
}

fn is_missing(why: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
    matches!(why.kind(), NotFound | NotADirectory | InvalidFilename)
}

/// The name below the root; `None` if there can't be such a file or it must not be seen.
pub(super) fn file_name(path: &str) -> Option<String> {
    let decoded = decode_component(path)?;
    if decoded.contains('\0') {
        return None;
    }
    let mut parts = Vec::new();
    for part in decoded.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    // Half of the world takes this for a way up.
    if parts.iter().any(|part| part.split('\\').any(|part| part == "..")) {
        return None;
    }
    let mut name = parts.join("/");
    if path.ends_with('/') {
        name.push_str("/index.html");
    } else if parts.last().is_some_and(|last| last.starts_with('.')) {
        return None;
    } else if decoded.ends_with('/') {
        // Keeps `file%2F` from being the file.
        name.push('/');
    }
    Some(name.trim_start_matches('/').to_owned())
}

fn redirect(target: &Target<'_>) -> Answer {
    let mut way = format!("/{}/", target.path.trim_start_matches('/'));
    if let Some(query) = target.query {
        way.push('?');
        way.push_str(query);
    }
    let way = encode_url(&way);
    let link = escape_html(&way);
    let content = format!("Redirecting to <a href=\"{link}\">{link}</a>");
    let kind = HeaderValue::from_static("text/html; charset=UTF-8");
    Answer::page(StatusCode::MOVED_PERMANENTLY, kind, "Redirecting", &content).header(LOCATION, way)
}

async fn send(
    files: &Files,
    request: &Parts,
    path: &Path,
    size: u64,
    changed: SystemTime,
) -> Result<Response<Body>, Error> {
    // The original knows times in whole milliseconds, rounded.
    let millis =
        changed.duration_since(UNIX_EPOCH).unwrap_or_default() + Duration::from_micros(500);
    let millis = millis.as_millis();
    let modified = UNIX_EPOCH + Duration::from_secs(u64::try_from(millis / 1000).unwrap_or(0));
    let tag = format!("W/\"{size:x}-{millis:x}\"");

    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=0"));
    set(&mut headers, LAST_MODIFIED, &httpdate::fmt_http_date(modified));
    set(&mut headers, ETAG, &tag);
    if conditional::precondition_failed(&request.headers, &tag, modified) {
        return Ok(refuse(request, headers, StatusCode::PRECONDITION_FAILED));
    }
    if conditional::is_fresh(&request.headers, &tag, Some(modified)) {
        return Ok(assemble(StatusCode::NOT_MODIFIED, headers, full(Bytes::new())));
    }
    let (status, start, length) = match conditional::part(&request.headers, size, &tag, modified) {
        Part::Whole => (StatusCode::OK, 0, size),
        Part::Range(start, end) => {
            set(&mut headers, CONTENT_RANGE, &format!("bytes {start}-{end}/{size}"));
            (StatusCode::PARTIAL_CONTENT, start, end - start + 1)
        }
        Part::Unsatisfiable => {
            set(&mut headers, CONTENT_RANGE, &format!("bytes */{size}"));
            return Ok(refuse(request, headers, StatusCode::RANGE_NOT_SATISFIABLE));
        }
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind(path)));
    headers.insert(CONTENT_LENGTH, length.into());
    let body = if request.method == Method::HEAD {
        full(Bytes::new())
    } else {
        match files.whole(path, size, changed).await.map_err(Error::File)? {
            Some(whole) => full(part_of(&whole, start, length)),
            None => read(path, start, length).await.map_err(Error::File)?,
        }
    };
    Ok(assemble(status, headers, body))
}

fn set(headers: &mut HeaderMap, name: hyper::header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// An error that keeps the file's own headers.
fn refuse(request: &Parts, file: HeaderMap, status: StatusCode) -> Response<Body> {
    let message = status.canonical_reason().unwrap_or_default();
    let mut response = Answer::message(status, message).send(request);
    response.headers_mut().extend(file);
    response
}

/// The content type of a file, by its extension.
pub(super) fn kind(path: &Path) -> &'static str {
    let extension = path.extension().unwrap_or(path.as_os_str());
    let known = TYPES.iter().find(|(name, _)| extension.eq_ignore_ascii_case(name));
    known.map_or("application/octet-stream", |(_, kind)| kind)
}

/// A part of a file. What is big is never in memory as a whole.
async fn read(path: &Path, start: u64, length: u64) -> io::Result<Body> {
    let mut file = File::open(path).await?;
    if start > 0 {
        file.seek(SeekFrom::Start(start)).await?;
    }
    if length <= CHUNK as u64 {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(CHUNK)];
        file.read_exact(&mut bytes).await?;
        return Ok(full(bytes));
    }
    let chunks = futures_util::stream::try_unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let mut chunk = BytesMut::with_capacity(CHUNK.min(usize::try_from(left).unwrap_or(CHUNK)));
        let read = (&mut file).take(left).read_buf(&mut chunk).await? as u64;
        if read == 0 {
            // The file has shrunk: better a broken connection than a wrong answer.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some((Frame::data(chunk.freeze()), (file, left - read))))
    });
    Ok(Either::Right(StreamBody::new(chunks).boxed_unsync()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_stay_below_the_root() {
        for (path, name) in [
            ("/", "index.html"),
            ("//robots.txt", "robots.txt"),
            ("/robots%2etxt", "robots.txt"),
            ("/static/../a/./b", "a/b"),
            ("/robots.txt/", "robots.txt/index.html"),
            ("/robots.txt%2F", "robots.txt/"),
            ("/.well-known/x", ".well-known/x"),
            ("/...", "..."),
        ] {
            let expected = (name != "...").then_some(name);
            assert_eq!(file_name(path).as_deref(), expected, "{path}");
        }
        for path in [
            "/..",
            "/a/../../b",
            "/%2e%2e/b",
            "/..%2fb",
            "/.env",
            "/a/.env",
            "/%",
            "/a%00",
            "/..\\b",
            "/a\\..\\b",
        ] {
            assert_eq!(file_name(path), None, "{path}");
        }
    }

    #[test]
    fn types_are_found_by_extension() {
        assert_eq!(kind(Path::new("/a/main.chunk.js.map")), "application/json; charset=UTF-8");
        assert_eq!(kind(Path::new("/a/A.PNG")), "image/png");
        assert_eq!(kind(Path::new("/a/LICENSE")), "application/octet-stream");
    }

    proptest! {
        #[test]
        fn no_path_leaves_the_root(path in "(/|\\.|%2e|%2F|\\\\|a|%|é){0,20}") {
            if let Some(name) = file_name(&path) {
                prop_assert!(!name.starts_with('/'));
                prop_assert!(name.split('/').all(|part| part != ".."));
            }
        }
    }
}
