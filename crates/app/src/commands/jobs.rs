//! `sightscan jobs …`: the jobs in the database.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};
use sightscan_roles::jobs::{self, Filter, Job};
use sightscan_roles::{Config, Database, Setup, cities};
use sightscan_types::{JobId, JobState};

use sightscan_roles::flags::DataFlag;

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
        Ok(match arguments.command {
            Command::List { state, queue, limit } => list(&setup, state, queue, limit).await?,
            Command::Show { id } => show(&setup, id).await?,
            Command::Retry { id } => {
                sightscan_roles::retry_job(&setup, id).await?;
                format!("{id} waits for a worker\n")
            }
            Command::Cancel { id, reason } => {
                cancelled(&sightscan_roles::cancel_job(&setup, id, Some(&reason)).await?)
            }
        })
    })?;
    write!(std::io::stdout().lock(), "{told}")?;
    Ok(ExitCode::SUCCESS)
}

async fn list(setup: &Setup, state: Option<JobState>, queue: Option<String>, limit: u32) -> Result<String> {
    let database = Database::open(&setup.places.database).await?;
    let filter = Filter { state, queue, ..Filter::default() };
    let mut lines = String::new();
    for job in jobs::list(&database, &filter, None, limit).await? {
        lines += &line(&job, &city(&database, &job).await?);
    }
    Ok(lines)
}

async fn show(setup: &Setup, id: JobId) -> Result<String> {
    let database = Database::open(&setup.places.database).await?;
    let job = jobs::show(&database, id).await?.ok_or(sightscan_roles::Error::UnknownJob(id))?;
    Ok(everything(&job, &city(&database, &job).await?, database.now()))
}

fn cancelled(job: &Job) -> String {
    if job.cancel_requested && job.finished_at.is_none() {
        return format!("{} runs; its worker is asked to stop\n", job.id);
    }
    format!("{} is cancelled\n", job.id)
}

/// The slug of a job's city; nothing for a job that is about none.
async fn city(database: &Database, job: &Job) -> Result<String> {
    let city = match job.city {
        Some(id) => cities::by_id(database, id).await?,
        None => None,
    };
    Ok(city.map(|city| city.slug.to_string()).unwrap_or_default())
}

fn line(job: &Job, city: &str) -> String {
    let tries = format!("{}/{}", job.attempts, job.max_attempts);
    let why = job.reason.as_deref().or(job.progress.message.as_deref()).unwrap_or_default();
    let line = format!(
        "{}  {:<12} {city:<16} {:<9} tries {tries:<5} done {:<8} {why}",
        job.id,
        job.name,
        job.state,
        done(job)
    );
    format!("{}\n", line.trim_end())
}

fn done(job: &Job) -> String {
    match job.progress.total {
        Some(total) => format!("{}/{total}", job.progress.done),
        None => job.progress.done.to_string(),
    }
}

/// All that is known about a job, a line each; what it does not have is left out.
fn everything(job: &Job, city: &str, now: i64) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let time = |at: Option<i64>| at.map(|at| distance(at, now)).unwrap_or_default();
    let lines = [
        ("id", job.id.to_string()),
        ("name", job.name.clone()),
        ("queue", job.queue.clone()),
        ("state", job.state.to_string()),
        ("city", city.to_owned()),
        ("reason", text(&job.reason)),
        ("done", done(job)),
        ("message", text(&job.progress.message)),
        ("tries", format!("{} of {}", job.attempts, job.max_attempts)),
        ("worker", text(&job.worker)),
        ("cancel", if job.cancel_requested { "requested".to_owned() } else { String::new() }),
        ("priority", job.priority.to_string()),
        ("key", text(&job.deduplication_key)),
        ("request id", text(&job.request_id)),
        ("created", time(Some(job.created_at))),
        ("not before", time(job.run_at)),
        ("started", time(job.started_at)),
        ("finished", time(job.finished_at)),
        ("payload", job.payload.clone()),
    ];
    lines
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name:<11} {value}\n"))
        .collect()
}

/// How far a time is from now; both in milliseconds.
fn distance(at: i64, now: i64) -> String {
    let whole = |milliseconds: i64| Duration::from_secs(milliseconds.unsigned_abs() / 1000);
    if at > now { format!("in {:?}", whole(at - now)) } else { format!("{:?} ago", whole(now - at)) }
}
