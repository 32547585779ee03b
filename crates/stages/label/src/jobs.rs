//! The labelling of a city as a job.

use std::sync::Arc;

use sightscan_jobs::{Completed, Handle, JobError, Registry, Run};
use sightscan_types::LabelCity;

use crate::work::{Labelling, Order, Tell};

struct Handler(Arc<Labelling>);

impl Handle<LabelCity> for Handler {
    async fn run(&self, job: LabelCity, run: &Run) -> Result<Completed, JobError> {
        let (order, tell) = (Order { city: job.city, budget: job.budget }, tell(run));
        tokio::select! {
            labelled = self.0.label(&order, &tell) => labelled.map_err(|error| JobError::Retry(error.to_string()))?,
            () = run.cancelled() => return Err(JobError::Retry("cancelled".to_owned())),
        };
        run.done().await
    }
}

/// Shows each change as the progress of the job.
fn tell(run: &Run) -> Tell {
    let run = run.clone();
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    Arc::new(move |tally| {
        run.progress(number(tally.labelled), Some(number(tally.images)), Some(&tally.to_string()));
    })
}

/// Adds the jobs that this crate can do.
pub fn register(registry: Registry, labelling: Arc<Labelling>) -> Registry {
    registry.register(Handler(labelling))
}
