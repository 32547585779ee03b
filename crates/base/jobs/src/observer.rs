//! Who follows the jobs of a city's life.

use futures_util::future::BoxFuture;
use sightscan_types::{CityId, JobId, Stage};
use sightscan_warehouse::cities::Progress;
use sightscan_warehouse::{Result, Transaction};

/// A job that is a stage of a city's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageJob {
    /// The city.
    pub city: CityId,
    /// The stage.
    pub stage: Stage,
    /// The job.
    pub job: JobId,
    /// Who works on it.
    pub worker: String,
    /// Of the HTTP request that asked for it.
    pub request_id: Option<String>,
}

/// What happens to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A run begins; not only the first one does.
    Started,
    /// It has come so far. At most one a second.
    Progress(&'a Progress),
    /// It is finished.
    Succeeded,
    /// A run failed, and there will be another one.
    Failed {
        /// Why.
        reason: &'a str,
        /// Not before this time.
        retry_at: i64,
    },
    /// It failed for good.
    Dead {
        /// Why.
        reason: &'a str,
    },
    /// Its worker stopped it, since somebody had asked for that.
    Cancelled,
}

/// Follows the jobs of cities' lives. Each event is shown in the transaction that makes it true, before anything else
/// is written there: what the observer writes is there if and only if the event happened.
pub trait Observer: Send + Sync + 'static {
    /// Takes notice of an event. It must do nothing but write into the transaction: it may be rolled back, and tried
    /// again.
    ///
    /// An error rolls the event back: a run that cannot begin or succeed in the observer's eyes has failed. That a job
    /// failed, is dead or cancelled is then written without the observer, unless the database does not answer at all.
    fn observe<'a>(
        &'a self,
        transaction: &'a mut Transaction,
        job: &'a StageJob,
        event: Event<'a>,
    ) -> BoxFuture<'a, Result<()>>;
}
