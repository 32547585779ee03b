//! The section `[serve]` of the configuration.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sightscan_engine::EngineChoice;
use sightscan_engine::runtime::available_threads;
use sightscan_http::{ServerOptions, Tls, TlsError};
use tokio::net::{TcpListener, TcpSocket};

use crate::tls::{self, TlsChoice};

/// No request may take longer, whatever its header says.
pub(crate) const GREATEST_DEADLINE_MS: u64 = 600_000;
pub(crate) const GREATEST_DEADLINE: Duration = Duration::from_millis(GREATEST_DEADLINE_MS);

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// The section `[serve]` of the configuration. Times are in milliseconds, sizes in bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The address to listen on; whoever starts the server binds it.
    pub listen: SocketAddr,
    /// Whether other servers that say so, too, may listen on the same address: each connection goes to one of them.
    pub share_port: bool,
    /// References of the models to serve; whoever starts the server loads them.
    pub models: Vec<String>,
    /// The runtime that they are loaded into.
    pub engine: EngineChoice,
    /// Threads that compute, of all instances together; as many as the machine or its control group grants
    /// unless given, and never more.
    pub threads: Option<NonZeroUsize>,
    /// Pictures that are worked on at once; one a thread unless given, and never more.
    pub instances: Option<NonZeroUsize>,
    /// Pictures that may wait; further ones are refused.
    pub queue_depth: usize,
    /// How long a request may take, unless its header `x-sightscan-deadline-ms` says otherwise.
    pub deadline_ms: u64,
    /// How long the body of a request may take to arrive, within the deadline.
    pub body_timeout_ms: u64,
    /// Bytes of one request's body.
    pub max_body_bytes: u64,
    /// Bytes of the bodies of all requests that are in memory.
    pub body_budget_bytes: u64,
    /// Pixels of one picture.
    pub max_pixels: u64,
    /// Pictures of one request.
    pub max_pictures: usize,
    /// A worker that is busy with one picture for so long counts as stuck, and is replaced.
    pub stuck_after_ms: u64,
    /// A model that has answered nothing for so long is asked to look at a test picture.
    pub canary_after_ms: u64,
    /// How often the model folder is looked at for versions that have become live.
    pub follow_ms: u64,
    /// How long requests are still taken once the server is told to stop, while `/readyz` says so, for load
    /// balancers that need time to notice.
    pub drain_delay_ms: u64,
    /// How long requests that were taken may then still need.
    pub drain_limit_ms: u64,
    /// Connections that are open at once.
    pub max_connections: usize,
    /// Cameras that are connected at once, each with a WebSocket.
    pub max_streams: usize,
    /// The name of this server in the header `x-sightscan-instance`; the name of the host unless given.
    pub instance: Option<String>,
    /// Address of a server whose models are brought into the model folder and served here.
    pub from: Option<String>,
    /// Whether the app is opened in this machine's browser.
    pub open: bool,
    /// Where the certificate for HTTPS comes from; HTTP is spoken unless given.
    pub tls: Option<TlsChoice>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8002)),
            share_port: false,
            models: Vec::new(),
            engine: EngineChoice::Auto,
            threads: None,
            instances: None,
            queue_depth: 128,
            deadline_ms: 30_000,
            body_timeout_ms: 10_000,
            max_body_bytes: 32 << 20,
            body_budget_bytes: 256 << 20,
            max_pixels: 50_000_000,
            max_pictures: 32,
            stuck_after_ms: 30_000,
            canary_after_ms: 10_000,
            follow_ms: 1_000,
            drain_delay_ms: 0,
            drain_limit_ms: 28_000,
            max_connections: 4096,
            max_streams: 64,
            instance: None,
            from: None,
            open: false,
            tls: None,
        }
    }
}

/// How the computing threads are shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads {
    /// Pictures that are worked on at once.
    pub instances: NonZeroUsize,
    /// Threads for each of them.
    pub per_instance: NonZeroUsize,
}

impl Config {
    /// How the computing threads are shared out on this machine.
    pub fn threads(&self) -> Threads {
        self.share(available_threads())
    }

