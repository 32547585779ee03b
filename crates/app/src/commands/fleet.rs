//! `sightscan fleet …`: the pools of workers.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use sightscan_roles::Config;
use sightscan_roles::flags::DataFlag;
use sightscan_roles::fleet::{self, Fleet as Pools};

/// How often `top` looks.
const PAUSE: Duration = Duration::from_secs(2);

/// Flags of `fleet`.
#[derive(Debug, Args)]
#[command(
    after_help = "Pools are tables of sightscan.toml, and are looked after by `scheduler`, `up` and `api --controller`:

  [[pool]]
  name = \"detect\"
  queue = \"db:\"
  max = 19

Examples:
  sightscan fleet top
  sightscan fleet status --json
  sightscan fleet check"
)]
pub(crate) struct Fleet {
    #[command(flatten)]
    data: DataFlag,
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Show the pools now: queues, workers by what they do, objects.
    Status {
        /// As one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show the pools, again every two seconds.
    Top,
    /// Check that every request that was accepted is somewhere: done, failed, given up, waiting or in work.
    Check {
        /// The queue [default: the one of `[elastic] through`, else `db:`].
        #[arg(long, value_name = "QUEUE")]
        queue: Option<String>,
    },
}

/// Runs `fleet …`.
pub(crate) fn run(arguments: Fleet, config: Config) -> Result<ExitCode> {
    let setup = arguments.data.setup(config)?;
    let mut out = std::io::stdout().lock();
    super::block_on(async {
        match arguments.command {
            Command::Status { json } => {
                let status = Pools::open(&setup).await?.status().await?;
                if json {
                    serde_json::to_writer(&mut out, &status)?;
                    writeln!(out)?;
                } else {
                    write!(out, "{}", fleet::table(&status))?;
                }
            }
            Command::Top => {
                let pools = Pools::open(&setup).await?;
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
