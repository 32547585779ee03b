//! `sightscan experiment …`: how a service answers with so many workers and so many clients.

use std::process::ExitCode;

use anyhow::Result;
use sightscan_experiment::study::{Flags, execute};
use tokio_util::sync::CancellationToken;

use crate::terminal::say;

/// Runs `experiment …`.
pub(crate) fn run(flags: Flags) -> Result<ExitCode> {
    let program = std::env::current_exe()?;
    super::block_on(async {
        let stop = CancellationToken::new();
        let asked = stop.clone();
        tokio::spawn(async move {
            super::interrupted().await;
            asked.cancel();
        });
        // Whoever closed our output still gets the measurement to its end.
        let mut tell = |line: String| drop(say(line));
        execute(flags, program, stop, &mut tell).await?;
        Ok(ExitCode::SUCCESS)
    })
}
