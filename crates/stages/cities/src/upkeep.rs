//! Clearing away, which can take minutes where there are many blobs: a job for any worker of the queue `upkeep`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sightscan_jobs::{Completed, Handle, Job, JobError, Registry, Run, Wish, enqueue};

use crate::Cities;
use crate::error::{Error, Result};

/// Delete blobs that nothing refers to, and finished jobs and notes of progress that are old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanUp {}

impl Job for CleanUp {
    const NAME: &'static str = "clean-up";
    const QUEUE: &'static str = "upkeep";

    fn deduplication_key(&self) -> Option<String> {
        Some(Self::NAME.to_owned())
    }
}

struct Cleaner(Arc<Cities>);

impl Handle<CleanUp> for Cleaner {
    async fn run(&self, _: CleanUp, run: &Run) -> Result<Completed, JobError> {
        let retry = |error: Error| JobError::Retry(error.to_string());
        run.progress(0, Some(2), Some("blobs that nothing refers to"));
        let blobs = self.0.collect_blobs().await.map_err(retry)?;
        run.progress(1, Some(2), Some("finished jobs"));
        let pruned = self.0.prune().await.map_err(retry)?;
        run.progress(2, Some(2), Some(&format!("{blobs}; {pruned}")));
        run.done().await
    }
}

/// Adds the jobs that this crate can do.
pub fn register(registry: Registry, cities: &Arc<Cities>) -> Registry {
    registry.register(Cleaner(Arc::clone(cities)))
}

impl Cities {
    /// Enqueues a clean-up, unless one waits or runs; whether it is new.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn plan_clean_up(&self) -> Result<bool> {
        let database = &self.warehouse.database;
        let mut transaction = database.begin().await?;
        let enqueued = enqueue(&mut transaction, &CleanUp {}, Wish::default(), database.now()).await?;
        transaction.commit().await?;
        Ok(enqueued.is_new)
    }
}
