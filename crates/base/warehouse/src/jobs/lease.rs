//! Leases: who claims a job may work on it until its lease ends, and finishes it by showing the lease.
//!
//! A lease is a random token. Each claim makes a new one, so that a worker that was slower than its lease, and whose
//! job somebody else has, finds that its own is worth nothing: none of its effects is committed.

use sightscan_types::{JobId, JobState};
use uuid::Uuid;

use super::{CHANNEL, Job, Row, archive, live_job};
use crate::cities::Progress;
use crate::statement::sql;
use crate::{Database, Error, Result, Transaction};

/// Jobs whose lease has ended that are looked at in one go.
const EXPIRED: u32 = 100;

/// The right to work on a job and to finish it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    job: JobId,
    token: String,
}

/// A job that somebody has, or had until lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The job; its attempts count this one.
    pub job: Job,
    /// What shows that the job is his.
    pub lease: Lease,
    /// When the lease ends, unless a heartbeat makes it longer.
    pub lease_until: i64,
}

/// What a worker hears at a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// The job is his for another while.
    Held,
    /// So it is, but somebody wants the job stopped.
    CancelRequested,
    /// The job is finished or somebody else's: whatever he does for it is in vain.
    Lost,
}

#[derive(sqlx::FromRow)]
struct LeasedRow {
    #[sqlx(flatten)]
    row: Row,
    lease: String,
    lease_until: i64,
}

#[derive(sqlx::FromRow)]
struct Head {
    priority: i64,
    run_at: i64,
    job_id: String,
}

/// Takes the most urgent job of these names: that of the highest priority, and of these the one that is due the
/// longest. It never waits for another worker. Jobs of other names are left to those who know them.
///
/// # Errors
/// When the database does not answer.
pub async fn claim(
    database: &Database,
    names: &[&str],
    worker: &str,
    lease_ms: i64,
) -> Result<Option<Claim>> {
    for name in by_urgency(database, names).await? {
        let now = database.now();
        let mut transaction = database.begin().await?;
        let claimed: Option<LeasedRow> = sql(transaction.dialect().claim())
            .bind(name)
            .bind(now)
            .bind(worker)
            .bind(Uuid::new_v4().to_string())
            .bind(now + lease_ms)
            .optional(&mut transaction)
            .await?;
        transaction.commit().await?;
        if let Some(row) = claimed {
            return Ok(Some(row.try_into()?));
        }
    }
    Ok(None)
}

/// Those of the names that have a job that is due, the one with the most urgent job first. It locks nothing, so that
/// idle workers disturb nobody.
async fn by_urgency<'n>(database: &Database, names: &[&'n str]) -> Result<Vec<&'n str>> {
    let mut session = database.session().await?;
    let mut heads = Vec::new();
    for &name in names {
        let head: Option<Head> = sql("SELECT priority, run_at, job_id FROM jobs \
             WHERE state = 'waiting' AND name = $1 AND run_at <= $2 \
             ORDER BY priority DESC, run_at, job_id LIMIT 1")
        .bind(name)
        .bind(database.now())
        .optional(&mut session)
        .await?;
        heads.extend(head.map(|head| (-head.priority, head.run_at, head.job_id, name)));
    }
    heads.sort_unstable();
    Ok(heads.into_iter().map(|(.., name)| name).collect())
}

/// Jobs whose worker did not make its lease longer in time: it vanished, or is too slow. The longest overdue first.
///
/// # Errors
/// When the database does not answer.
pub async fn expired(database: &Database) -> Result<Vec<Claim>> {
    let rows: Vec<LeasedRow> = sql(live_job!(
        "SELECT lease, lease_until,",
        " FROM jobs WHERE state = 'running' AND lease_until <= $1 ORDER BY lease_until LIMIT $2"
    ))
    .bind(database.now())
    .bind(EXPIRED)
    .all(&mut database.session().await?)
    .await?;
    rows.into_iter().map(Claim::try_from).collect()
}

