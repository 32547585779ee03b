//! The scheduler's tasks and how their last run went.

use crate::statement::sql;
use crate::{Database, Result};

/// A task of the scheduler.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ScheduledTask {
    /// Its name.
    pub task: String,
    /// Runs that were begun.
    pub runs: i64,
    /// Runs that failed.
    pub failures: i64,
    /// When the last run began.
    pub last_started_at: Option<i64>,
    /// When the last run ended; before [`Self::last_started_at`] while it runs, or when its process is gone.
    pub last_finished_at: Option<i64>,
    /// Why the last run failed; `None` when it went well.
    pub last_error: Option<String>,
}

/// Notes that a run begins.
///
/// # Errors
/// When the database does not answer.
pub async fn started(database: &Database, task: &str) -> Result<()> {
    let mut transaction = database.begin().await?;
    sql("INSERT INTO scheduled_tasks (task, runs, last_started_at) VALUES ($1, 1, $2) \
         ON CONFLICT (task) \
         DO UPDATE SET runs = scheduled_tasks.runs + 1, last_started_at = excluded.last_started_at")
    .bind(task)
    .bind(database.now())
    .execute(&mut transaction)
    .await?;
    transaction.commit().await
}

/// Notes how a run ended.
///
/// # Errors
/// When the database does not answer.
pub async fn finished(database: &Database, task: &str, result: std::result::Result<(), &str>) -> Result<()> {
    let mut transaction = database.begin().await?;
    sql("UPDATE scheduled_tasks SET last_finished_at = $2, last_error = $3, failures = failures + $4 WHERE task = $1")
        .bind(task)
        .bind(database.now())
        .bind(result.err())
        .bind(i64::from(result.is_err()))
        .execute(&mut transaction)
        .await?;
    transaction.commit().await
}

/// All tasks that ever ran, by name.
///
/// # Errors
/// When the database does not answer.
pub async fn list(database: &Database) -> Result<Vec<ScheduledTask>> {
    sql("SELECT task, runs, failures, last_started_at, last_finished_at, last_error FROM scheduled_tasks ORDER BY task")
        .all(&mut database.session().await?)
        .await
}
