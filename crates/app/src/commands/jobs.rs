//! `sightscan jobs …`: the jobs in the database.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use sightscan_roles::jobs::{self, Cancelled, Filter, Job, Retried};
use sightscan_roles::{Config, Database};
use sightscan_types::{JobId, JobState};

use super::roles::DataFlag;

/// Flags of `jobs`.
#[derive(Debug, Args)]
pub(crate) struct Jobs {
    #[command(flatten)]
    data: DataFlag,
    #[command(subcommand)]
    command: Command,
}

/// What to do with jobs.
#[derive(Debug, Subcommand)]
enum Command {
    /// List jobs, the newest first.
    List {
        /// Only those in this state: waiting, running, done, dead, cancelled.
        #[arg(long)]
        state: Option<JobState>,
        /// Only those of this queue.
        #[arg(long)]
        queue: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Show everything about a job.
    Show {
        /// Its id.
        id: JobId,
    },
    /// Run a dead or cancelled job again.
    Retry {
        /// Its id.
        id: JobId,
    },
    /// Cancel a job; one that runs is asked to stop.
    Cancel {
        /// Its id.
        id: JobId,
        /// Why, for those who look at it later.
        #[arg(long, default_value = "cancelled from the shell")]
        reason: String,
    },
}

/// Runs `jobs …`.
pub(crate) fn run(arguments: Jobs, config: Config) -> Result<ExitCode> {
    let setup = arguments.data.setup(config)?;
    let told = super::block_on(async {
        let database = Database::open(&setup.places.database).await?;
        match arguments.command {
            Command::List { state, queue, limit } => {
                let filter = Filter { state, queue, ..Filter::default() };
                let jobs = jobs::list(&database, &filter, None, limit).await?;
                Ok(jobs.iter().map(line).collect())
            }
            Command::Show { id } => {
                Ok(format!("{:#?}\n", jobs::show(&database, id).await?.with_context(|| missing(id))?))
            }
            Command::Retry { id } => retry(&database, id).await,
            Command::Cancel { id, reason } => cancel(&database, id, &reason).await,
        }
    })?;
    write!(std::io::stdout().lock(), "{told}")?;
    Ok(ExitCode::SUCCESS)
}

async fn retry(database: &Database, id: JobId) -> Result<String> {
    let mut transaction = database.begin().await?;
    let retried = jobs::retry(&mut transaction, id, database.now()).await?;
    transaction.commit().await?;
    match retried {
        Retried::Again => Ok(format!("{id} waits for a worker\n")),
        Retried::SameIsLive(other) => bail!("{other} does the same work already; nothing was changed"),
        Retried::NotFailed => bail!("{}, or it has not failed", missing(id)),
    }
}

async fn cancel(database: &Database, id: JobId, reason: &str) -> Result<String> {
    let mut transaction = database.begin().await?;
    let cancelled = jobs::cancel(&mut transaction, id, reason, database.now()).await?;
    transaction.commit().await?;
    match cancelled {
        Cancelled::AtOnce => Ok(format!("{id} is cancelled\n")),
        Cancelled::Requested => Ok(format!("{id} runs; its worker is asked to stop\n")),
        Cancelled::NotLive => bail!("{}, or it is finished", missing(id)),
    }
}

fn missing(id: JobId) -> String {
    format!("there is no job {id}; `sightscan jobs list` shows those there are")
}

fn line(job: &Job) -> String {
    let progress = match job.progress.total {
        Some(total) => format!("{}/{total}", job.progress.done),
        None => job.progress.done.to_string(),
    };
    let tries = format!("{}/{}", job.attempts, job.max_attempts);
    let why = job.reason.as_deref().or(job.progress.message.as_deref()).unwrap_or_default();
    format!("{}  {:<12} {:<9} tries {tries:<5} done {progress:<8} {why}\n", job.id, job.name, job.state)
}
