//! Jobs: work that takes minutes, waits in the database and is leased to workers.
//!
//! A live job is a row of `jobs`; a finished one moves to `jobs_archive`, so that the live table stays small.
//! What workers do with a job is in [`lease`](self::Lease): whoever holds the newest lease may finish it, nobody else.

mod lease;

use sightscan_types::{CityId, JobId, JobState};

use crate::cities::Progress;
use crate::statement::sql;
use crate::{Database, Error, Result, Transaction};

pub use lease::{
    Beat, Claim, Lease, bury, bury_expired, claim, complete, expired, finish_cancelled, hand_back, heartbeat,
    retry_later, take_back,
};

/// Where workers can hear that a job may be had (PostgreSQL's NOTIFY).
pub const CHANNEL: &str = "sightscan_jobs";

/// Jobs that are forgotten in one transaction.
const BATCH: u32 = 5_000;

/// A job to enqueue.
#[derive(Debug, Clone)]
pub struct NewJob<'a> {
    /// Which kind of work; it says who can do it.
    pub name: &'a str,
    /// Which workers are meant.
    pub queue: &'a str,
    /// The greater, the sooner.
    pub priority: i64,
    /// Of two live jobs of one name and key there is but one.
    pub deduplication_key: Option<&'a str>,
    /// Whose life it is part of.
    pub city: Option<CityId>,
    /// JSON.
    pub payload: &'a str,
    /// Not before this time.
    pub run_at: i64,
    /// It is dead after so many runs that failed.
    pub max_attempts: u32,
    /// Of the HTTP request that asks for it.
    pub request_id: Option<&'a str>,
}

/// What became of the wish to have a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enqueued {
    /// The job that does it.
    pub id: JobId,
    /// Whether it was not there before.
    pub is_new: bool,
}

/// A job as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its id; a retried job keeps it.
    pub id: JobId,
    /// Which kind of work.
    pub name: String,
    /// Which workers are meant.
    pub queue: String,
    /// The greater, the sooner.
    pub priority: i64,
    /// Of two live jobs of one name and key there is but one.
    pub deduplication_key: Option<String>,
    /// Whose life it is part of.
    pub city: Option<CityId>,
    /// JSON.
    pub payload: String,
    /// Where it is in its life.
    pub state: JobState,
    /// Not before this time; `None` once it is finished.
    pub run_at: Option<i64>,
    /// Runs that were begun.
    pub attempts: i64,
    /// It is dead after so many runs that failed.
    pub max_attempts: i64,
    /// Who runs it or ran it last.
    pub worker: Option<String>,
    /// Whether somebody asked to stop it.
    pub cancel_requested: bool,
    /// How far it is.
    pub progress: Progress,
    /// Why its last run failed, why it is dead, or why it was cancelled.
    pub reason: Option<String>,
    /// Of the HTTP request that asked for it.
    pub request_id: Option<String>,
    /// When it was enqueued.
    pub created_at: i64,
    /// When its last run began.
    pub started_at: Option<i64>,
    /// When it was finished.
    pub finished_at: Option<i64>,
}

/// What became of the wish to cancel a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It waited; now it is in the archive.
    AtOnce,
    /// It runs; its worker is told at the next heartbeat.
    Requested,
    /// There is no such job, or it is finished.
    NotLive,
}

/// What became of the wish to run a finished job again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retried {
    /// It waits, as if it had never run.
    Again,
    /// This live job does the same work.
    SameIsLive(JobId),
    /// There is no such job, it is live, or it was done.
    NotFailed,
}

/// Which jobs are listed.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those in this state.
    pub state: Option<JobState>,
    /// Only those of this queue.
    pub queue: Option<String>,
    /// Only those of this kind.
    pub name: Option<String>,
    /// Only those of this city.
    pub city: Option<CityId>,
}

/// How much there is to do in a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Depth {
    /// Jobs that could run now.
    pub waiting_due: i64,
    /// Jobs whose time has not come: planned for later, or failed and waiting to be retried.
    pub waiting_later: i64,
    /// Jobs that workers have.
    pub running: i64,
    /// Since when the oldest of those that could run waits.
    pub oldest_due: Option<i64>,
}

