//! Whose pages may open a socket: the page of this server, one on the same machine, and the ones that
//! are named. Without this check any page on the web could chat as the visitor whose cookie the browser
//! sends along, since a WebSocket is not bound to its page's own server.

use std::{
    cell::RefCell,
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use hyper::{
    HeaderMap,
    header::{HOST, HeaderName, ORIGIN},
};

use crate::config::{Compat, Network};

/// The header in which a proxy tells which host the browser asked.
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// Origins that are told of in the log; more would be somebody who fills it.
const TOLD: usize = 20;

/// The rules for the origins of handshakes.
pub struct Origins {
    /// `None`: all are allowed.
    allowed: Option<Vec<String>>,
    proxies: Vec<Network>,
    told: RefCell<HashSet<String>>,
}

impl Origins {
    /// The rules of a degree of compatibility. `allowed` are origins as browsers write them, or `*`;
    /// `proxies` may say which host was asked.
    pub fn new(compat: Compat, allowed: &[String], proxies: &[Network]) -> Origins {
        let any = compat == Compat::Exact || allowed.iter().any(|origin| origin == "*");
        Origins {
            allowed: (!any).then(|| allowed.to_vec()),
            proxies: proxies.to_vec(),
            told: RefCell::default(),
        }
    }

    /// Whether a handshake with these headers, from this address, may open a socket. What is refused
    /// is logged, once per origin, with what would allow it.
    pub fn allow(&self, headers: &HeaderMap, from: IpAddr) -> bool {
        let Some(allowed) = &self.allowed else { return true };
        let trusted = self.proxies.iter().any(|network| network.contains(from));
        let text =
            |name| headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes()));
        let mut hosts: Vec<_> = text(HOST).collect();
        if trusted {
            // Each proxy on the way adds one; the browser's stands first.
            let first = |list: &str| list.split(',').next().unwrap_or_default().trim().to_owned();
            hosts.extend(text(FORWARDED_HOST).take(1).map(|list| first(&list).into()));
        }
        let is_fine = |origin: &str| {
            allowed.iter().any(|one| one.eq_ignore_ascii_case(origin))
                || hosts.iter().any(|host| is_same_host(origin, host))
        };
        let Some(refused) = text(ORIGIN).find(|origin| !is_fine(origin)) else { return true };
        self.tell(&refused, &hosts.join(", "), headers.contains_key(FORWARDED_HOST) && !trusted);
        false
    }

    fn tell(&self, origin: &str, host: &str, untrusted_proxy: bool) {
        let mut told = self.told.borrow_mut();
        if told.len() >= TOLD || !told.insert(origin.to_owned()) {
            return;
        }
        let cure = if untrusted_proxy {
            "if a proxy stands before this server, name its address in TRUSTED_PROXIES; \
             if the page is on another host, name its origin in ALLOWED_ORIGINS"
        } else {
            "if that page belongs to this chat, name its origin in ALLOWED_ORIGINS"
        };
        tracing::warn!(origin, host, "a page of another host was refused a socket: {cure}");
    }
}

/// Whether an `Origin` is of the host that a `Host` names: the same name and port, or both of them this
/// machine, where the page's development server has a port of its own.
fn is_same_host(origin: &str, host: &str) -> bool {
    let Some((scheme, place)) = origin.split_once("://") else { return false };
    let usual = match scheme {
        "http" => "80",
        "https" => "443",
        _ => return false,
    };
    let (Some(page), Some(server)) = (split(place), split(host)) else { return false };
    // Who is asked on the usual port leaves it out.
    let port = |port| if port == usual { "" } else { port };
    is_loopback(page.0) && is_loopback(server.0)
        || page.0.eq_ignore_ascii_case(server.0) && port(page.1) == port(server.1)
}

/// Name and port of `name:port` or `[address]:port`; the port may be missing.
fn split(place: &str) -> Option<(&str, &str)> {
    let end = if place.starts_with('[') {
        place.find(']')? + 1
    } else {
        place.find(':').unwrap_or(place.len())
    };
    let (name, rest) = place.split_at(end);
    let port = if rest.is_empty() { "" } else { rest.strip_prefix(':')? };
    let is_port = port.bytes().all(|c| c.is_ascii_digit());
    (!name.is_empty() && is_port).then_some((name, port))
}

