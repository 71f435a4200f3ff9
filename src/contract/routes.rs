//! The routes (`http-and-redis.md` sections 2 and 3).

use hyper::Method;

use super::uri::decode_component;

/// What answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named like the rows of the table below")]
pub enum Route {
    Links,
    RandomName,
    Me,
    Login,
    Logout,
    Room,
    Preload,
    Messages,
    UsersOnline,
    Users,
    Rooms,
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Everybody.
    Open,
    /// Who is signed in; others get a 403.
    SignedIn,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Get,
    Post,
}

use {Auth::*, Verb::*};

/// The whole table. `:` stands for one segment, which the handler gets decoded.
#[rustfmt::skip]
const ROUTES: [(Verb, &str, Auth, Route); 11] = [
    (Get,  "/links",            Open,     Route::Links),
    (Get,  "/randomname",       Open,     Route::RandomName),
    (Get,  "/me",               Open,     Route::Me),
    (Post, "/login",            Open,     Route::Login),
    (Post, "/logout",           SignedIn, Route::Logout),
    (Post, "/room",             SignedIn, Route::Room),
    (Get,  "/room/0/preload",   Open,     Route::Preload),
    (Get,  "/room/:/messages",  SignedIn, Route::Messages),
    (Get,  "/users/online",     SignedIn, Route::UsersOnline),
    (Get,  "/users",            Open,     Route::Users),
    (Get,  "/rooms/:",          SignedIn, Route::Rooms),
];

/// Method, pattern and audience of each route.
pub fn table() -> impl Iterator<Item = (&'static str, &'static str, Auth)> {
    ROUTES.into_iter().map(|(verb, pattern, auth, _)| {
        let method = match verb {
            Get => "GET",
            Post => "POST",
        };
        (method, pattern, auth)
    })
}

/// What the table says about a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Match {
    /// A route, who may use it, and its decoded parameter (empty if it has none).
    Route(Route, Auth, String),
    /// `OPTIONS` of a known path: the methods it has.
    Options(&'static str),
    /// A parameter that can't be decoded, whatever the method.
    Undecodable,
    /// Nothing of ours.
    None,
}

/// Looks a request up. `path` is undecoded, without the query.
pub fn find(method: &Method, path: &str) -> Match {
    let path = path.strip_suffix('/').unwrap_or(path);
    for (verb, pattern, auth, route) in ROUTES {
        let Some(parameter) = parameter(pattern, path) else { continue };
        let Some(parameter) = decode_component(parameter) else { return Match::Undecodable };
        match (method, verb) {
            (&Method::GET | &Method::HEAD, Get) | (&Method::POST, Post) => {
                return Match::Route(route, auth, parameter);
            }
            (&Method::OPTIONS, Get) => return Match::Options("GET,HEAD"),
            (&Method::OPTIONS, Post) => return Match::Options("POST"),
            _ => {}
        }
    }
    Match::None
}

/// The undecoded parameter if the path fits.
fn parameter<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let mut parameter = "";
    let mut segments = path.split('/');
    for expected in pattern.split('/') {
        let segment = segments.next()?;
        if expected == ":" && !segment.is_empty() {
            parameter = segment;
        } else if !segment.eq_ignore_ascii_case(expected) {
            return None;
        }
    }
    segments.next().is_none().then_some(parameter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Option<(Route, String)> {
        match find(&Method::GET, path) {
            Match::Route(route, _, parameter) => Some((route, parameter)),
            _ => None,
        }
    }

    #[test]
    fn paths_match_as_in_section_3() {
        for path in ["/ME", "/me", "/me/"] {
            assert_eq!(get(path), Some((Route::Me, String::new())), "{path}");
        }
        assert_eq!(get("/Users/Online/"), Some((Route::UsersOnline, String::new())));
        assert_eq!(get("/room/1%3A2/messages"), Some((Route::Messages, "1:2".to_owned())));
        assert_eq!(get("/rooms/a%2Fb"), Some((Route::Rooms, "a/b".to_owned())));
        assert_eq!(get("/rooms/:"), Some((Route::Rooms, ":".to_owned())));
        for path in [
            "",
            "/",
            "*",
            "me",
            "/me//",
            "//me",
            "/%6de",
            "/me%2f",
            "/rooms",
            "/rooms/",
            "/rooms/1/2",
            "/room/00/preload",
            "/room/%30/preload",
            "/room//messages",
            "/room/:/preload",
        ] {
            assert_eq!(find(&Method::GET, path), Match::None, "{path}");
        }
    }

    #[test]
    fn methods_match_as_in_section_3() {
        assert_eq!(find(&Method::OPTIONS, "/me"), Match::Options("GET,HEAD"));
        assert_eq!(find(&Method::OPTIONS, "/login"), Match::Options("POST"));
        assert_eq!(find(&Method::OPTIONS, "/nope"), Match::None);
        assert!(matches!(find(&Method::HEAD, "/me"), Match::Route(..)));
        assert_eq!(find(&Method::HEAD, "/login"), Match::None);
        assert_eq!(find(&Method::PUT, "/me"), Match::None);
        assert_eq!(find(&Method::PUT, "/rooms/%E0%A4%A"), Match::Undecodable);
    }
}
