//! The training of a city as a job.

use std::ops::ControlFlow;
use std::sync::Arc;

use sightscan_jobs::{Completed, Handle, JobError, Registry, Run};
use sightscan_types::TrainCity;
use sightscan_warehouse::models::{self, By};
use tracing::{info, warn};

use crate::city::{Begun, GoOn, Judged, Tell, Training};
use crate::error::Error;
use crate::gate::Verdict;
use crate::learn::Event;
use crate::registry::still_live;

struct Handler(Arc<Training>);

impl Handle<TrainCity> for Handler {
    async fn run(&self, job: TrainCity, run: &Run) -> Result<Completed, JobError> {
        let key = format!("job {}", run.id());
        let begun = Begun { place: "job", key: &key, goes_on: GoOn::IfThere };
        let judged = tokio::select! {
            judged = self.0.train(&job, begun, tell(run)) => judged.map_err(told)?,
            () = run.cancelled() => return Err(JobError::Retry("cancelled".to_owned())),
        };
        info!(version = judged.model.version, verdict = %judged.verdict, "a candidate was judged");
        let decided = decide(run, &judged).await;
        if matches!(decided, Ok(_) | Err(JobError::Fatal(_))) {
            judged.close().map_err(told)?;
        }
        decided
    }
}

/// Acts on the verdict, together with the end of the job.
async fn decide(run: &Run, judged: &Judged) -> Result<Completed, JobError> {
    let Judged { model, verdict, .. } = judged;
    let by = By { actor: &format!("job {}", run.id()), why: verdict.why() };
    let now = run.database().now();
    match verdict {
        Verdict::Accepted(_) => {
            let mut completion = run.completion().await?;
            still_live(&mut completion, judged).await.map_err(told)?;
            models::promote(&mut completion, model.city, model.version, by, now).await?;
            completion.commit().await
        }
        Verdict::Rejected(why) if judged.live.is_some() => {
            let mut completion = run.completion().await?;
            still_live(&mut completion, judged).await.map_err(told)?;
            warn!(version = model.version, why, "a candidate was rejected; the live model stays");
            models::reject(&mut completion, model, by, now).await?;
            completion.commit().await
        }
        Verdict::Rejected(why) => {
            let mut transaction = run.database().begin().await?;
            still_live(&mut transaction, judged).await.map_err(told)?;
            models::reject(&mut transaction, model, by, now).await?;
            transaction.commit().await?;
            // Without a live model the city goes no further until somebody has looked at it.
            Err(JobError::Fatal(format!("version {} is not good enough: {why}", model.version)))
        }
    }
}

/// Shows steps as the progress of the job; all else is in the log.
fn tell(run: &Run) -> Tell {
    let run = run.clone();
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    Arc::new(move |event| {
        match event {
            Event::Step(step) => {
                run.progress(number(step.done()), Some(number(step.total())), Some(&step.to_string()));
            }
            Event::Problem(why) => warn!("{why}"),
            Event::Epoch(_) | Event::Note(_) => info!("{event}"),
        }
        ControlFlow::Continue(())
    })
}

/// Whether another try may help: not where the images or the settings have to change first.
fn told(error: Error) -> JobError {
    let what = error.to_string();
    match error {
        Error::Warehouse(_)
        | Error::Task(_)
        | Error::Ended
        | Error::LiveHasChanged
        | Error::File(_)
        | Error::NoPictures(_) => JobError::Retry(what),
        _ => JobError::Fatal(what),
    }
}

/// Adds the jobs that this crate can do.
pub fn register(registry: Registry, training: Arc<Training>) -> Registry {
    registry.register(Handler(training))
}