fn is_loopback(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || address
            .is_some_and(|a| a.parse::<Ipv6Addr>().is_ok_and(|a| a.to_canonical().is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    fn rules(allowed: &[&str]) -> Origins {
        let allowed: Vec<_> = allowed.iter().map(|&origin| origin.to_owned()).collect();
        Origins::new(Compat::Safe, &allowed, &["10.0.0.0/8".parse().unwrap()])
    }

    const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9));

    #[test]
    fn hosts_are_compared() {
        for (origin, host, same) in [
            ("https://chat.example", "chat.example", true),
            ("https://Chat.example", "chat.EXAMPLE", true),
            ("https://chat.example", "chat.example:443", true),
            ("https://chat.example:443", "chat.example", true),
            ("http://chat.example:8080", "chat.example:8080", true),
            ("http://chat.example:8080", "chat.example", false),
            ("http://chat.example", "chat.example:443", false),
            ("https://evil.example", "chat.example", false),
            ("https://chat.example.evil.example", "chat.example", false),
            ("https://evil-chat.example", "chat.example", false),
            ("https://chat.example@evil.example", "chat.example", false),
            ("http://localhost:3000", "localhost:4000", true),
            ("http://localhost:3000", "127.0.0.1:4000", true),
            ("http://127.0.0.5", "[::1]:4000", true),
            ("http://app.localhost:3000", "localhost:4000", true),
            ("http://[::1]:3000", "localhost", true),
            ("http://[2001:db8::1]:4000", "[2001:db8::1]:4000", true),
            ("http://localhost.evil.example", "localhost:4000", false),
            ("http://evil.example", "localhost:4000", false),
            ("http://localhost:3000", "chat.example", false),
            ("null", "chat.example", false),
            ("", "", false),
            ("file://", "localhost", false),
            ("https://", "", false),
            ("chat.example", "chat.example", false),
            ("http://[::1", "localhost", false),
            ("http://localhost:x", "localhost", false),
        ] {
            assert_eq!(is_same_host(origin, host), same, "{origin} on {host}");
        }
    }

    #[test]
    fn who_names_no_origin_is_no_page() {
        assert!(rules(&[]).allow(&headers(&[(HOST, "a")]), STRANGER));
        assert!(rules(&[]).allow(&headers(&[]), STRANGER));
    }

    #[test]
    fn other_origins_must_be_named() {
        let request = headers(&[(HOST, "chat.example"), (ORIGIN, "https://app.example")]);
        assert!(!rules(&[]).allow(&request, STRANGER));
        assert!(rules(&["https://APP.example"]).allow(&request, STRANGER));
        assert!(rules(&["*"]).allow(&request, STRANGER));
        assert!(!rules(&["http://app.example"]).allow(&request, STRANGER));
        assert!(Origins::new(Compat::Exact, &[], &[]).allow(&request, STRANGER));
        let two = headers(&[(HOST, "a"), (ORIGIN, "http://a"), (ORIGIN, "http://b")]);
        assert!(!rules(&[]).allow(&two, STRANGER));
    }

    #[test]
    fn only_trusted_proxies_name_the_host() {
        let request = |host: &str| {
            headers(&[
                (HOST, "backend:4000"),
                (ORIGIN, "https://chat.example"),
                (FORWARDED_HOST, host),
            ])
        };
        assert!(rules(&[]).allow(&request("chat.example"), PROXY));
        assert!(rules(&[]).allow(&request("chat.example, inner"), PROXY));
        assert!(!rules(&[]).allow(&request("inner, chat.example"), PROXY));
        assert!(!rules(&[]).allow(&request("chat.example"), STRANGER));
    }

    #[test]
    fn the_log_is_not_filled() {
        let rules = rules(&[]);
        for n in 0..2 * TOLD {
            let origin = format!("http://{n}.example");
            assert!(!rules.allow(&headers(&[(HOST, "a"), (ORIGIN, &origin)]), STRANGER));
        }
        assert_eq!(rules.told.borrow().len(), TOLD);
    }
}
