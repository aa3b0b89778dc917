//! Whose address a request comes from. Only one header can say it, and only where a proxy of ours wrote it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Once;

use http::HeaderMap;
use ipnet::{IpNet, Ipv6Net};

/// The header that a trusted proxy appends its caller to. `Forwarded` (RFC 7239) is not read: a proxy that writes one
/// of the two passes the other on as its caller sent it.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The proxies that stand in front of the api (`TRUSTED_PROXIES`).
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Those whose address lies in one of these networks.
    #[must_use]
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// The client behind a peer: the peer itself unless it is trusted, else the right-most forwarded address that is
    /// not trusted. What stands left of it, anyone could have written. IPv4 in IPv6 is folded (RFC 4291 §2.5.5.2).
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let lines: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
        let hops =
            lines.iter().rev().flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        for hop in hops {
            if !self.trusts(client) {
                break;
            }
            match address(hop.trim()) {
                Some(next) => client = next,
                // No address: the last one known for sure is the proxy that wrote this.
                None => break,
            }
        }
        client
    }

    /// Whether a peer that is not trusted passes somebody else on: a proxy that `TRUSTED_PROXIES` leaves out, as a
    /// rule.
    #[must_use]
    pub fn is_unknown(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        static TOLD: Once = Once::new();
        let unknown = headers.contains_key(FORWARDED_FOR) && !self.trusts(peer.to_canonical());
        if unknown {
            TOLD.call_once(|| {
                tracing::warn!(%peer, "X-Forwarded-For from a peer that TRUSTED_PROXIES leaves out");
            });
        }
        unknown
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// What counts as one client: an IPv4 address, or the /64 of an IPv6 one, which every subscriber has whole (RFC 6177).
#[must_use]
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Net::new_assert(v6, 64).network().into(),
    }
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1` or `[2001:db8::1]:4711`, as proxies write them.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    bare().or_else(with_port).or_else(bracketed).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(peer: &str, lines: &[&str]) -> String {
        let networks = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        let proxies = TrustedProxies::new(networks.to_vec());
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_stranger_is_who_it_is_whatever_it_says() {
        assert_eq!(client("192.0.2.9", &[]), "192.0.2.9");
        assert_eq!(client("192.0.2.9", &["198.51.100.7"]), "192.0.2.9");
        let nobody = TrustedProxies::default();
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_FOR, HeaderValue::from_static("198.51.100.7"));
        assert_eq!(nobody.client("10.0.0.1".parse().unwrap(), &headers).to_string(), "10.0.0.1");
        assert!(nobody.is_unknown("10.0.0.1".parse().unwrap(), &headers));
        assert!(!nobody.is_unknown("10.0.0.1".parse().unwrap(), &HeaderMap::new()));
        let known = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        assert!(!known.is_unknown("::ffff:10.0.0.1".parse().unwrap(), &headers));
    }

    #[test]
    fn behind_trusted_proxies_the_right_most_address_that_is_not_theirs_counts() {
        for (lines, expected) in [
            (&["198.51.100.7"][..], "198.51.100.7"),
            (&["203.0.113.1, 198.51.100.7"], "198.51.100.7"),
            (&["203.0.113.1, 198.51.100.7, 10.2.3.4"], "198.51.100.7"),
            (&["203.0.113.1", "198.51.100.7,10.2.3.4", "fd00::1"], "198.51.100.7"),
            (&["198.51.100.7:4711"], "198.51.100.7"),
            (&["2001:db8::7"], "2001:db8::7"),
            (&["[2001:db8::7]:4711"], "2001:db8::7"),
            (&["[2001:db8::7]"], "2001:db8::7"),
            (&["::ffff:198.51.100.7, ::ffff:10.0.0.2"], "198.51.100.7"),
            // A caller inside our own network.
            (&["10.9.9.9, 10.2.3.4"], "10.9.9.9"),
        ] {
            assert_eq!(client("10.0.0.1", lines), expected, "{lines:?}");
            assert_eq!(client("::ffff:10.0.0.1", lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_subscriber_of_ipv6_counts_once() {
        let count = |text: &str| subscriber(text.parse().unwrap()).to_string();
        assert_eq!(count("192.0.2.1"), "192.0.2.1");
        assert_eq!(count("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_ne!(count("2001:db8:1:2::1"), count("2001:db8:1:3::1"));
    }

    #[test]
    fn what_is_no_address_ends_the_search_at_the_proxy_that_passed_it_on() {
        for (lines, expected) in [
            (&["unknown"][..], "10.0.0.1"),
            (&[""], "10.0.0.1"),
            (&["198.51.100.7, "], "10.0.0.1"),
            (&["198.51.100.7, naïve"], "10.0.0.1"),
            (&["198.51.100.7, unknown, 10.2.3.4"], "10.2.3.4"),
            (&["198.51.100.7, 300.1.1.1"], "10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1", lines), expected, "{lines:?}");
        }
    }
}
