//! Whose request it is: the address of the client, behind proxies, too.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderName};
use axum::response::Response;
use ipnet::{IpNet, Ipv6Net};
use tower_http::validate_request::ValidateRequest;

/// The header in which each proxy adds, at the right, the address that it was asked from.
pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Whoever has one IPv6 address has at least these 64 bits (RFC 6177), and so 2^64 addresses.
const IPV6_PREFIX: u8 = 64;

/// The proxies that are believed about whom they were asked by; none unless some are given.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Arc<[IpNet]>);

/// What is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an address nor a network; write it like 10.0.0.7, 10.0.0.0/8 or fd00::/8")]
pub struct NotANetwork(String);

impl TrustedProxies {
    /// From addresses and networks, such as `10.0.0.7`, `10.0.0.0/8` and `::1`.
    ///
    /// # Errors
    /// When one of them is neither.
    pub fn parse<T: AsRef<str>>(networks: impl IntoIterator<Item = T>) -> Result<Self, NotANetwork> {
        networks.into_iter().map(|text| network(text.as_ref().trim())).collect::<Result<_, _>>().map(Self)
    }

    fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client of a request that came from `peer`: the rightmost forwarded address that is no trusted proxy.
    /// What lies left of it was written by the client, and what cannot be read is not believed.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let mut hops = headers.get_all(FORWARDED_FOR).iter().rev().flat_map(|value| {
            let hops = value.to_str().unwrap_or("unreadable");
            hops.rsplit(',').map(hop)
        });
        while self.trust(client)
            && let Some(Some(before)) = hops.next()
        {
            client = before;
        }
        client
    }
}

fn network(text: &str) -> Result<IpNet, NotANetwork> {
    let address = || text.parse().ok().map(|address: IpAddr| IpNet::from(address.to_canonical()));
    text.parse().ok().or_else(address).ok_or_else(|| NotANetwork(text.to_owned()))
}

/// The address of one hop; some proxies add the port.
fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse().ok().or_else(with_port).or_else(in_brackets).map(|address: IpAddr| address.to_canonical())
}

/// Finds out the client once per request, for all that ask later.
impl ValidateRequest<Body> for TrustedProxies {
    type ResponseBody = Body;

    fn validate(&mut self, request: &mut Request) -> Result<(), Response> {
        let peer = ClientAddress::of(request.extensions());
        let client = ClientAddress(self.client(peer.0, request.headers()));
        request.extensions_mut().insert(client);
        Ok(())
    }
}

/// The address of the client. It can be extracted by handlers.
///
/// It is that of the connection's other end, unless this is a trusted proxy, which tells it. An IPv4 address that is
/// written as an IPv6 one is an IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(IpAddr);

impl ClientAddress {
    /// The client of the request with these extensions. Without a connection, as in tests of a router alone, it is
    /// the unspecified address.
    pub fn of(extensions: &Extensions) -> Self {
        let peer = || extensions.get().map(|ConnectInfo::<SocketAddr>(peer)| Self(peer.ip().to_canonical()));
        let client = extensions.get().copied().or_else(peer);
        client.unwrap_or(Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
    }

    /// The address.
    pub fn ip(self) -> IpAddr {
        self.0
    }

    /// Whether the client is on this machine.
    pub fn is_loopback(self) -> bool {
        self.0.is_loopback()
    }

    /// Whom limits count: one IPv4 address, or the 64 bits of an IPv6 address that one site has for itself.
    pub fn network(self) -> IpNet {
        match self.0 {
            IpAddr::V4(_) => IpNet::from(self.0),
            IpAddr::V6(address) => Ipv6Net::new(address, IPV6_PREFIX)
                .map_or(IpNet::from(self.0), |network| network.trunc().into()),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    fn client(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(line).unwrap());
        }
        let trusted = TrustedProxies::parse(trusted).unwrap();
        trusted.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let nets = ["10.0.0.0/8", "::1", "192.0.2.7"];
        for (peer, forwarded, expected) in [
            ("203.0.113.9", vec!["1.2.3.4"], "203.0.113.9"),
            ("10.1.1.1", vec![], "10.1.1.1"),
            ("10.1.1.1", vec!["1.2.3.4"], "1.2.3.4"),
            ("::1", vec!["6.6.6.6, 1.2.3.4, 192.0.2.7,10.9.9.9"], "1.2.3.4"),
            ("::1", vec!["6.6.6.6", "7.7.7.7, 1.2.3.4,10.9.9.9"], "1.2.3.4"),
            ("::1", vec!["6.6.6.6, 1.2.3.4", "10.9.9.9"], "1.2.3.4"),
            ("::1", vec!["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
            ("::ffff:10.1.1.1", vec!["::ffff:1.2.3.4"], "1.2.3.4"),
        ] {
            assert_eq!(client(&nets, peer, &forwarded), expected, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn ports_are_left_away_and_garbage_ends_the_walk() {
        for (forwarded, expected) in [
            ("1.2.3.4:567", "1.2.3.4"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("unknown", "10.1.1.1"),
            ("", "10.1.1.1"),
            ("1.2.3.4, unknown, 10.0.0.9", "10.0.0.9"),
        ] {
            assert_eq!(client(&["10.0.0.0/8"], "10.1.1.1", &[forwarded]), expected, "{forwarded}");
        }
    }

    #[test]
    fn what_is_no_network_is_told() {
        let error = TrustedProxies::parse(["10.0.0.0/8", "proxy.example"]).unwrap_err();
        assert!(error.to_string().contains("`proxy.example`"), "{error}");
        assert!(TrustedProxies::parse(["10.0.0.0/33"]).is_err());
    }

    #[test]
    fn limits_count_an_ipv6_site_as_one() {
        let network = |text: &str| ClientAddress(text.parse().unwrap()).network().to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(network("1.2.3.4"), "1.2.3.4/32");
    }

    proptest! {
        #[test]
        fn whatever_a_client_writes_its_address_stays(forged in "[ -~]{0,60}", last in any::<[u8; 4]>()) {
            let real = IpAddr::from(last);
            prop_assume!(!real.is_loopback());
            let line = format!("{forged}, {real}");
            prop_assert_eq!(client(&["127.0.0.0/8"], "127.0.0.1", &[&line]), real.to_string());
        }
    }
}
