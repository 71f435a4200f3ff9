//! The built-in chat page (`src/page/`), served when no `CLIENT_DIR` names another client.
//!
//! Its files are part of the program, so they answer as static files do (`http-and-redis.md` section
//! 12) but for what needs a file on a disk: there is no `Last-Modified`, and ranges are ignored.

use std::path::Path;

use hyper::{
    Method, Response, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS,
    },
    http::request::Parts,
};

use super::{
    Target,
    respond::{Answer, Body},
    static_files,
};

/// The page loads nothing from elsewhere, talks to nobody else, and is nobody's frame. `'self'`
/// includes the WebSocket to the own origin.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Names and contents, from file names below `src/page/`.
macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!("../page/", $name)) as &[u8])),*]
    };
}

static FILES: &[(&str, &[u8])] = &files![
    "favicon.svg",
    "index.html",
    "main.mjs",
    "model/backoff.mjs",
    "model/chat.mjs",
    "model/history.mjs",
    "model/message.mjs",
    "model/outbox.mjs",
    "model/read-marks.mjs",
    "model/room.mjs",
    "model/text.mjs",
    "session.mjs",
    "style/base.css",
    "style/chat.css",
    "style/rooms.css",
    "style/sign-in.css",
    "sync.mjs",
    "tabs.mjs",
    "view/composer.mjs",
    "view/connection.mjs",
    "view/dom.mjs",
    "view/messages.mjs",
    "view/rooms.mjs",
    "view/sign-in.mjs",
    "view/view.mjs",
    "wire/api.mjs",
    "wire/link.mjs",
    "wire/packets.mjs",
    "wire/polling.mjs",
    "wire/socket.mjs",
    "wire/websocket.mjs",
];

/// The file of the page that the path names; `None` if it is for others to answer.
pub fn find(request: &Parts, target: &Target<'_>) -> Option<Response<Body>> {
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return None;
    }
    let name = static_files::file_name(&target.path)?;
    let (name, content) = FILES.iter().find(|(known, _)| *known == name)?;
    Some(answer(name, content).send(request))
}

fn answer(name: &str, content: &'static [u8]) -> Answer {
    let kind = HeaderValue::from_static(static_files::kind(Path::new(name)));
    Answer::tagged(StatusCode::OK, kind, content)
        .header(CACHE_CONTROL, "public, max-age=0")
        .header(CONTENT_SECURITY_POLICY, POLICY)
        .header(X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(REFERRER_POLICY, "no-referrer")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::{
        Request,
        body::Body as _,
        header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
    };

    fn request(method: Method, path: &str, if_none_match: &str) -> Option<Response<Body>> {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(IF_NONE_MATCH, if_none_match).body(()).unwrap();
        let request = request.into_parts().0;
        find(&request, &Target::of(&request.uri))
    }

    fn get(path: &str) -> Option<Response<Body>> {
        request(Method::GET, path, "")
    }

    fn files_below(folder: &Path, prefix: &str, names: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                files_below(&entry.path(), &format!("{name}/"), names);
            } else {
                names.push(name);
            }
        }
    }

    #[test]
    fn every_file_of_the_folder_is_served() {
        let mut names = Vec::new();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page");
        files_below(&folder, "", &mut names);
        names.sort();
        let served: Vec<_> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(served, names);
    }

    #[test]
    fn the_root_is_the_page() {
        let page = get("/").unwrap();
        assert_eq!(page.status(), StatusCode::OK);
        assert_eq!(page.headers()[CONTENT_TYPE], "text/html; charset=UTF-8");
        assert_eq!(page.headers()[CACHE_CONTROL], "public, max-age=0");
        assert_eq!(page.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
        let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let again = get("/index.html?x=1").unwrap();
        assert_eq!(again.headers()[ETAG], page.headers()[ETAG]);
    }

    #[test]
    fn every_file_has_a_type_and_a_tag() {
        for (name, content) in FILES {
            let file = get(&format!("/{name}")).unwrap();
            assert_ne!(file.headers()[CONTENT_TYPE], "application/octet-stream", "{name}");
            assert_eq!(file.headers()[CONTENT_LENGTH], content.len().to_string(), "{name}");
            let tag = file.headers()[ETAG].to_str().unwrap();
            let known = request(Method::GET, &format!("/{name}"), tag).unwrap();
            assert_eq!(known.status(), StatusCode::NOT_MODIFIED, "{name}");
            assert_eq!(known.headers().get(CONTENT_TYPE), None, "{name}");
        }
    }

    #[test]
    fn head_has_the_headers_alone() {
        let head = request(Method::HEAD, "/", "").unwrap();
        assert_eq!(head.headers(), get("/").unwrap().headers());
        assert_eq!(head.body().size_hint().exact(), Some(0));
    }

    #[test]
    fn the_rest_is_for_others() {
        for path in ["/me", "/page", "/view", "/view/", "/main.mjs/", "/Main.mjs", "/../main.mjs"] {
            assert!(get(path).is_none(), "{path}");
        }
        for method in [Method::POST, Method::PUT, Method::OPTIONS, Method::DELETE] {
            assert!(request(method.clone(), "/", "").is_none(), "{method}");
        }
    }
}
