//! `sightscan up`, `api`, `worker` and `scheduler`: the roles that run for long.

use std::process::ExitCode;

use anyhow::Result;
use sightscan_roles::flags::{PublicFlags, SchedulerFlags, UpFlags, WorkerFlags, WorkerKind};
use sightscan_roles::{Config, elastic};

use super::serve::stop_signal;

/// Runs everything in one process.
pub(crate) fn up(arguments: UpFlags, config: Config) -> Result<ExitCode> {
    let setup = arguments.public.setup(config)?;
    until_stopped(async |stop| Ok(Box::pin(sightscan_roles::up(setup, stop)).await?))
}

/// Answers the public.
pub(crate) fn api(arguments: PublicFlags, config: Config) -> Result<ExitCode> {
    let setup = arguments.setup(config)?;
    until_stopped(async |stop| Ok(Box::pin(sightscan_roles::api(setup, stop)).await?))
}

/// Takes jobs, or pictures.
pub(crate) fn worker(arguments: WorkerFlags, config: Config) -> Result<ExitCode> {
    let (setup, kind) = arguments.setup(config)?;
    until_stopped(async |stop| match kind {
        WorkerKind::Jobs(options) => Ok(Box::pin(sightscan_roles::worker(setup, options, stop)).await?),
        WorkerKind::Detect(options) => Ok(Box::pin(elastic::detect_worker(setup, options, stop)).await?),
    })
}

/// Plans.
pub(crate) fn scheduler(arguments: SchedulerFlags, config: Config) -> Result<ExitCode> {
    let setup = arguments.setup(config)?;
    until_stopped(async |stop| Ok(Box::pin(sightscan_roles::scheduler(setup, stop)).await?))
}

/// Runs a role until it ends or the process is asked to.
fn until_stopped(role: impl AsyncFnOnce(sightscan_roles::Stop) -> Result<()>) -> Result<ExitCode> {
    super::block_on(async {
        let (signal, stop) = (stop_signal()?, sightscan_roles::Stop::new());
        let asked = stop.clone();
        tokio::spawn(async move {
            signal.await;
            asked.cancel();
        });
        role(stop).await?;
        Ok(ExitCode::SUCCESS)
    })
}
