//! Under which names the server may be asked. A page whose name suddenly means this server's address (DNS rebinding)
//! still asks under its own name, and so gets no answer.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::response::{IntoResponse, Response};
use tower_http::validate_request::ValidateRequest;

use crate::health;
use crate::problem::{Problem, Slug};

/// The hosts that a server answers for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHosts(Hosts);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    /// All.
    Any,
    /// Every address, and `localhost`, but no other name.
    Addresses,
    /// Those that were given.
    Listed(Arc<[Pattern]>),
}

/// One allowed host; without a port, every port is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    name: Name,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Any,
    Address(IpAddr),
    /// In lower case.
    Exactly(String),
    /// In lower case, with the dot that it begins with.
    Below(String),
}

/// What is no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no host; write it like example.org, example.org:8002, .example.org, 192.0.2.7, [::1] or *")]
pub struct NotAHost(String);

impl AllowedHosts {
    /// Every host.
    pub fn any() -> Self {
        Self(Hosts::Any)
    }

    /// These hosts: names, IPv4 addresses and IPv6 addresses in brackets, each with a port or, for every port,
    /// without; `.example.org` for all names below `example.org` but not itself; `*` for every host.
    ///
    /// # Errors
    /// When one of them is no host.
    pub fn parse<T: AsRef<str>>(hosts: impl IntoIterator<Item = T>) -> Result<Self, NotAHost> {
        let patterns = hosts.into_iter().map(|text| text.as_ref().parse());
        patterns.collect::<Result<_, _>>().map(|patterns| Self(Hosts::Listed(patterns)))
    }

    /// What is right for a server that listens here, where nobody has said which hosts are: every host on the loopback
    /// address, which only this machine and its proxies reach; elsewhere every address and `localhost`, but no name,
    /// since only names can be bent.
    pub fn default_for(listen: SocketAddr) -> Self {
        let local = listen.ip().to_canonical().is_loopback();
        Self(if local { Hosts::Any } else { Hosts::Addresses })
    }

    fn allow(&self, host: &Authority) -> bool {
        let (name, port) = (normal(host.host()), host.port_u16());
        let address = address(&name);
        match &self.0 {
            Hosts::Any => true,
            Hosts::Addresses => address.is_some() || name == "localhost",
            Hosts::Listed(patterns) => patterns.iter().any(|pattern| pattern.fits(&name, address, port)),
        }
    }

    /// # Errors
    /// When the request is for another host, or does not say for which.
    fn check(&self, request: &Request) -> Result<(), Problem> {
        if self.0 == Hosts::Any || health::PATHS.contains(&request.uri().path()) {
            return Ok(());
        }
        let host = host(request)?;
        if self.allow(&host) { Ok(()) } else { Err(misdirected(&host)) }
    }
}

/// Probes ask for the health under addresses of their own.
impl ValidateRequest<Body> for AllowedHosts {
    type ResponseBody = Body;

    fn validate(&mut self, request: &mut Request) -> Result<(), Response> {
        self.check(request).map_err(IntoResponse::into_response)
    }
}

/// For which host a request is: the one in its target wins over its header (RFC 9112, section 3.2.2).
fn host(request: &Request) -> Result<Authority, Problem> {
    let mut headers = request.headers().get_all(HOST).iter();
    let (first, second) = (headers.next(), headers.next());
    let in_header =
        first.filter(|_| second.is_none()).and_then(|value| Authority::try_from(value.as_bytes()).ok());
    let host = in_header.map(|host| request.uri().authority().cloned().unwrap_or(host));
    host.filter(|host| !host.as_str().contains('@')).ok_or_else(|| {
        Problem::new(Slug::Malformed, "the header `host` must be there once, with a name and perhaps a port")
    })
}

fn misdirected(host: &Authority) -> Problem {
    let what =
        format!("this server does not answer for `{host}`; use one of its names, or have this one allowed");
    Problem::new(Slug::MisdirectedRequest, what)
}

/// A host's name in lower case, without brackets and the dot of the root.
fn normal(name: &str) -> String {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.to_ascii_lowercase()
}

fn address(name: &str) -> Option<IpAddr> {
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    bare.parse().ok().map(|address: IpAddr| address.to_canonical())
}

impl Pattern {
    fn fits(&self, name: &str, address: Option<IpAddr>, port: Option<u16>) -> bool {
        self.name.fits(name, address) && (self.port.is_none() || self.port == port)
    }
}

