//! The way out for another program, such as a browser.
//!
//! A browser connects to whatever a page names. Here it has no other way out than a proxy (SOCKS 5, RFC 1928) that
//! resolves the names itself and connects to public addresses only.

use std::io::{Error, ErrorKind, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::guard::{Trusted, checked};

/// A connection that is not made by then is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// When a connection cannot be taken, as when there are too many, another one is waited for so long.
const REST: Duration = Duration::from_millis(50);

const VERSION: u8 = 5;
const CONNECT: u8 = 1;

/// Where somebody wants to go.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Goal {
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    Name(String),
}

/// What is answered to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reply {
    Connected = 0,
    NotAllowed = 2,
    Unreachable = 4,
}

/// A proxy on loopback. It and all that go through it end with this value.
#[derive(Debug)]
pub(crate) struct Door {
    address: SocketAddr,
    _serving: JoinSet<()>,
}

impl Door {
    /// Opens it. Trusted hosts (`host` or `host:port`) may have private addresses.
    pub(crate) async fn open(trusted_hosts: &[String]) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::new(Trusted::new(trusted_hosts))));
        Ok(Self { address, _serving: serving })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn serve(listener: TcpListener, trusted: Arc<Trusted>) {
    let mut passing = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((guest, _)) => drop(passing.spawn(pass(guest, Arc::clone(&trusted)))),
            Err(_) => sleep(REST).await,
        }
        while passing.try_join_next().is_some() {}
    }
}

async fn pass(mut guest: TcpStream, trusted: Arc<Trusted>) {
    let Ok(Ok(Some(mut host))) = timeout(PATIENCE, admit(&mut guest, &trusted)).await else { return };
    // It ends when one of them does, however it does.
    let _ = copy_bidirectional(&mut guest, &mut host).await;
}