/// What an operator has to know of a queue.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct QueueCounts {
    /// The queue.
    pub queue: String,
    /// Jobs that wait, also those whose time has not come.
    pub waiting: i64,
    /// Jobs that workers have.
    pub running: i64,
    /// Jobs that were given up, and that are not forgotten yet.
    pub dead: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    job_id: String,
    name: String,
    queue: String,
    priority: i64,
    deduplication_key: Option<String>,
    city_id: Option<String>,
    payload: String,
    state: String,
    run_at: Option<i64>,
    attempts: i64,
    max_attempts: i64,
    worker: Option<String>,
    cancel_requested: bool,
    done: i64,
    total: Option<i64>,
    message: Option<String>,
    reason: Option<String>,
    request_id: Option<String>,
    created_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
}

/// The columns of [`Row`] in the table of live jobs, after the beginning of a statement.
macro_rules! live_job {
    ($head:literal, $tail:literal) => {
        concat!(
            $head,
            " job_id, name, queue, priority, deduplication_key, city_id, payload, state, run_at, attempts, \
             max_attempts, worker, cancel_requested, done, total, message, last_error AS reason, request_id, \
             created_at, started_at, CAST(NULL AS BIGINT) AS finished_at",
            $tail
        )
    };
}
pub(crate) use live_job;

/// A statement that reads jobs, live and finished.
macro_rules! select {
    ($tail:literal) => {
        sql(concat!(
            "SELECT * FROM (",
            live_job!("SELECT", " FROM jobs"),
            " UNION ALL SELECT job_id, name, queue, priority, deduplication_key, city_id, payload, \
             outcome AS state, CAST(NULL AS BIGINT) AS run_at, attempts, max_attempts, worker, \
             FALSE AS cancel_requested, done, total, message, reason, request_id, created_at, started_at, \
             finished_at FROM jobs_archive) AS every_job ",
            $tail
        ))
    };
}

/// Enqueues a job, unless a live one has its name and key: then that one does it, and where somebody had asked to
/// cancel it, it goes on.
///
/// # Errors
/// When the database does not answer.
pub async fn enqueue(transaction: &mut Transaction, job: &NewJob<'_>, now: i64) -> Result<Enqueued> {
    let wanted = JobId::new();
    // To write the live job is to lock it, so that it is not finished before this transaction is.
    let (id,): (String,) = sql(
        "INSERT INTO jobs (job_id, name, queue, priority, deduplication_key, city_id, payload, state, run_at, \
                           max_attempts, request_id, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 'waiting', $8, $9, $10, $11) \
         ON CONFLICT (name, deduplication_key) WHERE deduplication_key IS NOT NULL \
         DO UPDATE SET cancel_requested = FALSE RETURNING job_id",
    )
    .bind(wanted.to_string())
    .bind(job.name)
    .bind(job.queue)
    .bind(job.priority)
    .bind(job.deduplication_key)
    .bind(job.city.map(|city| city.to_string()))
    .bind(job.payload)
    .bind(job.run_at)
    .bind(job.max_attempts)
    .bind(job.request_id)
    .bind(now)
    .one(transaction)
    .await?;
    // Also when it was there: a worker that looked just now passed it over, because it was locked.
    transaction.notify(CHANNEL).await?;
    let id = Error::read("job id", &id)?;
    Ok(Enqueued { id, is_new: id == wanted })
}

/// A job, live or finished.
///
/// # Errors
/// When the database does not answer.
pub async fn show(database: &Database, id: JobId) -> Result<Option<Job>> {
    let row: Option<Row> =
        select!("WHERE job_id = $1").bind(id.to_string()).optional(&mut database.session().await?).await?;
    row.map(Job::try_from).transpose()
}

