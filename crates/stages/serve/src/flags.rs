//! What a user says about a server.

use std::net::SocketAddr;
use std::num::NonZeroUsize;

use clap::Args;

use crate::config::Config;
use crate::tls::TlsFlags;

/// Flags of a server; each is also a key of the section `[serve]`.
#[derive(Debug, Clone, Default, Args)]
pub struct Flags {
    /// Address to listen on; 0.0.0.0 lets other machines in [default: 127.0.0.1:8002].
    #[arg(long, value_name = "ADDRESS:PORT", env = "SIGHTSCAN_SERVE_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// Share the address with other servers that say so, too: each connection goes to one of them, by chance (SO_REUSEPORT).
    #[arg(long, env = "SIGHTSCAN_SERVE_SHARE_PORT")]
    pub share_port: bool,
    /// Threads that compute [default: all that this process may use].
    #[arg(long, value_name = "N", env = "SIGHTSCAN_SERVE_THREADS")]
    pub threads: Option<NonZeroUsize>,
    /// Pictures that are worked on at once [default: one a thread].
    #[arg(long, value_name = "N", env = "SIGHTSCAN_SERVE_INSTANCES")]
    pub instances: Option<NonZeroUsize>,
    /// Pictures that may wait; further ones get 429 [default: 128].
    #[arg(long, value_name = "N", env = "SIGHTSCAN_SERVE_QUEUE_DEPTH")]
    pub queue_depth: Option<usize>,
    /// How long a request may take, in milliseconds [default: 30000].
    #[arg(long, value_name = "MS", env = "SIGHTSCAN_SERVE_DEADLINE_MS")]
    pub deadline_ms: Option<u64>,
    /// Greatest body of a request in bytes [default: 33554432].
    #[arg(long, value_name = "BYTES", env = "SIGHTSCAN_SERVE_MAX_BODY_BYTES")]
    pub max_body_bytes: Option<u64>,
    /// Greatest picture in pixels [default: 50000000].
    #[arg(long, value_name = "PIXELS", env = "SIGHTSCAN_SERVE_MAX_PIXELS")]
    pub max_pixels: Option<u64>,
    /// How long requests are still taken after SIGTERM, for load balancers that need time to notice, in milliseconds [default: 0].
    #[arg(long, value_name = "MS", env = "SIGHTSCAN_SERVE_DRAIN_DELAY_MS")]
    pub drain_delay_ms: Option<u64>,
    /// Name of this server in the header x-sightscan-instance [default: the host's].
    #[arg(long, value_name = "NAME", env = "SIGHTSCAN_INSTANCE")]
    pub instance: Option<String>,
    /// Where no model is named, serve those of this server: they are brought into the model folder, and work when it is away.
    #[arg(long, value_name = "URL", env = "API_ENDPOINT_URL")]
    pub from: Option<String>,
    /// Open the app in this machine's browser.
    #[arg(long)]
    pub open: bool,
    /// HTTPS.
    #[command(flatten)]
    pub tls: TlsFlags,
}

impl Flags {
    /// The configuration with what these flags say.
    pub fn apply(self, config: Config) -> Config {
        Config {
            listen: self.listen.unwrap_or(config.listen),
            share_port: self.share_port || config.share_port,
            threads: self.threads.or(config.threads),
            instances: self.instances.or(config.instances),
            queue_depth: self.queue_depth.unwrap_or(config.queue_depth),
            deadline_ms: self.deadline_ms.unwrap_or(config.deadline_ms),
            max_body_bytes: self.max_body_bytes.unwrap_or(config.max_body_bytes),
            max_pixels: self.max_pixels.unwrap_or(config.max_pixels),
            drain_delay_ms: self.drain_delay_ms.unwrap_or(config.drain_delay_ms),
            instance: self.instance.or(config.instance),
            from: self.from.or(config.from),
            open: self.open || config.open,
            tls: self.tls.or(config.tls),
            ..config
        }
    }
}