    fn share(&self, available: NonZeroUsize) -> Threads {
        let threads = self.threads.unwrap_or(available).min(available);
        let instances = self.instances.unwrap_or(threads).min(threads);
        let per_instance = NonZeroUsize::new(threads.get() / instances.get()).unwrap_or(NonZeroUsize::MIN);
        Threads { instances, per_instance }
    }

    /// Listens where the configuration says.
    ///
    /// # Errors
    /// When the address is taken by a server that does not share it, or is none of this machine.
    pub fn bind(&self) -> std::io::Result<TcpListener> {
        let socket = match self.listen {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        // As tokio's own listeners: an address whose last server has just ended is free.
        socket.set_reuseaddr(true)?;
        socket.set_reuseport(self.share_port)?;
        socket.bind(self.listen)?;
        socket.listen(BACKLOG)
    }

    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }

    pub(crate) fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.body_timeout_ms)
    }

    pub(crate) fn stuck_after(&self) -> Duration {
        Duration::from_millis(self.stuck_after_ms.max(1))
    }

    pub(crate) fn canary_after(&self) -> Duration {
        Duration::from_millis(self.canary_after_ms.max(1))
    }

    pub(crate) fn follow_pause(&self) -> Duration {
        Duration::from_millis(self.follow_ms.max(1))
    }

    pub(crate) fn drain_delay(&self) -> Duration {
        Duration::from_millis(self.drain_delay_ms)
    }

    /// What a server loop is told that speaks HTTP.
    pub fn server_options(&self) -> ServerOptions {
        ServerOptions {
            max_connections: self.max_connections,
            drain_limit: Duration::from_millis(self.drain_limit_ms),
            ..ServerOptions::default()
        }
    }

    /// What the server loop of the public is told, which speaks HTTPS where that is chosen. A certificate that is made here is
    /// kept in the folder `data`.
    ///
    /// # Errors
    /// When the certificate cannot be used.
    pub fn public_options(&self, data: &Path) -> Result<ServerOptions, TlsError> {
        let tls = self.tls.as_ref().map(|choice| choice.open(data, self.listen)).transpose()?;
        Ok(ServerOptions { tls, ..self.server_options() })
    }

    /// What somebody needs who opens the server on a phone, where its certificate is made for that.
    pub fn invitation(&self, address: SocketAddr, tls: Option<&Tls>) -> Option<String> {
        let tls = tls.filter(|_| self.tls == Some(TlsChoice::SelfSigned))?;
        Some(tls::invitation(address, tls))
    }

    /// The configured name of this server, else the variable `SIGHTSCAN_INSTANCE`, else the name of the host.
    pub(crate) fn instance_name(&self) -> String {
        let named = self.instance.clone().or_else(|| std::env::var("SIGHTSCAN_INSTANCE").ok());
        let named = named.or_else(host_name).or_else(|| std::env::var("HOSTNAME").ok());
        named.filter(|name| !name.is_empty()).unwrap_or_else(|| "unknown".into())
    }
}

fn host_name() -> Option<String> {
    fs_err::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(number: usize) -> Option<NonZeroUsize> {
        NonZeroUsize::new(number)
    }

    #[test]
    fn threads_times_instances_never_exceed_what_is_available() {
        for (threads, instances, available, expected) in [
            (None, None, 8, (8, 1)),
            (some(4), None, 8, (4, 1)),
            (some(64), None, 8, (8, 1)),
            (None, some(2), 8, (2, 4)),
            (None, some(3), 8, (3, 2)),
            (some(2), some(9), 8, (2, 1)),
            (None, None, 1, (1, 1)),
        ] {
            let config = Config { threads, instances, ..Config::default() };
            let shared = config.share(some(available).unwrap());
            assert_eq!(
                (shared.instances.get(), shared.per_instance.get()),
                expected,
                "{threads:?} {instances:?}"
            );
        }
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        let error = serde_json::from_str::<Config>(r#"{"queue_dept": 1}"#).unwrap_err();
        assert!(error.to_string().contains("`queue_dept`"), "{error}");
        assert_eq!(serde_json::from_str::<Config>("{}").unwrap(), Config::default());
    }
}