/// Jobs, the newest first, those that are older than `before` only.
///
/// # Errors
/// When the database does not answer.
pub async fn list(
    database: &Database,
    filter: &Filter,
    before: Option<JobId>,
    limit: u32,
) -> Result<Vec<Job>> {
    // Ids sort by the time they were made.
    let rows: Vec<Row> = select!(
        "WHERE ($1 IS NULL OR state = $1) AND ($2 IS NULL OR queue = $2) AND ($3 IS NULL OR name = $3) \
           AND ($4 IS NULL OR city_id = $4) AND ($5 IS NULL OR job_id < $5) ORDER BY job_id DESC LIMIT $6"
    )
    .bind(filter.state.map(JobState::as_str))
    .bind(filter.queue.as_deref())
    .bind(filter.name.as_deref())
    .bind(filter.city.map(|city| city.to_string()))
    .bind(before.map(|id| id.to_string()))
    .bind(limit)
    .all(&mut database.session().await?)
    .await?;
    rows.into_iter().map(Job::try_from).collect()
}

/// How much there is to do in a queue.
///
/// # Errors
/// When the database does not answer.
pub async fn depth(database: &Database, queue: &str) -> Result<Depth> {
    sql("SELECT COUNT(*) FILTER (WHERE state = 'waiting' AND run_at <= $2) AS waiting_due, \
                COUNT(*) FILTER (WHERE state = 'waiting' AND run_at > $2) AS waiting_later, \
                COUNT(*) FILTER (WHERE state = 'running') AS running, \
                MIN(run_at) FILTER (WHERE state = 'waiting' AND run_at <= $2) AS oldest_due \
         FROM jobs WHERE queue = $1")
    .bind(queue)
    .bind(database.now())
    .one(&mut database.session().await?)
    .await
}

/// How many jobs of a queue are dead.
///
/// # Errors
/// When the database does not answer.
pub async fn dead(database: &Database, queue: &str) -> Result<i64> {
    let statement =
        sql("SELECT COUNT(*) FROM jobs_archive WHERE outcome = 'dead' AND queue = $1").bind(queue);
    let (dead,): (i64,) = statement.one(&mut database.session().await?).await?;
    Ok(dead)
}

/// How many jobs wait, run and are dead in each queue that has such jobs, by its name.
///
/// # Errors
/// When the database does not answer.
pub async fn queues(database: &Database) -> Result<Vec<QueueCounts>> {
    sql("SELECT queue, COUNT(*) FILTER (WHERE state = 'waiting') AS waiting, \
                COUNT(*) FILTER (WHERE state = 'running') AS running, \
                COUNT(*) FILTER (WHERE state = 'dead') AS dead \
         FROM (SELECT queue, state FROM jobs UNION ALL \
               SELECT queue, outcome AS state FROM jobs_archive WHERE outcome = 'dead') AS pressing \
         GROUP BY queue ORDER BY queue")
    .all(&mut database.session().await?)
    .await
}

/// Cancels a job: one that waits at once, one that runs by a request to its worker.
///
/// # Errors
/// When the database does not answer.
pub async fn cancel(transaction: &mut Transaction, id: JobId, reason: &str, now: i64) -> Result<Cancelled> {
    let state: Option<(String,)> =
        sql("UPDATE jobs SET cancel_requested = TRUE, last_error = $2 WHERE job_id = $1 RETURNING state")
            .bind(id.to_string())
            .bind(reason)
            .optional(transaction)
            .await?;
    match state {
        None => Ok(Cancelled::NotLive),
        Some((state,)) if state == JobState::Running.as_str() => Ok(Cancelled::Requested),
        Some(_) => {
            let row: Row = sql(live_job!("DELETE FROM jobs WHERE job_id = $1 RETURNING", ""))
                .bind(id.to_string())
                .one(transaction)
                .await?;
            archive(transaction, &row, JobState::Cancelled, Some(reason), now).await?;
            Ok(Cancelled::AtOnce)
        }
    }
}

