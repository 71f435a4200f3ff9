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
    header::{COOKIE, HOST, HeaderName, HeaderValue, ORIGIN, REFERER},
};

use crate::config::{Compat, Network};

/// The header in which a proxy tells which host the browser asked.
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// The header in which a browser tells how far the page is from the host that it asks.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
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

    /// Whether a request of a socket with these headers, from this address, may be served. `as_script` is one whose
    /// answer any page can read (JSONP). What is refused is logged, once per origin, with what would allow it.
    pub fn allow(&self, headers: &HeaderMap, from: IpAddr, as_script: bool) -> bool {
        let Some(allowed) = &self.allowed else { return true };
        // The browser's word, which no page can change, holds behind a proxy that changes the host too.
        if headers.get(SEC_FETCH_SITE).is_some_and(|site| site == "same-origin") {
            return true;
        }
        let text =
            |name| headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes()));
        let mut hosts: Vec<_> = text(HOST).collect();
        let trusted = self.proxies.iter().any(|network| network.contains(from))
            || hosts.iter().any(|host| is_beside(from, host));
        if trusted {
            // Each proxy on the way adds one; the browser's stands first.
            let first = |list: &str| list.split(',').next().unwrap_or_default().trim().to_owned();
            hosts.extend(text(FORWARDED_HOST).take(1).map(|list| first(&list).into()));
        }
        let mut pages: Vec<_> = text(ORIGIN).collect();
        if pages.is_empty() && may_be_foreign(headers, as_script) {
            let referer = text(REFERER).next().unwrap_or_default();
            pages.push(origin_of(&referer).to_owned().into());
        }
        let is_fine = |origin: &str| {
            allowed.iter().any(|one| one.eq_ignore_ascii_case(origin))
                || hosts.iter().any(|host| is_same_host(origin, host))
        };
        let Some(refused) = pages.iter().find(|origin| !is_fine(origin)) else { return true };
        self.tell(refused, &hosts.join(", "), headers.contains_key(FORWARDED_HOST) && !trusted);
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

/// Whether it is a program on this machine that asks, for a host on this machine, such as the page's development server. It may say
/// which host the browser asked, since no page can: before a browser sends that header to another host it asks
/// whether it may, which is refused here, and on a WebSocket it can't send it.
fn is_beside(from: IpAddr, host: &str) -> bool {
    from.to_canonical().is_loopback() && split(host).is_some_and(|(name, _)| is_loopback(name))
}

/// Whether a request without an `Origin` may come from a foreign page all the same: a script element sends none. Browsers tell how
/// far the page is, but not over plain HTTP, where it can hide its address too. There only what a page can read
/// counts, a script, if it tells an address or has a cookie with it.
fn may_be_foreign(headers: &HeaderMap, as_script: bool) -> bool {
    match headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes) {
        Some(b"none") => false,
        Some(_) => true,
        None => as_script && (headers.contains_key(REFERER) || headers.contains_key(COOKIE)),
    }
}

/// The origin in a `Referer`; without one `null`, as browsers call the origin of a page that has none.
fn origin_of(referer: &str) -> &str {
    let Some((scheme, rest)) = referer.split_once("://") else { return "null" };
    let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
    &referer[..scheme.len() + 3 + place.len()]
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
        || name.parse::<Ipv4Addr>().is_ok_and(|address| is_this_machine(address.into()))
        || address.is_some_and(|a| a.parse::<Ipv6Addr>().is_ok_and(|a| is_this_machine(a.into())))
}

