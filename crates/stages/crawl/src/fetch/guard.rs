//! Who may be connected to.

use std::net::{IpAddr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;

use super::address::is_public;
use super::trouble::Trouble;

/// An address is not one that strangers may send us to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its address is not public")]
pub(super) struct NotPublic;

/// Resolves names to public addresses only. The client connects to what is checked here and resolves nothing again, so
/// no name can mean something else a moment later.
#[derive(Debug)]
pub(super) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = lookup_host((name.as_str(), 0)).await?.collect();
            let addresses: Addrs = Box::new(checked(found)?.into_iter());
            Ok(addresses)
        })
    }
}

/// One bad address is enough: no host of good will has both kinds.
pub(super) fn checked(found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, NotPublic> {
    if found.iter().all(|address| is_public(address.ip())) { Ok(found) } else { Err(NotPublic) }
}

/// The hosts that may have private addresses.
#[derive(Debug)]
pub(super) struct Trusted(Vec<String>);

impl Trusted {
    pub(super) fn new(hosts: &[String]) -> Self {
        Self(hosts.iter().map(|host| host.to_ascii_lowercase()).collect())
    }

    pub(super) fn has(&self, url: &Url) -> bool {
        url.host_str().is_some_and(|host| self.knows(host, url.port_or_known_default()))
    }

    /// The host as addresses have it: in small letters, and in brackets where it is one of IPv6.
    pub(super) fn knows(&self, host: &str, port: Option<u16>) -> bool {
        let with_port = port.map(|port| format!("{host}:{port}"));
        self.0.iter().any(|trusted| trusted == host || Some(trusted) == with_port.as_ref())
    }
}

/// Checks what can be told before a name is resolved.
pub(super) fn check(url: &Url, is_trusted: bool) -> Result<(), Trouble> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Trouble::last("not an address of the web"));
    }
    match literal(url) {
        Some(address) if !is_trusted && !is_public(address) => Err(Trouble::Final(NotPublic.to_string())),
        _ => Ok(()),
    }
}

/// The address where the URL has it instead of a name, in whatever way it is written.
fn literal(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn literal_addresses_are_checked_however_they_are_written() {
        for address in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://017700000001/",
            "http://127.1:80/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://169.254.169.254/latest/meta-data/",
            "http://user@192.168.0.1/",
            "http://０.0.0.0/",
        ] {
            let trouble = check(&url(address), false).unwrap_err();
            assert_eq!(trouble, Trouble::last("its address is not public"), "{address}");
            assert_eq!(check(&url(address), true), Ok(()), "{address}");
        }
        assert_eq!(check(&url("http://208.80.154.240/"), false), Ok(()));
        assert_eq!(check(&url("https://[2606:4700::1111]:8443/"), false), Ok(()));
    }

    #[test]
    fn only_the_web_is_asked() {
        for address in
            ["file:///etc/passwd", "ftp://example.org/a", "data:image/png;base64,AA", "gopher://a/"]
        {
            let trouble = check(&url(address), true).unwrap_err();
            assert_eq!(trouble, Trouble::last("not an address of the web"), "{address}");
        }
    }

    #[test]
    fn one_private_address_spoils_a_name() {
        let public: SocketAddr = "8.8.8.8:0".parse().unwrap();
        let private: SocketAddr = "[fd00::1]:0".parse().unwrap();
        assert_eq!(checked(vec![public]).unwrap(), [public]);
        assert_eq!(checked(vec![public, private]).err(), Some(NotPublic));
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_not_resolved() {
        let error = PublicOnly.resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert!(error.is::<NotPublic>(), "{error}");
    }

    #[test]
    fn trust_is_for_a_host_or_for_one_port_of_it() {
        let hosts = ["Maps.internal", "127.0.0.1:8080", "[::1]:443"];
        let trusted = Trusted::new(&hosts.map(str::to_owned));
        let known =
            ["http://maps.internal/", "https://MAPS.internal:9/", "http://127.0.0.1:8080/", "https://[::1]/"];
        for address in known {
            assert!(trusted.has(&url(address)), "{address}");
        }
        let others = [
            "http://127.0.0.1/",
            "http://127.0.0.1:808/",
            "http://[::1]/",
            "http://amaps.internal/",
            "http://maps.internal.example.org/",
            "http://maps.internal@example.org/",
        ];
        for address in others {
            assert!(!trusted.has(&url(address)), "{address}");
        }
    }
}
