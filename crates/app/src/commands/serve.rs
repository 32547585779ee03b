//! `sightscan serve`: pictures in, boxes out, over HTTP.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use sightscan_engine::model::{ModelFolder, Overrides, Reference};
use sightscan_serve::{Choice, Config};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::model_flags::{EngineFlag, SpecFlags, only_model};

/// Flags of `serve`; those of the server itself may also be set in the section `[serve]` of `sightscan.toml`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sightscan serve --model yolov5n
  curl --data-binary @bus.jpg http://127.0.0.1:8002/v1/detect
  curl -F image=@bus.jpg http://127.0.0.1:8002/api/object_detection

Routes: POST /v1/detect, POST /api/object_detection, GET /v1/models, /healthz, /readyz, /metrics, /openapi.json, /docs")]
pub(crate) struct Arguments {
    /// Models: paths, or names in the model folder, with commas between them; the first one answers where none is asked for.
    #[arg(long, short, value_name = "REF", env = "SIGHTSCAN_SERVE_MODEL", value_delimiter = ',', num_args = 1..)]
    model: Vec<String>,
    /// Address to listen on; 0.0.0.0 lets other machines in [default: 127.0.0.1:8002].
    #[arg(long, value_name = "ADDRESS:PORT", env = "SIGHTSCAN_SERVE_LISTEN")]
    listen: Option<SocketAddr>,
    /// Threads that compute [default: all that this process may use].
    #[arg(long, value_name = "N", env = "SIGHTSCAN_SERVE_THREADS")]
    threads: Option<NonZeroUsize>,
    /// Pictures that are worked on at once [default: one a thread].
    #[arg(long, value_name = "N", env = "SIGHTSCAN_SERVE_INSTANCES")]
    instances: Option<NonZeroUsize>,
    /// Pictures that may wait; further ones get 429 [default: 128].
    #[arg(long, value_name = "N", env = "SIGHTSCAN_SERVE_QUEUE_DEPTH")]
    queue_depth: Option<usize>,
    /// How long a request may take, in milliseconds [default: 30000].
    #[arg(long, value_name = "MS", env = "SIGHTSCAN_SERVE_DEADLINE_MS")]
    deadline_ms: Option<u64>,
    /// Greatest body of a request in bytes [default: 33554432].
    #[arg(long, value_name = "BYTES", env = "SIGHTSCAN_SERVE_MAX_BODY_BYTES")]
    max_body_bytes: Option<u64>,
    /// Greatest picture in pixels [default: 50000000].
    #[arg(long, value_name = "PIXELS", env = "SIGHTSCAN_SERVE_MAX_PIXELS")]
    max_pixels: Option<u64>,
    /// How long requests are still taken after SIGTERM, for load balancers that need time to notice, in milliseconds [default: 0].
    #[arg(long, value_name = "MS", env = "SIGHTSCAN_SERVE_DRAIN_DELAY_MS")]
    drain_delay_ms: Option<u64>,
    /// Name of this server in the header x-sightscan-instance [default: the host's].
    #[arg(long, value_name = "NAME", env = "SIGHTSCAN_INSTANCE")]
    instance: Option<String>,
    #[command(flatten)]
    engine: EngineFlag,
    #[command(flatten)]
    spec: SpecFlags,
}

/// Runs `serve` until SIGTERM or Ctrl-C.
pub(crate) fn run(arguments: Arguments, config: Config) -> Result<ExitCode> {
    let config = arguments.apply(config);
    let choice = choice(&config, arguments.spec.overrides()?)?;
    super::block_on(async {
        let address = config.listen;
        let listener = TcpListener::bind(address).await;
        let listener = listener
            .with_context(|| format!("cannot listen on {address}; is another server running there?"))?;
        let stop = stop_signal()?;
        sightscan_serve::run(config, choice, listener, stop).await?;
        Ok(ExitCode::SUCCESS)
    })
}

impl Arguments {
    /// The configuration with what these flags say.
    fn apply(&self, config: Config) -> Config {
        let models = if self.model.is_empty() { config.models } else { self.model.clone() };
        Config {
            listen: self.listen.unwrap_or(config.listen),
            models,
            engine: self.engine.or(config.engine),
            threads: self.threads.or(config.threads),
            instances: self.instances.or(config.instances),
            queue_depth: self.queue_depth.unwrap_or(config.queue_depth),
            deadline_ms: self.deadline_ms.unwrap_or(config.deadline_ms),
            max_body_bytes: self.max_body_bytes.unwrap_or(config.max_body_bytes),
            max_pixels: self.max_pixels.unwrap_or(config.max_pixels),
            drain_delay_ms: self.drain_delay_ms.unwrap_or(config.drain_delay_ms),
            instance: self.instance.clone().or(config.instance),
            ..config
        }
    }
}

/// The configured models; without any, the only one in the model folder.
fn choice(config: &Config, overrides: Overrides) -> Result<Choice> {
    let mut references =
        config.models.iter().map(|model| model.parse()).collect::<Result<Vec<Reference>, _>>()?;
    if references.is_empty() {
        references.push(only_model()?);
    }
    Ok(Choice { folder: ModelFolder::default(), references, overrides, engine: config.engine })
}

/// Ready when the process is asked to end.
pub(super) fn stop_signal() -> Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