/// Makes a lease longer, and shows how far the job is.
///
/// # Errors
/// When the database does not answer.
pub async fn heartbeat(
    database: &Database,
    lease: &Lease,
    lease_ms: i64,
    progress: &Progress,
) -> Result<Beat> {
    let mut transaction = database.begin().await?;
    let held: Option<(bool,)> = sql("UPDATE jobs SET lease_until = $3, done = $4, total = $5, message = $6 \
         WHERE job_id = $1 AND lease = $2 RETURNING cancel_requested")
    .bind(lease.job.to_string())
    .bind(&lease.token)
    .bind(database.now() + lease_ms)
    .bind(progress.done)
    .bind(progress.total)
    .bind(progress.message.as_deref())
    .optional(&mut transaction)
    .await?;
    transaction.commit().await?;
    Ok(match held {
        Some((true,)) => Beat::CancelRequested,
        Some((false,)) => Beat::Held,
        None => Beat::Lost,
    })
}

/// Finishes a job in the transaction that holds its effect, so that both are there or neither is. `false`: the lease
/// is lost, and the transaction must be rolled back.
///
/// # Errors
/// When the database does not answer.
pub async fn complete(transaction: &mut Transaction, lease: &Lease, now: i64) -> Result<bool> {
    let row: Option<Row> = sql(live_job!("DELETE FROM jobs WHERE job_id = $1 AND lease = $2 RETURNING", ""))
        .bind(lease.job.to_string())
        .bind(&lease.token)
        .optional(transaction)
        .await?;
    finish(transaction, row, JobState::Done, None, now).await
}

/// Finishes a job that failed for good; `false` where the lease is lost.
///
/// # Errors
/// When the database does not answer.
pub async fn bury(transaction: &mut Transaction, lease: &Lease, reason: &str, now: i64) -> Result<bool> {
    let row: Option<Row> = sql(live_job!("DELETE FROM jobs WHERE job_id = $1 AND lease = $2 RETURNING", ""))
        .bind(lease.job.to_string())
        .bind(&lease.token)
        .optional(transaction)
        .await?;
    finish(transaction, row, JobState::Dead, Some(reason), now).await
}

/// As [`bury`], of somebody else's job; `false` also where its worker came back meanwhile.
///
/// # Errors
/// When the database does not answer.
pub async fn bury_expired(
    transaction: &mut Transaction,
    lease: &Lease,
    reason: &str,
    now: i64,
) -> Result<bool> {
    let row: Option<Row> = sql(live_job!(
        "DELETE FROM jobs WHERE job_id = $1 AND lease = $2 AND lease_until <= $3 RETURNING",
        ""
    ))
    .bind(lease.job.to_string())
    .bind(&lease.token)
    .bind(now)
    .optional(transaction)
    .await?;
    finish(transaction, row, JobState::Dead, Some(reason), now).await
}

/// Finishes a job that somebody asked to cancel; `false` where the lease is lost, or where the job was asked for
/// again meanwhile.
///
/// # Errors
/// When the database does not answer.
pub async fn finish_cancelled(transaction: &mut Transaction, lease: &Lease, now: i64) -> Result<bool> {
    let row: Option<Row> = sql(live_job!(
        "DELETE FROM jobs WHERE job_id = $1 AND lease = $2 AND cancel_requested RETURNING",
        ""
    ))
    .bind(lease.job.to_string())
    .bind(&lease.token)
    .optional(transaction)
    .await?;
    let reason = row.as_ref().and_then(|row| row.reason.clone());
    finish(transaction, row, JobState::Cancelled, reason.as_deref(), now).await
}

async fn finish(
    transaction: &mut Transaction,
    row: Option<Row>,
    outcome: JobState,
    reason: Option<&str>,
    now: i64,
) -> Result<bool> {
    let Some(row) = row else { return Ok(false) };
    archive(transaction, &row, outcome, reason, now).await?;
    Ok(true)
}

/// Lets a job that failed wait until it is tried again; `false` where the lease is lost.
///
/// # Errors
/// When the database does not answer.
pub async fn retry_later(
    transaction: &mut Transaction,
    lease: &Lease,
    reason: &str,
    retry_at: i64,
) -> Result<bool> {
    let kept = sql("UPDATE jobs SET state = 'waiting', worker = NULL, lease = NULL, lease_until = NULL, \
                                    last_error = $3, run_at = $4 \
         WHERE job_id = $1 AND lease = $2")
    .bind(lease.job.to_string())
    .bind(&lease.token)
    .bind(reason)
    .bind(retry_at)
    .execute(transaction)
    .await?;
    Ok(kept == 1)
}