/// Enqueues a dead or cancelled job again, with its id and all its attempts before it.
///
/// # Errors
/// When the database does not answer.
pub async fn retry(transaction: &mut Transaction, id: JobId, now: i64) -> Result<Retried> {
    let revived = sql(
        "INSERT INTO jobs (job_id, name, queue, priority, deduplication_key, city_id, payload, state, run_at, \
                           max_attempts, last_error, request_id, created_at) \
         SELECT job_id, name, queue, priority, deduplication_key, city_id, payload, 'waiting', $2, max_attempts, \
                reason, request_id, created_at \
         FROM jobs_archive WHERE job_id = $1 AND outcome IN ('dead', 'cancelled') ON CONFLICT DO NOTHING",
    )
    .bind(id.to_string())
    .bind(now)
    .execute(transaction)
    .await?;
    if revived == 0 {
        return Ok(same(transaction, id).await?.map_or(Retried::NotFailed, Retried::SameIsLive));
    }
    sql("DELETE FROM jobs_archive WHERE job_id = $1").bind(id.to_string()).execute(transaction).await?;
    transaction.notify(CHANNEL).await?;
    Ok(Retried::Again)
}

/// The live job that does the work of one that failed.
async fn same(transaction: &mut Transaction, failed: JobId) -> Result<Option<JobId>> {
    let id: Option<(String,)> = sql("SELECT jobs.job_id FROM jobs JOIN jobs_archive failed \
         ON failed.name = jobs.name AND failed.deduplication_key = jobs.deduplication_key \
         WHERE failed.job_id = $1 AND failed.outcome IN ('dead', 'cancelled')")
    .bind(failed.to_string())
    .optional(transaction)
    .await?;
    id.map(|(id,)| Error::read("job id", &id)).transpose()
}

/// Deletes jobs that were finished before this time; how many.
///
/// # Errors
/// When the database does not answer; those of finished batches are gone.
pub async fn forget_finished(database: &Database, before: i64) -> Result<u64> {
    let mut forgotten = 0;
    loop {
        let mut transaction = database.begin().await?;
        let batch = sql("DELETE FROM jobs_archive WHERE job_id IN \
             (SELECT job_id FROM jobs_archive WHERE finished_at < $1 ORDER BY finished_at, job_id LIMIT $2)")
        .bind(before)
        .bind(BATCH)
        .execute(&mut transaction)
        .await?;
        transaction.commit().await?;
        forgotten += batch;
        if batch < u64::from(BATCH) {
            return Ok(forgotten);
        }
    }
}

/// Writes a job that was taken out of the live table into the archive.
async fn archive(
    transaction: &mut Transaction,
    row: &Row,
    outcome: JobState,
    reason: Option<&str>,
    now: i64,
) -> Result<()> {
    sql(
        "INSERT INTO jobs_archive (job_id, name, queue, priority, deduplication_key, city_id, payload, outcome, \
                                   reason, attempts, max_attempts, worker, done, total, message, request_id, \
                                   created_at, started_at, finished_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)",
    )
    .bind(&row.job_id)
    .bind(&row.name)
    .bind(&row.queue)
    .bind(row.priority)
    .bind(row.deduplication_key.as_deref())
    .bind(row.city_id.as_deref())
    .bind(&row.payload)
    .bind(outcome.as_str())
    .bind(reason)
    .bind(row.attempts)
    .bind(row.max_attempts)
    .bind(row.worker.as_deref())
    .bind(row.done)
    .bind(row.total)
    .bind(row.message.as_deref())
    .bind(row.request_id.as_deref())
    .bind(row.created_at)
    .bind(row.started_at)
    .bind(now)
    .execute(transaction)
    .await?;
    Ok(())
}

impl TryFrom<Row> for Job {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: Error::read("job id", &row.job_id)?,
            name: row.name,
            queue: row.queue,
            priority: row.priority,
            deduplication_key: row.deduplication_key,
            city: row.city_id.as_deref().map(|id| Error::read("city id", id)).transpose()?,
            payload: row.payload,
            state: Error::read("state of a job", &row.state)?,
            run_at: row.run_at,
            attempts: row.attempts,
            max_attempts: row.max_attempts,
            worker: row.worker,
            cancel_requested: row.cancel_requested,
            progress: Progress { done: row.done, total: row.total, message: row.message },
            reason: row.reason,
            request_id: row.request_id,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
        })
    }
}
