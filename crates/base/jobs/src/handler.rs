//! Who does which job.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sightscan_types::Stage;

use crate::job::Job;
use crate::run::{Completed, Run};

/// Does jobs of one kind. What all of them need (clients, the warehouse, settings) is in `self`.
pub trait Handle<J: Job>: Send + Sync + 'static {
    /// Does one job. It may be tried again after it failed half-way, or run twice where its worker seemed to have
    /// vanished: whatever must be there exactly once is written into [`Run::completion`]. A handler that waits is
    /// dropped when its lease is lost, so it must not block its thread.
    fn run(&self, job: J, run: &Run) -> impl Future<Output = Result<Completed, JobError>> + Send;
}

/// Why a job was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// It may go better later.
    #[error("{0}")]
    Retry(String),
    /// It will never go better.
    #[error("{0}")]
    Fatal(String),
    /// Somebody else has the job by now.
    #[error("the lease is lost")]
    Lost,
}

impl From<sightscan_warehouse::Error> for JobError {
    fn from(error: sightscan_warehouse::Error) -> Self {
        Self::Retry(error.to_string())
    }
}

type Doing = BoxFuture<'static, Result<Completed, JobError>>;

/// A kind of job and who does it.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) queue: &'static str,
    pub(crate) stage: Option<Stage>,
    run: Box<dyn Fn(Run) -> Doing + Send + Sync>,
}

impl Kind {
    fn is_of(&self, queues: &[String]) -> bool {
        queues.is_empty() || queues.iter().any(|queue| queue == self.queue)
    }

    /// Begins to do the job of this run.
    pub(crate) fn start(&self, run: Run) -> Doing {
        (self.run)(run)
    }
}

/// The kinds of jobs that this program can do.
#[derive(Default)]
pub struct Registry(BTreeMap<&'static str, Kind>);

impl Registry {
    /// One that can do nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds who does jobs of a kind; the last one holds.
    #[must_use]
    pub fn register<J: Job>(mut self, handler: impl Handle<J>) -> Self {
        let handler = Arc::new(handler);
        let run = move |run: Run| -> Doing {
            let handler = Arc::clone(&handler);
            Box::pin(async move {
                let job = serde_json::from_str(run.payload())
                    .map_err(|error| JobError::Fatal(format!("its payload cannot be read: {error}")))?;
                handler.run(job, &run).await
            })
        };
        self.0
            .insert(J::NAME, Kind { name: J::NAME, queue: J::QUEUE, stage: J::stage(), run: Box::new(run) });
        self
    }

    pub(crate) fn kind(&self, name: &str) -> Option<&Kind> {
        self.0.get(name)
    }

    /// The names of the jobs of these queues, of all queues where none is named.
    pub(crate) fn names(&self, queues: &[String]) -> Vec<&'static str> {
        self.0.iter().filter(|(_, kind)| kind.is_of(queues)).map(|(name, _)| *name).collect()
    }

    /// Those of these queues that have a known job.
    pub fn queues(&self, queues: &[String]) -> BTreeSet<&'static str> {
        self.0.values().filter(|kind| kind.is_of(queues)).map(|kind| kind.queue).collect()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}
