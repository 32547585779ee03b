//! The life of a city: what an admin decides, and what the jobs of its stages bring about.
//!
//! Each step, its event in the history and the job that it asks for are one transaction.

use sightscan_types::{CityId, CityState, Stage};
use sightscan_warehouse::cities::{self, City, Step};
use sightscan_warehouse::jobs::{self, Cancelled, Job, Retried};
use sightscan_warehouse::{Transaction, planning};

use crate::Cities;
use crate::error::{Error, Result, retried};
use crate::work::stage;

pub use stages::Life;

mod stages;

/// What an admin can decide about a city.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It will be crawled, however few have asked for it.
    Approve,
    /// It is not wanted, for this reason; its jobs are cancelled.
    Reject(String),
    /// Nothing is done for it until it is resumed; its jobs are cancelled.
    Pause(String),
    /// A paused city goes on where it was.
    Resume,
    /// A failed city goes on with the stage that failed.
    Retry,
}

/// Who decides, and why.
#[derive(Debug, Clone, Copy)]
pub struct Decision<'a> {
    /// Who.
    pub actor: &'a str,
    /// Why, for the history.
    pub why: Option<&'a str>,
    /// The HTTP request that it came with.
    pub request_id: Option<&'a str>,
}

impl Action {
    /// Its verb, as in the route.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject(_) => "reject",
            Self::Pause(_) => "pause",
            Self::Resume => "resume",
            Self::Retry => "retry",
        }
    }

    /// Whether it means something in this state; the step itself is checked by the warehouse.
    fn fits(&self, state: CityState) -> bool {
        match self {
            Self::Approve => matches!(state, CityState::Requested | CityState::Rejected),
            Self::Resume => state == CityState::Paused,
            Self::Retry => state == CityState::Failed,
            Self::Reject(_) | Self::Pause(_) => true,
        }
    }

    fn step(&self) -> Step {
        match self {
            Self::Approve => Step::To(CityState::Approved),
            Self::Reject(reason) => Step::Reject(reason.clone()),
            Self::Pause(reason) => Step::Pause(reason.clone()),
            Self::Resume | Self::Retry => Step::Resume,
        }
    }

    fn ends_work(&self) -> bool {
        matches!(self, Self::Reject(_) | Self::Pause(_))
    }
}

/// The stage whose job a city needs that goes on in this state; labelling and training of other cities are planned.
fn stage_of(state: CityState) -> Option<Stage> {
    match state {
        CityState::Approved | CityState::Crawling => Some(Stage::Crawl),
        CityState::Labelling => Some(Stage::Label),
        CityState::Training => Some(Stage::Train),
        CityState::Requested
        | CityState::Live
        | CityState::Failed
        | CityState::Paused
        | CityState::Rejected => None,
    }
}

impl Cities {
    /// Does what an admin has decided.
    ///
    /// # Errors
    /// When the city is in a state in which that means nothing, or the database does not answer.
    pub async fn decide(&self, city: CityId, action: &Action, decision: Decision<'_>) -> Result<City> {
        retried(|| self.try_to_decide(city, action, decision)).await
    }

    async fn try_to_decide(&self, city: CityId, action: &Action, decision: Decision<'_>) -> Result<City> {
        let mut transaction = self.warehouse.database.begin().await?;
        let before = cities::lock(&mut transaction, city).await?;
        if !action.fits(before.state) {
            return Err(Error::NotNow { city: before.name, state: before.state, verb: action.verb() });
        }
        let after = self.take(&mut transaction, &before, action, decision).await?;
        // After a failure the stage that failed, otherwise that of the state which the city is in again.
        let stage = before.failed_stage.or_else(|| stage_of(after.state));
        if action.ends_work() {
            self.cancel_work(&mut transaction, city, action.verb()).await?;
        } else if let Some(stage) = stage {
            self.enqueue(&mut transaction, &after, stage, decision.request_id).await?;
        }
        transaction.commit().await?;
        Ok(after)
    }

    /// Approves a city and enqueues its crawl.
    pub(crate) async fn approve(
        &self,
        transaction: &mut Transaction,
        city: &City,
        decision: &Decision<'_>,
    ) -> Result<City> {
        let approved = self.take(transaction, city, &Action::Approve, *decision).await?;
        self.enqueue(transaction, &approved, Stage::Crawl, decision.request_id).await?;
        Ok(approved)
    }

