//! Who asks, without keeping who it is.

use sightscan_http::ClientAddress;
use sightscan_types::Sha256;
use sightscan_warehouse::{Database, Result, settings};
use uuid::Uuid;

/// The setting that holds the salt.
const SETTING: &str = "requester_salt";

/// What requesters are hashed with. It is made once for an installation, so that all its servers count alike, and is never
/// shown: who has the hashes alone cannot try out all addresses.
#[derive(Clone)]
pub struct Salt(String);

/// A client as it is counted: the keyed hash of its network. Whoever has many addresses of one IPv6 site is one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Requester(String);

impl Salt {
    /// The salt of this installation.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn of(database: &Database) -> Result<Self> {
        // Two UUIDs of version 4 have 244 bits from the system's source.
        let fresh = [(); 2].map(|()| Uuid::new_v4().simple().to_string()).concat();
        settings::set_once(database, SETTING, &fresh).await.map(|(salt, _)| Self(salt))
    }

    /// How this client is counted.
    pub fn requester(&self, client: ClientAddress) -> Requester {
        // The salt has a fixed length, so that no other pair of salt and network gives the same text.
        Requester(Sha256::of(format!("{}{}", self.0, client.network()).as_bytes()).to_string())
    }
}

impl std::fmt::Debug for Salt {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Salt").finish_non_exhaustive()
    }
}

impl Requester {
    /// The hash, as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sightscan_http::axum::extract::ConnectInfo;
    use sightscan_http::axum::http::Extensions;
    use std::net::SocketAddr;

    fn client(address: &str) -> ClientAddress {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(address.parse().unwrap(), 1)));
        ClientAddress::of(&extensions)
    }

    #[test]
    fn a_site_is_one_requester_and_its_address_is_not_kept() {
        let salt = Salt("secret".repeat(10));
        let of = |address: &str| salt.requester(client(address));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert!(!format!("{:?} {salt:?}", of("192.0.2.1")).contains("192.0.2"));
        assert!(!format!("{salt:?}").contains("secret"));
        assert_ne!(of("192.0.2.1"), Salt("other".to_owned()).requester(client("192.0.2.1")));
    }
}
