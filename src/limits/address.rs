//! Which address a request comes from.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{HeaderMap, HeaderName};

use crate::config::Network;

/// The header in which each proxy on the way adds the address that it was asked from.
pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of the client: the peer's, unless the peer is one of `proxies`. Then it is the last one of
/// `X-Forwarded-For` that is none of them, since whatever stands before that the client may have made up. If all
/// are, it is the first. A list in which something else stands on the way there says nothing.
pub fn of_client(proxies: &[Network], headers: &HeaderMap, peer: IpAddr) -> IpAddr {
    let is_proxy = |address| proxies.iter().any(|network| network.contains(address));
    if !is_proxy(peer) {
        return peer;
    }
    let mut client = peer;
    for line in headers.get_all(FORWARDED_FOR).iter().rev() {
        for entry in line.as_bytes().rsplit(|byte| *byte == b',') {
            let Some(address) = parse(entry) else { return peer };
            client = address;
            if !is_proxy(address) {
                return client;
            }
        }
    }
    client
}

/// An address, with or without a port.
fn parse(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry).ok()?.trim();
    let address = entry.parse::<IpAddr>().or_else(|_| entry.parse::<SocketAddr>().map(|a| a.ip()));
    address.ok().map(|address| address.to_canonical())
}

/// What is counted for an address. Of IPv6 it is the first half, since the other half is its owner's
/// to choose.
pub fn key(address: IpAddr) -> u64 {
    match address.to_canonical() {
        // Where the first half of an IPv6 address would be a multicast group's: nobody's own.
        IpAddr::V4(address) => 0xffff << 48 | u64::from(address.to_bits()),
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn client(peer: &str, lines: &[&str]) -> String {
        let proxies = ["10.0.0.0/8", "2001:db8::/32"].map(|network| network.parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        of_client(&proxies, &headers, peer.parse().unwrap()).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        for (peer, lines, expected) in [
            ("192.0.2.1", &["198.51.100.7"][..], "192.0.2.1"),
            ("192.0.2.1", &[], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("2001:db8::1", &["2001:4860::7"], "2001:4860::7"),
            // What the client says itself stands on the left.
            ("10.0.0.1", &["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.7 ,10.2.3.4", "10.0.0.9"], "198.51.100.7"),
            ("10.0.0.1", &["rubbish, 198.51.100.7"], "198.51.100.7"),
            // A client within the proxies' network.
            ("10.0.0.1", &["10.0.0.8, 10.0.0.9"], "10.0.0.8"),
            ("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
            ("10.0.0.1", &["[2001:4860::7]:4711"], "2001:4860::7"),
            ("10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7, rubbish"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7, unknown, 10.0.0.9"], "10.0.0.1"),
            ("10.0.0.1", &["", ","], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100"], "10.0.0.1"),
        ] {
            assert_eq!(client(peer, lines), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let key = |text: &str| key(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }

    proptest! {
        #[test]
        fn nothing_in_the_header_is_trouble(line in prop::collection::vec(32u8..=255, 0..60)) {
            if let Ok(value) = hyper::header::HeaderValue::from_bytes(&line) {
                let mut headers = HeaderMap::new();
                headers.insert(FORWARDED_FOR, value);
                let peer: IpAddr = "10.0.0.1".parse().unwrap();
                let network = "10.0.0.0/8".parse().unwrap();
                let found = of_client(&[network], &headers, peer);
                // One trusted hop: only its own entry, the last, can be what is found.
                let text = String::from_utf8_lossy(&line).into_owned();
                let last = text.rsplit(',').next().unwrap_or_default().trim();
                prop_assert!(found == peer || parse(last.as_bytes()).is_some());
            }
        }
    }
}