impl Name {
    fn fits(&self, name: &str, address: Option<IpAddr>) -> bool {
        match self {
            Self::Any => true,
            Self::Address(ours) => address == Some(*ours),
            Self::Exactly(ours) => name == ours,
            Self::Below(suffix) => name.len() > suffix.len() && name.ends_with(suffix.as_str()),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if let Some(address) = address(text) {
            return Some(Self::Address(address));
        }
        let labels = text.strip_prefix('.').unwrap_or(text);
        let is_name = !labels.is_empty() && labels.split('.').all(is_label);
        match text {
            "*" => Some(Self::Any),
            _ if !is_name => None,
            _ if text.starts_with('.') => Some(Self::Below(text.to_owned())),
            _ => Some(Self::Exactly(text.to_owned())),
        }
    }
}

/// Underscores are in no name of the internet, but in those of containers.
fn is_label(label: &str) -> bool {
    !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

impl FromStr for Pattern {
    type Err = NotAHost;

    fn from_str(text: &str) -> Result<Self, NotAHost> {
        let refused = || NotAHost(text.to_owned());
        let text = text.trim();
        // An IPv6 address without brackets ends in what looks like a port.
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if text.parse::<IpAddr>().is_err() => {
                (name, Some(port.parse().map_err(|_| refused())?))
            }
            _ => (text, None),
        };
        Name::parse(&normal(name)).map(|name| Self { name, port }).ok_or_else(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request(uri: &str, hosts: &[&str]) -> Request {
        let mut builder = Request::builder().uri(uri);
        for host in hosts {
            builder = builder.header(HOST, *host);
        }
        builder.body(Body::empty()).unwrap()
    }

    fn status(allowed: &AllowedHosts, uri: &str, hosts: &[&str]) -> u16 {
        allowed.check(&request(uri, hosts)).map_or_else(|problem| problem.slug().status().as_u16(), |()| 200)
    }

    #[test]
    fn listed_hosts_are_answered_and_others_are_not() {
        let list =
            ["example.org", "Exact.example:8002", ".sub.example", "192.0.2.7", "::1", "[2001:db8::7]:80"];
        let allowed = AllowedHosts::parse(list).unwrap();
        for (host, expected) in [
            ("example.org", 200),
            ("EXAMPLE.ORG.", 200),
            ("example.org:1234", 200),
            ("evil-example.org", 421),
            ("example.org.evil", 421),
            ("www.example.org", 421),
            ("exact.example:8002", 200),
            ("exact.example:8003", 421),
            ("exact.example", 421),
            ("a.b.sub.example:80", 200),
            ("sub.example", 421),
            ("xsub.example", 421),
            ("192.0.2.7:9", 200),
            ("192.0.2.8", 421),
            ("[0:0::1]:8002", 200),
            ("[2001:db8:0::7]:80", 200),
            ("[2001:db8::7]:81", 421),
            ("localhost", 421),
            ("", 400),
            ("user@example.org", 400),
            ("exa mple.org", 400),
        ] {
            assert_eq!(status(&allowed, "/v1/models", &[host]), expected, "{host}");
        }
    }

    #[test]
    fn a_request_says_once_for_which_host_it_is() {
        let allowed = AllowedHosts::parse(["a.example"]).unwrap();
        assert_eq!(status(&allowed, "/", &[]), 400);
        assert_eq!(status(&allowed, "/", &["a.example", "a.example"]), 400);
        assert_eq!(status(&allowed, "http://a.example/", &["b.example"]), 200);
        assert_eq!(status(&allowed, "http://b.example/", &["a.example"]), 421);
    }

    #[test]
    fn probes_are_answered_under_every_name() {
        let allowed = AllowedHosts::parse(["a.example"]).unwrap();
        for path in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(status(&allowed, path, &["10.2.3.4:8002"]), 200);
            assert_eq!(status(&allowed, path, &[]), 200);
        }
        assert_eq!(status(&allowed, "/healthz/x", &["10.2.3.4"]), 421);
    }

    #[test]
    fn the_default_depends_on_where_the_server_listens() {
        let default_for = |listen: &str| AllowedHosts::default_for(listen.parse().unwrap());
        for listen in ["127.0.0.1:8002", "[::1]:8002"] {
            assert_eq!(default_for(listen), AllowedHosts::any());
        }
        let public = default_for("0.0.0.0:8002");
        for (host, expected) in
            [("192.0.2.7:8002", 200), ("[::1]", 200), ("localhost:8002", 200), ("evil.example", 421)]
        {
            assert_eq!(status(&public, "/", &[host]), expected, "{host}");
        }
        let everybody = AllowedHosts::parse(["*"]).unwrap();
        assert_eq!(status(&everybody, "/", &["evil.example"]), 200);
    }

    #[test]
    fn what_is_no_host_is_told() {
        for text in ["", ".", "*.example.org", "a..b", "http://a", "a:port", "a:99999", "[::1", "a/b"] {
            assert!(AllowedHosts::parse([text]).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn only_names_below_a_suffix_fit_it(name in "[a-z.]{0,12}(\\.x\\.example|x\\.example|example)") {
            let allowed = AllowedHosts::parse([".x.example"]).unwrap();
            let below = name.ends_with(".x.example") && name != ".x.example";
            prop_assert_eq!(allowed.allow(&name.parse().unwrap()), below);
        }
    }
}
