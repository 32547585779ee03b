//! One run of a job, as its handler sees it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sightscan_types::JobId;
use sightscan_warehouse::cities::Progress;
use sightscan_warehouse::jobs::{self, Claim, Lease};
use sightscan_warehouse::{Database, Transaction};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::handler::JobError;
use crate::observer::{Event, Observer, StageJob};

/// One run of a job: what its handler may ask and tell. Cheap to clone.
#[derive(Clone)]
pub struct Run {
    pub(crate) database: Database,
    pub(crate) claim: Arc<Claim>,
    pub(crate) observed: Option<Observed>,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) cancelled: CancellationToken,
    pub(crate) stop: CancellationToken,
}

/// The job's part in a city's life, and who follows it.
#[derive(Clone)]
pub(crate) struct Observed {
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) job: Arc<StageJob>,
}

impl Run {
    /// The job's id.
    pub fn id(&self) -> JobId {
        self.claim.job.id
    }

    /// Which attempt this is; 1 is the first.
    pub fn attempt(&self) -> i64 {
        self.claim.job.attempts
    }

    /// The worker's name.
    pub fn worker(&self) -> &str {
        self.claim.job.worker.as_deref().unwrap_or_default()
    }

    /// Of the HTTP request that asked for the job.
    pub fn request_id(&self) -> Option<&str> {
        self.claim.job.request_id.as_deref()
    }

    /// The database that the job is from.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Shows how far the job is. It may be called often: it is written at most once a second.
    pub fn progress(&self, done: i64, total: Option<i64>, message: Option<&str>) {
        self.progress.send_replace(Progress { done, total, message: message.map(str::to_owned) });
    }

    /// Whether somebody asked to stop the job.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    /// Waits until somebody asks to stop the job. The handler may then clean up and return any error; it is dropped
    /// after the worker's time of grace.
    pub async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }

    /// Waits until the worker is asked to stop: a handler that finishes within the time of grace is not dropped.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Begins the transaction that ends the job: whatever is written into it is there if and only if the job is done.
    ///
    /// # Errors
    /// When the database does not answer; the job is then tried again.
    pub async fn completion(&self) -> Result<Completion, JobError> {
        let mut transaction = self.database.begin().await?;
        if let Some(observed) = &self.observed {
            // Before the effect: a city is locked before its images.
            observed.show(&mut transaction, Event::Succeeded).await?;
        }
        let now = self.database.now();
        Ok(Completion { transaction, lease: self.claim.lease.clone(), now })
    }

    /// Ends a job that has no effect in the database.
    ///
    /// # Errors
    /// As [`Completion::commit`].
    pub async fn done(&self) -> Result<Completed, JobError> {
        self.completion().await?.commit().await
    }

    pub(crate) fn payload(&self) -> &str {
        &self.claim.job.payload
    }
}

impl Observed {
    pub(crate) async fn show(
        &self,
        transaction: &mut Transaction,
        event: Event<'_>,
    ) -> sightscan_warehouse::Result<()> {
        self.observer.observe(transaction, &self.job, event).await
    }
}

/// The transaction that ends a job. Dropped without [`Completion::commit`], it is rolled back.
#[derive(Debug)]
#[must_use = "a completion that is dropped is rolled back"]
pub struct Completion {
    transaction: Transaction,
    lease: Lease,
    now: i64,
}

impl Completion {
    /// Commits the effect and ends the job, both or neither.
    ///
    /// # Errors
    /// When the lease is lost or the database refuses; then nothing was done.
    pub async fn commit(mut self) -> Result<Completed, JobError> {
        if !jobs::complete(&mut self.transaction, &self.lease, self.now).await? {
            self.transaction.rollback().await?;
            return Err(JobError::Lost);
        }
        self.transaction.commit().await?;
        Ok(Completed(()))
    }
}

impl Deref for Completion {
    type Target = Transaction;

    fn deref(&self) -> &Transaction {
        &self.transaction
    }
}

impl DerefMut for Completion {
    fn deref_mut(&mut self) -> &mut Transaction {
        &mut self.transaction
    }
}

/// Shows that a job was ended with its effect; only [`Completion::commit`] makes one.
#[derive(Debug, PartialEq, Eq)]
pub struct Completed(());

impl std::fmt::Debug for Run {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Run").field("claim", &self.claim).finish_non_exhaustive()
    }
}