/// As the name of a host the unspecified address is this machine too: development servers are opened by it.
fn is_this_machine(address: IpAddr) -> bool {
    let address = address.to_canonical();
    address.is_loopback() || address.is_unspecified()
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
            ("http://0.0.0.0:3000", "localhost:4000", true),
            ("http://localhost:3000", "0.0.0.0:4000", true),
            ("http://[::]:3000", "127.0.0.1:4000", true),
            ("http://0.0.0.0:3000", "chat.example:3000", false),
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
        assert!(rules(&[]).allow(&headers(&[(HOST, "a")]), STRANGER, false));
        assert!(rules(&[]).allow(&headers(&[]), STRANGER, false));
    }

    #[test]
    fn a_page_of_the_same_origin_is_fine_whatever_a_proxy_makes_of_the_host() {
        let request = |site| {
            let named = [(HOST, "10.0.0.1:4000"), (ORIGIN, "https://chat.example")];
            headers(&[&named[..], &[(SEC_FETCH_SITE, site)]].concat())
        };
        assert!(rules(&[]).allow(&request("same-origin"), STRANGER, false));
        assert!(!rules(&[]).allow(&request("same-site"), STRANGER, false));
    }

    #[test]
    fn other_origins_must_be_named() {
        let request = headers(&[(HOST, "chat.example"), (ORIGIN, "https://app.example")]);
        assert!(!rules(&[]).allow(&request, STRANGER, false));
        assert!(rules(&["https://APP.example"]).allow(&request, STRANGER, false));
        assert!(rules(&["*"]).allow(&request, STRANGER, false));
        assert!(!rules(&["http://app.example"]).allow(&request, STRANGER, false));
        assert!(Origins::new(Compat::Exact, &[], &[]).allow(&request, STRANGER, false));
        let two = headers(&[(HOST, "a"), (ORIGIN, "http://a"), (ORIGIN, "http://b")]);
        assert!(!rules(&[]).allow(&two, STRANGER, false));
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
        assert!(rules(&[]).allow(&request("chat.example"), PROXY, false));
        assert!(rules(&[]).allow(&request("chat.example, inner"), PROXY, false));
        assert!(!rules(&[]).allow(&request("inner, chat.example"), PROXY, false));
        assert!(!rules(&[]).allow(&request("chat.example"), STRANGER, false));
        // A development server that is opened by the machine's address names this machine to the server.
        for (host, from, origin, may) in [
            ("localhost:4000", "127.0.0.1", "http://192.168.1.5:3000", true),
            ("[::1]:4000", "::ffff:127.0.0.1", "http://192.168.1.5:3000", true),
            ("localhost:4000", "127.0.0.1", "http://192.168.1.6:3000", false),
            ("chat.example", "127.0.0.1", "http://192.168.1.5:3000", false),
            ("localhost:4000", "192.0.2.1", "http://192.168.1.5:3000", false),
        ] {
            let told = [(HOST, host), (ORIGIN, origin), (FORWARDED_HOST, "192.168.1.5:3000")];
            let allowed = rules(&[]).allow(&headers(&told), from.parse().unwrap(), false);
            assert_eq!(allowed, may, "{origin} from {from} at {host}");
        }
    }

    #[test]
    fn who_names_no_origin_may_be_a_foreign_script() {
        let (near, far) = ("https://chat.example/a/b?c", "https://evil.chat.example/");
        // What the browser says, the page, whether there is a cookie; whether it may, and may as a script.
        for (site, referer, cookie, may, as_script) in [
            ("same-origin", "", true, true, true),
            ("none", "", true, true, true),
            ("same-origin", far, true, true, true),
            ("same-site", far, true, false, false),
            ("cross-site", far, true, false, false),
            ("cross-site", "", false, false, false),
            // As another page that may: at the same host with another port, or one that is named.
            ("same-site", near, true, true, true),
            ("cross-site", "https://app.example/x", true, true, true),
            // Over plain HTTP nothing is said.
            ("", "", false, true, true),
            ("", "", true, true, false),
            ("", near, true, true, true),
            ("", far, true, true, false),
            ("", far, false, true, false),
            ("", "https://chat.example@evil.example/", true, true, false),
            ("", "about:client", true, true, false),
        ] {
            let mut request = headers(&[(HOST, "chat.example")]);
            for (name, value) in [(SEC_FETCH_SITE, site), (REFERER, referer)] {
                if !value.is_empty() {
                    request.insert(name, value.parse().unwrap());
                }
            }
            if cookie {
                request.insert(COOKIE, "connect.sid=x".parse().unwrap());
            }
            let rules = rules(&["https://app.example"]);
            let allowed = [false, true].map(|script| rules.allow(&request, STRANGER, script));
            assert_eq!(allowed, [may, as_script], "{site} {referer} {cookie}");
            assert!(Origins::new(Compat::Exact, &[], &[]).allow(&request, STRANGER, true));
        }
    }

    #[test]
    fn the_log_is_not_filled() {
        let rules = rules(&[]);
        for n in 0..2 * TOLD {
            let origin = format!("http://{n}.example");
            assert!(!rules.allow(&headers(&[(HOST, "a"), (ORIGIN, &origin)]), STRANGER, false));
        }
        assert_eq!(rules.told.borrow().len(), TOLD);
    }
}
