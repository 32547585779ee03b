//! What a job is, and how one is enqueued.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sightscan_types::{CityId, Stage};
use sightscan_warehouse::Transaction;
use sightscan_warehouse::jobs::{Enqueued, NewJob};

/// A kind of work: its value is what the worker needs to know, and travels as JSON.
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// Its name in the database; workers that do not know it leave it alone.
    const NAME: &'static str;
    /// Which workers are meant: `crawl`, `label`, `train`, `upkeep`.
    const QUEUE: &'static str;
    /// The greater, the sooner.
    const PRIORITY: i64 = 0;
    /// It is dead after so many runs that failed.
    const MAX_ATTEMPTS: u32 = 5;

    /// Of two live jobs of one kind and key there is but one.
    fn deduplication_key(&self) -> Option<String> {
        None
    }

    /// Whose life it is part of.
    fn city(&self) -> Option<CityId> {
        None
    }

    /// The stage of that life; such jobs are shown to the [`Observer`](crate::Observer).
    fn stage() -> Option<Stage> {
        None
    }
}

/// What else is wished of a job that is enqueued.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish<'a> {
    /// Not before this time; as soon as possible without one.
    pub run_at: Option<i64>,
    /// Of the HTTP request that asks for it: its logs carry it.
    pub request_id: Option<&'a str>,
}

/// Why a job could not be enqueued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It has no form in JSON.
    #[error("the job {name} cannot be written as JSON: {source}")]
    Payload {
        /// Its name.
        name: &'static str,
        /// Why not.
        source: serde_json::Error,
    },
    /// The database did not take it.
    #[error(transparent)]
    Warehouse(#[from] sightscan_warehouse::Error),
}

/// Enqueues a job in the caller's transaction: it is there if and only if what else the transaction does is. Where a
/// live job has the same key, that one does it.
///
/// # Errors
/// When the database does not answer, or the job has no form in JSON.
pub async fn enqueue<J: Job>(
    transaction: &mut Transaction,
    job: &J,
    wish: Wish<'_>,
    now: i64,
) -> Result<Enqueued, Error> {
    let payload = serde_json::to_string(job).map_err(|source| Error::Payload { name: J::NAME, source })?;
    let deduplication_key = job.deduplication_key();
    let new = NewJob {
        name: J::NAME,
        queue: J::QUEUE,
        priority: J::PRIORITY,
        deduplication_key: deduplication_key.as_deref(),
        city: job.city(),
        payload: &payload,
        run_at: wish.run_at.unwrap_or(now),
        max_attempts: J::MAX_ATTEMPTS,
        request_id: wish.request_id,
    };
    Ok(sightscan_warehouse::jobs::enqueue(transaction, &new, now).await?)
}
