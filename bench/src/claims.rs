//! Claiming a job, with an archive of finished ones and without.

use std::time::Instant;

use anyhow::{Result, ensure};
use clap::Args;
use sightscan_testkit::database::new_database;
use sightscan_warehouse::Database;
use sightscan_warehouse::jobs::{self, NewJob};

use crate::postgres::Server;
use crate::say;
use crate::statistics::median;

const JOB: &str = "paint";
/// So many jobs are archived in one transaction.
const BATCH: usize = 1_000;
/// Long enough for the whole measurement, in milliseconds.
const LEASE: i64 = 3_600_000;

/// How many jobs there are.
#[derive(Debug, Clone, Args)]
pub(crate) struct Claims {
    /// Finished jobs in the archive.
    #[arg(long, default_value_t = 100_000)]
    archived: usize,
    /// Jobs that wait; half of the claims are made.
    #[arg(long, default_value_t = 10_000)]
    waiting: usize,
    /// Claims of each system, in turns.
    #[arg(long, default_value_t = 500)]
    claims: usize,
}

/// Measures on both engines.
pub(crate) fn run(claims: &Claims) -> Result<()> {
    let server = Server::start()?;
    let folder = tempfile::tempdir()?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let file = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
        compare("SQLite", claims, &file("empty.db"), &file("full.db")).await?;
        let (empty, full) = (new_database(&server.url).await, new_database(&server.url).await);
        compare("PostgreSQL", claims, &empty, &full).await
    })
}

async fn compare(name: &str, claims: &Claims, empty: &str, full: &str) -> Result<()> {
    let [empty, full] = [Database::open(&empty.parse()?).await?, Database::open(&full.parse()?).await?];
    fill_archive(&full, claims.archived).await?;
    for database in [&empty, &full] {
        fill_queue(database, claims.waiting).await?;
    }
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..claims.claims {
        for (database, times) in [&empty, &full].into_iter().zip(&mut times) {
            times.push(claim(database).await?);
        }
    }
    let [without, with] = times.map(|times| median(&times));
    let archived = claims.archived;
    say(&format!(
        "{name}: a claim takes {without:.0} us, with {archived} archived jobs {with:.0} us: {:.2} times as long",
        with / without
    ))
}

/// Enqueues so many jobs and cancels them, so that they are in the archive.
async fn fill_archive(database: &Database, count: usize) -> Result<()> {
    for _ in (0..count).step_by(BATCH) {
        let mut transaction = database.begin().await?;
        for _ in 0..BATCH {
            let id = jobs::enqueue(&mut transaction, &job(0), 1).await?.id;
            jobs::cancel(&mut transaction, id, "for the archive", 2).await?;
        }
        transaction.commit().await?;
    }
    Ok(())
}

async fn fill_queue(database: &Database, count: usize) -> Result<()> {
    let mut transaction = database.begin().await?;
    for number in 0..count {
        jobs::enqueue(&mut transaction, &job(i64::try_from(number)?), 1).await?;
    }
    Ok(transaction.commit().await?)
}

fn job(number: i64) -> NewJob<'static> {
    NewJob {
        name: JOB,
        queue: "walls",
        priority: number % 3,
        deduplication_key: None,
        city: None,
        payload: "{}",
        run_at: number,
        max_attempts: 3,
        request_id: None,
    }
}

/// Claims a job; how long it took, in microseconds.
async fn claim(database: &Database) -> Result<f64> {
    let start = Instant::now();
    let claimed = jobs::claim(database, &[JOB], "bench", LEASE).await?;
    ensure!(claimed.is_some(), "there is no job left to claim: let more wait");
    Ok(start.elapsed().as_secs_f64() * 1e6)
}