/// Gives a job back that its worker cannot finish through no fault of the job: the attempt does not count. `false`
/// where the lease is lost.
///
/// # Errors
/// When the database does not answer.
pub async fn hand_back(transaction: &mut Transaction, lease: &Lease) -> Result<bool> {
    let kept = sql("UPDATE jobs SET state = 'waiting', worker = NULL, lease = NULL, lease_until = NULL, \
                                    attempts = attempts - 1 \
         WHERE job_id = $1 AND lease = $2")
    .bind(lease.job.to_string())
    .bind(&lease.token)
    .execute(transaction)
    .await?;
    transaction.notify(CHANNEL).await?;
    Ok(kept == 1)
}

/// Takes a job back from a worker whose lease has ended; the attempt counts. `false` where it came back meanwhile.
///
/// # Errors
/// When the database does not answer.
pub async fn take_back(transaction: &mut Transaction, lease: &Lease, reason: &str, now: i64) -> Result<bool> {
    let taken = sql("UPDATE jobs SET state = 'waiting', worker = NULL, lease = NULL, lease_until = NULL, \
                                     last_error = $3 \
         WHERE job_id = $1 AND lease = $2 AND lease_until <= $4")
    .bind(lease.job.to_string())
    .bind(&lease.token)
    .bind(reason)
    .bind(now)
    .execute(transaction)
    .await?;
    transaction.notify(CHANNEL).await?;
    Ok(taken == 1)
}

impl TryFrom<LeasedRow> for Claim {
    type Error = Error;

    fn try_from(row: LeasedRow) -> Result<Self> {
        let job = Job::try_from(row.row)?;
        let lease = Lease { job: job.id, token: row.lease };
        Ok(Self { job, lease, lease_until: row.lease_until })
    }
}

#[cfg(test)]
mod tests {
    use sightscan_testkit::database::TestDatabase;

    use super::*;
    use crate::Dialect;

    /// Ten thousand jobs of four kinds that wait, as many as an installation has on a bad day.
    const MANY: &str = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 10000) \
        INSERT INTO jobs (job_id, name, queue, priority, payload, state, run_at, max_attempts, created_at) \
        SELECT CAST(n AS TEXT), 'kind-' || CAST(n % 4 AS TEXT), 'queue', n % 3, '{}', 'waiting', n, 5, 0 FROM numbers";

    /// How the engine finds the job to claim.
    async fn plan(test: TestDatabase) -> String {
        let database = Database::open(&test.url.parse().unwrap()).await.unwrap();
        let mut transaction = database.begin().await.unwrap();
        sql(MANY).execute(&mut transaction).await.unwrap();
        sql("ANALYZE").execute(&mut transaction).await.unwrap();
        let explain = match database.dialect() {
            Dialect::Sqlite => "EXPLAIN QUERY PLAN",
            Dialect::Postgres => "EXPLAIN",
        };
        let text: &'static str = format!("{explain} {}", database.dialect().claim()).leak();
        let claim = sql(text).bind("kind-1").bind(9_000_i64).bind("worker").bind("lease").bind(9_999_i64);
        match database.dialect() {
            Dialect::Sqlite => {
                let steps: Vec<(i64, i64, i64, String)> = claim.all(&mut transaction).await.unwrap();
                steps.into_iter().map(|(.., step)| step + "\n").collect()
            }
            Dialect::Postgres => {
                let steps: Vec<(String,)> = claim.all(&mut transaction).await.unwrap();
                steps.into_iter().map(|(step,)| step + "\n").collect()
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn sqlite_finds_the_next_job_in_the_index_without_sorting() {
        let plan = plan(TestDatabase::sqlite().await).await;
        assert!(plan.contains("INDEX jobs_waiting (name=?)") && !plan.contains("TEMP B-TREE"), "{plan}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn postgres_finds_the_next_job_in_the_index_without_sorting() {
        let plan = plan(TestDatabase::postgres().await).await;
        assert!(plan.contains("Scan using jobs_waiting") && !plan.contains("Sort"), "{plan}");
    }
}
