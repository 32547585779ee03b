//! `sightscan fleet …`: the pools of workers.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sightscan_roles::Config;
use sightscan_roles::fleet::{self, Command, Flags, Fleet};

/// How often `top` looks.
const PAUSE: Duration = Duration::from_secs(2);

/// Runs `fleet …`.
pub(crate) fn run(arguments: Flags, config: Config) -> Result<ExitCode> {
    let setup = arguments.data.setup(config)?;
    let mut out = std::io::stdout().lock();
    super::block_on(async {
        match arguments.command {
            Command::Status { json } => {
                let status = Fleet::open(&setup).await?.status().await?;
                if json {
                    serde_json::to_writer(&mut out, &status)?;
                    writeln!(out)?;
                } else {
                    write!(out, "{}", fleet::table(&status))?;
                }
            }
            Command::Top => {
                let pools = Fleet::open(&setup).await?;
                loop {
                    let status = pools.status().await?;
                    // The screen is cleared and written from its upper left corner (ECMA-48).
                    write!(out, "\x1b[2J\x1b[H{}", fleet::table(&status))?;
                    out.flush()?;
                    tokio::time::sleep(PAUSE).await;
                }
            }
            Command::Check { queue } => {
                let through = queue.or_else(|| setup.config.elastic.through.clone());
                let queue = through.as_deref().unwrap_or("db:").parse().context("which queue is meant")?;
                let ledger = fleet::check(&setup, &queue).await?;
                serde_json::to_writer(&mut out, &ledger)?;
                writeln!(out)?;
                if !ledger.holds() {
                    bail!(
                        "the numbers do not add up: accepted = done + failed + dead + waiting + in flight must hold"
                    );
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}
