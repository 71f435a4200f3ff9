//! Addresses and ranges of addresses in settings.

use std::{net::IpAddr, str::FromStr};

/// An address, or all addresses that begin alike, as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    start: IpAddr,
    prefix: u32,
}

impl Network {
    /// Whether an address is in the range. An IPv4 address is the same within IPv6 (`::ffff:…`).
    pub fn contains(self, address: IpAddr) -> bool {
        let (start, width) = bits(self.start);
        let (address, other) = bits(address.to_canonical());
        // A shift by the whole width would be an overflow.
        let differ = start ^ address;
        width == other && (self.prefix == 0 || differ >> (width - self.prefix) == 0)
    }
}

fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let wrong = || format!("'{text}' is neither an IP address nor a range like 10.0.0.0/8");
        let (start, prefix) = match text.trim().split_once('/') {
            Some((start, prefix)) => (start, Some(prefix)),
            None => (text.trim(), None),
        };
        let start = start.parse::<IpAddr>().map_err(|_| wrong())?.to_canonical();
        let (_, width) = bits(start);
        let prefix = prefix.map_or(Ok(width), str::parse).map_err(|_| wrong())?;
        if prefix > width { Err(wrong()) } else { Ok(Network { start, prefix }) }
    }
}

#[cfg(test)]
mod tests {
    use super::Network;

    #[test]
    fn ranges_contain_what_begins_alike() {
        for (range, address, inside) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.5", "10.0.0.5", true),
            ("10.0.0.5", "10.0.0.4", false),
            ("10.0.0.5", "::ffff:10.0.0.5", true),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("2001:db8::/32", "2001:db8:5::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
        ] {
            let found = range.parse::<Network>().unwrap().contains(address.parse().unwrap());
            assert_eq!(found, inside, "{address} in {range}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "proxy", "10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "::1/129", "1.2.3.4/-1"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
