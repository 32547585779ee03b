//! The training of a city as a job.

use std::ops::ControlFlow;
use std::sync::Arc;

use sightscan_jobs::{Completed, Handle, JobError, Registry, Run};
use sightscan_types::{CityId, TrainCity};
use sightscan_warehouse::models::{self, By};
use sightscan_warehouse::{Database, cities};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tracing::{info, warn};

use crate::city::{Begun, GoOn, Judged, Tell, Training};
use crate::error::Error;
use crate::gate::Verdict;
use crate::learn::{Epoch, Event};
use crate::registry::still_live;

/// Epochs that wait until the database has taken those before them.
const UNSHOWN: usize = 64;

struct Handler(Arc<Training>);

impl Handle<TrainCity> for Handler {
    async fn run(&self, job: TrainCity, run: &Run) -> Result<Completed, JobError> {
        let key = format!("job {}", run.id());
        let begun = Begun { place: "job", key: &key, goes_on: GoOn::IfThere };
        let (epochs, ended) = mpsc::channel(UNSHOWN);
        let shown = show(run.database(), job.city, &key, ended);
        let trained = async { tokio::join!(self.0.train(&job, begun, tell(run, epochs)), shown).0 };
        let judged = tokio::select! {
            judged = trained => judged.map_err(told)?,
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

/// Shows those who follow the city each epoch that has ended, as long as there may be another one. The model's metrics have
/// them all: one that cannot be shown in time is no reason to end a training.
async fn show(database: &Database, city: CityId, actor: &str, mut ended: Receiver<Epoch>) {
    while let Some(epoch) = ended.recv().await {
        if let Err(error) = note(database, city, actor, &epoch).await {
            warn!(%error, epoch = epoch.epoch, "an epoch is not shown");
        }
    }
}

async fn note(database: &Database, city: CityId, actor: &str, epoch: &Epoch) -> Result<(), Error> {
    let numbers = serde_json::to_string(epoch)?;
    let mut transaction = database.begin().await?;
    cities::note_epoch(&mut transaction, city, actor, &numbers, database.now()).await?;
    Ok(transaction.commit().await?)
}

/// Shows steps as the progress of the job, and hands over epochs; all else is in the log.
fn tell(run: &Run, epochs: Sender<Epoch>) -> Tell {
    let run = run.clone();
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    Arc::new(move |event| {
        match event {
            Event::Step(step) => {
                run.progress(number(step.done()), Some(number(step.total())), Some(&step.to_string()));
            }
            Event::Problem(why) => warn!("{why}"),
            Event::Note(_) => info!("{event}"),
            Event::Epoch(epoch) => {
                info!("{event}");
                if epochs.try_send((*epoch).clone()).is_err() {
                    warn!(epoch = epoch.epoch, "an epoch is not shown");
                }
            }
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
