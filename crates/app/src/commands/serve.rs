//! `sightscan serve`: pictures in, boxes out, over HTTP.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use sightscan_engine::model::{ModelFolder, Overrides, Reference};
use sightscan_serve::{Choice, Config, Flags};
use tokio::signal::unix::{SignalKind, signal};

use crate::model_flags::{EngineFlag, SpecFlags, only_model};

/// Flags of `serve`; those of the server itself may also be set in the section `[serve]` of `sightscan.toml`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sightscan serve --model yolov5n
  curl --data-binary @bus.jpg http://127.0.0.1:8002/v1/detect
  curl -F image=@bus.jpg http://127.0.0.1:8002/api/object_detection

Routes: / (the web app), POST /v1/detect, GET /v1/stream, POST /api/object_detection, GET /v1/models, /healthz, /readyz, /metrics, /openapi.json, /docs")]
pub(crate) struct Arguments {
    /// Models: paths, or names in the model folder, with commas between them; the first one answers where none is asked for.
    #[arg(long, short, value_name = "REF", env = "SIGHTSCAN_SERVE_MODEL", value_delimiter = ',', num_args = 1..)]
    model: Vec<String>,
    #[command(flatten)]
    server: Flags,
    #[command(flatten)]
    engine: EngineFlag,
    #[command(flatten)]
    spec: SpecFlags,
}

/// Runs `serve` until SIGTERM or Ctrl-C.
pub(crate) fn run(arguments: Arguments, config: Config) -> Result<ExitCode> {
    let models = if arguments.model.is_empty() { config.models } else { arguments.model };
    let engine = arguments.engine.or(config.engine);
    let config = arguments.server.apply(Config { models, engine, ..config });
    let choice = choice(&config, arguments.spec.overrides()?)?;
    super::block_on(async {
        let address = config.listen;
        let listener = config
            .bind()
            .with_context(|| format!("cannot listen on {address}; is another server running there?"))?;
        let stop = stop_signal()?;
        sightscan_serve::run(config, choice, listener, stop).await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// The configured models; without any, the only one in the model folder. Where there is none, whatever becomes live there.
fn choice(config: &Config, overrides: Overrides) -> Result<Choice> {
    let mut references =
        config.models.iter().map(|model| model.parse()).collect::<Result<Vec<Reference>, _>>()?;
    let folder = ModelFolder::default();
    if references.is_empty() && config.from.is_none() && !folder.live_versions()?.is_empty() {
        references.push(only_model()?);
    }
    Ok(Choice { folder, references, overrides, engine: config.engine })
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
