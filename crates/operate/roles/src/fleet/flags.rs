//! What a user says about the fleet.

use clap::{Args, Subcommand};

use crate::flags::DataFlag;

/// Flags of `fleet`.
#[derive(Debug, Clone, Args)]
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
pub struct Flags {
    /// Where the data is.
    #[command(flatten)]
    pub data: DataFlag,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
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