/// The host that a guest wants, where it may go there.
async fn admit(guest: &mut TcpStream, trusted: &Trusted) -> Result<Option<TcpStream>> {
    greet(guest).await?;
    guest.write_all(&[VERSION, 0]).await?;
    let goal = asked(guest).await?;
    let (reply, host) = match connect(&goal, trusted).await {
        Ok(host) => (Reply::Connected, Some(host)),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => (Reply::NotAllowed, None),
        Err(_) => (Reply::Unreachable, None),
    };
    debug!(?goal, ?reply, "a browser connects");
    // The address is that of our end, which nobody needs.
    guest.write_all(&[VERSION, reply as u8, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    Ok(host)
}

/// Reads how a guest can prove who it is, which nobody has to.
async fn greet(guest: &mut (impl AsyncRead + Unpin)) -> Result<()> {
    let (version, methods) = (guest.read_u8().await?, guest.read_u8().await?);
    expect(version == VERSION)?;
    let mut ignored = vec![0; methods.into()];
    guest.read_exact(&mut ignored).await.map(drop)
}

/// Reads where a guest wants to go.
async fn asked(guest: &mut (impl AsyncRead + Unpin)) -> Result<Goal> {
    let mut head = [0; 4];
    guest.read_exact(&mut head).await?;
    let [version, command, _, kind] = head;
    expect(version == VERSION && command == CONNECT)?;
    let host = match kind {
        1 => Host::Address(Ipv4Addr::from_bits(guest.read_u32().await?).into()),
        3 => Host::Name(name(guest).await?),
        4 => Host::Address(Ipv6Addr::from_bits(guest.read_u128().await?).into()),
        _ => return Err(ErrorKind::InvalidData.into()),
    };
    Ok(Goal { host, port: guest.read_u16().await? })
}

async fn name(guest: &mut (impl AsyncRead + Unpin)) -> Result<String> {
    let mut name = vec![0; guest.read_u8().await?.into()];
    guest.read_exact(&mut name).await?;
    String::from_utf8(name).map(|name| name.to_ascii_lowercase()).map_err(|_| ErrorKind::InvalidData.into())
}

fn expect(is_so: bool) -> Result<()> {
    if is_so { Ok(()) } else { Err(ErrorKind::InvalidData.into()) }
}

async fn connect(goal: &Goal, trusted: &Trusted) -> Result<TcpStream> {
    let (host, port) = (goal.host.in_addresses(), goal.port);
    let found: Vec<SocketAddr> = match &goal.host {
        Host::Address(address) => vec![SocketAddr::new(*address, port)],
        Host::Name(name) => lookup_host((name.as_str(), port)).await?.collect(),
    };
    let allowed = if trusted.knows(&host, Some(port)) { Ok(found) } else { checked(found) };
    let allowed = allowed.map_err(|error| Error::new(ErrorKind::PermissionDenied, error))?;
    TcpStream::connect(&allowed[..]).await
}

impl Host {
    /// As it is in the address of a page.
    fn in_addresses(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Address(IpAddr::V4(address)) => address.to_string(),
            Self::Address(IpAddr::V6(address)) => format!("[{address}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A host that says one word to everybody.
    async fn host() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                listener.accept().await.unwrap().0.write_all(b"hello").await.unwrap();
            }
        });
        address
    }

    fn request(host: &Host, port: u16) -> Vec<u8> {
        let mut request = vec![VERSION, 1, 0, VERSION, CONNECT, 0];
        match host {
            Host::Address(IpAddr::V4(address)) => request.extend([&[1][..], &address.octets()].concat()),
            Host::Address(IpAddr::V6(address)) => request.extend([&[4][..], &address.octets()].concat()),
            Host::Name(name) => request.extend([&[3, name.len() as u8][..], name.as_bytes()].concat()),
        }
        request.extend(port.to_be_bytes());
        request
    }

    /// What the door replies, and what comes through it.
    async fn told(door: &Door, host: &Host, port: u16) -> (u8, String) {
        let mut stream = TcpStream::connect(door.address()).await.unwrap();
        stream.write_all(&request(host, port)).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer[..3], [VERSION, 0, VERSION]);
        (answer[3], String::from_utf8(answer[12..].to_vec()).unwrap())
    }

    #[tokio::test]
    async fn w_s15_only_trusted_hosts_may_be_private() {
        let (trusted, other) = (host().await, host().await);
        let door = Door::open(&[trusted.to_string()]).await.unwrap();
        let ip = Host::Address(trusted.ip());
        assert_eq!(told(&door, &ip, trusted.port()).await, (0, "hello".to_owned()));
        let refused = (Reply::NotAllowed as u8, String::new());
        assert_eq!(told(&door, &ip, other.port()).await, refused, "another port of it");
        for host in ["::1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254"] {
            let host = Host::Address(host.parse().unwrap());
            assert_eq!(told(&door, &host, trusted.port()).await, refused, "{host:?}");
        }
        let name = Host::Name("LocalHost".to_owned());
        assert_eq!(
            told(&door, &name, trusted.port()).await,
            refused,
            "names are resolved before they are trusted"
        );
    }

    #[tokio::test]
    async fn what_cannot_be_reached_is_told() {
        let nobody = Host::Name("nobody.invalid".to_owned());
        let door = Door::open(&[]).await.unwrap();
        assert_eq!(told(&door, &nobody, 80).await.0, Reply::Unreachable as u8);
    }

    #[tokio::test]
    async fn it_ends_with_all_who_pass_through_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let door = Door::open(&[address.to_string()]).await.unwrap();
        let mut guest = TcpStream::connect(door.address()).await.unwrap();
        guest.write_all(&request(&Host::Address(address.ip()), address.port())).await.unwrap();
        let (mut host, _) = listener.accept().await.unwrap();
        drop(door);
        assert_eq!(host.read(&mut [0]).await.unwrap(), 0);
        let mut rest = Vec::new();
        let _ = guest.read_to_end(&mut rest).await;
        assert!(rest.len() <= 12);
    }

    fn now<T>(future: impl Future<Output = T>) -> T {
        futures_util::FutureExt::now_or_never(future).unwrap()
    }

    proptest! {
        #[test]
        fn where_somebody_wants_to_go_is_understood(name in "[a-z0-9.-]{1,60}", port: u16, address: u128) {
            for host in [Host::Name(name), Host::Address(Ipv6Addr::from_bits(address).into())] {
                let goal = now(asked(&mut &request(&host, port)[3..])).unwrap();
                prop_assert_eq!(goal, Goal { host, port });
            }
        }

        #[test]
        fn nothing_that_is_sent_panics(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = (now(greet(&mut &bytes[..])), now(asked(&mut &bytes[..])));
        }
    }
}