    /// Takes the step of an action.
    async fn take(
        &self,
        transaction: &mut Transaction,
        city: &City,
        action: &Action,
        decision: Decision<'_>,
    ) -> Result<City> {
        let now = self.warehouse.database.now();
        let taken =
            cities::step(transaction, city.id, &action.step(), decision.actor, decision.why, now).await?;
        if taken.is_ok() && *action == Action::Approve {
            self.metrics.approvals.increment(1);
        }
        taken.map_err(|refused| Error::NotNow {
            city: city.name.clone(),
            state: refused.state,
            verb: action.verb(),
        })
    }

    async fn cancel_work(&self, transaction: &mut Transaction, city: CityId, verb: &str) -> Result<()> {
        let (now, reason) = (self.warehouse.database.now(), format!("an admin decided to {verb} the city"));
        for job in planning::live_jobs(transaction, city).await? {
            jobs::cancel(transaction, job, &reason, now).await?;
        }
        Ok(())
    }

    /// Cancels a job: one that waits at once, one that runs when its worker hears of it. A city that waits for the job
    /// is paused then.
    ///
    /// # Errors
    /// When the job is finished, or the database does not answer.
    pub async fn cancel_job(&self, job: &Job, actor: &str, why: Option<&str>) -> Result<()> {
        retried(|| self.try_to_cancel(job, actor, why)).await
    }

    async fn try_to_cancel(&self, job: &Job, actor: &str, why: Option<&str>) -> Result<()> {
        let database = &self.warehouse.database;
        let mut transaction = database.begin().await?;
        let city = lock(&mut transaction, job).await?;
        let reason = why.map_or_else(|| format!("cancelled by {actor}"), str::to_owned);
        match (jobs::cancel(&mut transaction, job.id, &reason, database.now()).await?, city, stage(job)) {
            (Cancelled::NotLive, ..) => return Err(job_not_now(job, "cancel")),
            // Its worker tells the city.
            (Cancelled::Requested, ..) => {}
            (Cancelled::AtOnce, Some(city), Some(stage)) => {
                stages::cancelled(&mut transaction, &city, stage, actor, database.now()).await?;
            }
            (Cancelled::AtOnce, ..) => {}
        }
        Ok(transaction.commit().await?)
    }

    /// Enqueues a dead or cancelled job again; the city that had stopped with it goes on.
    ///
    /// # Errors
    /// When the job has not failed or another one does its work, or the database does not answer.
    pub async fn retry_job(&self, job: &Job, actor: &str) -> Result<()> {
        retried(|| self.try_to_retry(job, actor)).await
    }

    async fn try_to_retry(&self, job: &Job, actor: &str) -> Result<()> {
        let now = self.warehouse.database.now();
        let mut transaction = self.warehouse.database.begin().await?;
        let city = lock(&mut transaction, job).await?;
        match jobs::retry(&mut transaction, job.id, now).await? {
            Retried::Again => {}
            Retried::SameIsLive(other) => return Err(Error::SameIsLive { job: job.id, other }),
            Retried::NotFailed => return Err(job_not_now(job, "retry")),
        }
        if let Some(city) = city.filter(|city| has_stopped_with(city, stage(job))) {
            let why = format!("its job {} was enqueued again", job.id);
            // Somebody else was faster where this is refused; the city goes on all the same.
            let _ = cities::step(&mut transaction, city.id, &Step::Resume, actor, Some(&why), now).await?;
        }
        Ok(transaction.commit().await?)
    }
}

/// Locks the city of a job, before the job is: in this order everybody locks.
async fn lock(transaction: &mut Transaction, job: &Job) -> Result<Option<City>> {
    match job.city {
        Some(city) => Ok(Some(cities::lock(transaction, city).await?)),
        None => Ok(None),
    }
}

/// Whether a city waits for this stage and for nothing else.
fn has_stopped_with(city: &City, stage: Option<Stage>) -> bool {
    let waits_for = match city.state {
        CityState::Failed => city.failed_stage,
        CityState::Paused => city.resumes.and_then(stage_of),
        _ => None,
    };
    stage.is_some() && waits_for == stage
}

fn job_not_now(job: &Job, verb: &'static str) -> Error {
    Error::JobNotNow { job: job.id, state: job.state, verb }
}
