//! What there is to do: the scheduler's tasks, each of which may run at any time and as often as one likes.

use std::sync::Arc;
use std::time::Duration;

use sightscan_jobs::Job as _;
use sightscan_types::{CityId, CityState, LabelCity, Stage, TrainCity};
use sightscan_warehouse::planning::{self, Trainable, Unlabelled};
use sightscan_warehouse::{cities, collection, jobs};
use tracing::{info, warn};

use crate::Cities;
use crate::error::{Result, retried};
use crate::scheduler::Task;

mod refresh;

pub use refresh::Refreshed;

/// A blob that nothing refers to is deleted when it is older than this: its row may still be on its way.
const BLOB_GRACE: Duration = Duration::from_hours(1);
/// The progress of cities is kept for so long; the history of their states stays.
const KEEP_PROGRESS: Duration = Duration::from_hours(24 * 7);
const DAY: Duration = Duration::from_hours(24);

/// The scheduler's tasks.
pub fn tasks(cities: &Arc<Cities>) -> Vec<Task> {
    let config = &cities.config;
    let every = |seconds: u64| Duration::from_secs(seconds.max(1));
    let clean_up = every(config.clean_up_seconds);
    vec![
        Task::new("refresh_marts", every(config.refresh_seconds), cities, |cities| async move {
            cities.refresh_marts(false).await.map(|refreshed| refreshed.to_string())
        }),
        Task::new("plan_labelling", every(config.plan_labelling_seconds), cities, |cities| async move {
            cities.plan_labelling().await.map(|planned| told("label", planned.len()))
        }),
        Task::new("plan_training", every(config.plan_training_seconds), cities, |cities| async move {
            cities.plan_training().await.map(|planned| told("train", planned.len()))
        }),
        Task::new("plan_clean_up", clean_up, cities, |cities| async move {
            cities.plan_clean_up().await.map(|is_new| told("clean-up", usize::from(is_new)))
        }),
    ]
}

fn told(stage: &str, jobs: usize) -> String {
    format!("{jobs} new {stage} jobs")
}

impl Cities {
    /// Enqueues a label job for each city that has unlabelled images and may still make paid calls: the oldest city without
    /// any label first, at the end the one with the fewest unlabelled images. A city that is being crawled is among
    /// them. Gives the cities that got a new job, in this order.
    ///
    /// # Errors
    /// When the database does not answer. A city that cannot be planned is passed over.
    pub async fn plan_labelling(&self) -> Result<Vec<CityId>> {
        let mut planned = Vec::new();
        for wanting in planning::unlabelled(&self.warehouse.database).await? {
            if self.may_label(&wanting) && self.plan(wanting.city, Stage::Label, LabelCity::NAME).await {
                planned.push(wanting.city);
            }
        }
        Ok(planned)
    }

    fn may_label(&self, wanting: &Unlabelled) -> bool {
        wanting.calls < i64::from(self.config.label_budget(wanting.budget))
    }

    /// Enqueues a train job for each city that has no model and strictly more labelled images than the least number,
    /// or more labelled images that its newest model has not seen than a new training takes. Gives the cities that got a
    /// new job.
    ///
    /// # Errors
    /// When the database does not answer. A city that cannot be planned is passed over.
    pub async fn plan_training(&self) -> Result<Vec<CityId>> {
        let mut planned = Vec::new();
        for ready in planning::trainable(&self.warehouse.database).await? {
            if self.should_train(&ready) && self.plan(ready.city, Stage::Train, TrainCity::NAME).await {
                planned.push(ready.city);
            }
        }
        Ok(planned)
    }

    fn should_train(&self, ready: &Trainable) -> bool {
        match ready.version {
            None => ready.labelled > i64::from(self.config.min_labelled_images),
            Some(_) => ready.fresh > i64::from(self.config.retrain_after_images),
        }
    }

    /// Enqueues a job for a city; whether it is new. What goes wrong with one city must not hinder the others.
    async fn plan(&self, city: CityId, stage: Stage, job: &'static str) -> bool {
        let planned = retried(|| self.try_to_plan(city, stage, job)).await;
        planned.unwrap_or_else(|error| {
            warn!(%city, %stage, %error, "a city could not be planned");
            false
        })
    }

    async fn try_to_plan(&self, city: CityId, stage: Stage, job: &'static str) -> Result<bool> {
        let database = &self.warehouse.database;
        if planning::is_given_up(database, city, job).await? {
            info!(%city, %stage, "not planned: the last such job failed for good; retry it once the reason is gone");
            return Ok(false);
        }
        let mut transaction = database.begin().await?;
        let city = cities::lock(&mut transaction, city).await?;
        // An admin may have stopped it in the meantime.
        let works = matches!(
            city.state,
            CityState::Crawling | CityState::Labelling | CityState::Training | CityState::Live
        );
        let is_new = works && self.enqueue(&mut transaction, &city, stage, None).await?.is_new;
        transaction.commit().await?;
        Ok(is_new)
    }

    /// Deletes blobs that nothing refers to, and what unfinished writes have left.
    ///
    /// # Errors
    /// When the database or the blobs do not answer.
    pub async fn collect_blobs(&self) -> Result<String> {
        let collected = collection::collect(&self.warehouse, BLOB_GRACE).await?;
        let swept = self.warehouse.blobs.sweep_unfinished().await?;
        let collection::Collected { blobs, bytes } = collected;
        Ok(format!("{blobs} blobs of {bytes} bytes, {swept} unfinished writes"))
    }

    /// Deletes finished jobs and the progress of cities, where they are old.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn prune(&self) -> Result<String> {
        let database = &self.warehouse.database;
        let before = |age: Duration| database.now() - i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let jobs = jobs::forget_finished(database, before(DAY * self.config.keep_jobs_days)).await?;
        let progress = cities::forget_progress(database, before(KEEP_PROGRESS)).await?;
        Ok(format!("{jobs} finished jobs, {progress} notes of progress"))
    }
}
