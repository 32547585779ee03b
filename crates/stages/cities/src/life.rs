//! The life of a city: what an admin decides, and what the jobs of its stages bring about.
//!
//! Each step, its event in the history and the job that it asks for are one transaction.

use sightscan_types::{CityId, CityState, Stage};
use sightscan_warehouse::cities::{self, City, Progress, Step};
use sightscan_warehouse::{Transaction, jobs};

use crate::Cities;
use crate::error::{Error, Result, retried};
use crate::work::enqueue;

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
            enqueue(&mut transaction, &self.config, &after, stage, decision.request_id).await?;
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
        enqueue(transaction, &self.config, &approved, Stage::Crawl, decision.request_id).await?;
        Ok(approved)
    }

    async fn take(
        &self,
        transaction: &mut Transaction,
        city: &City,
        action: &Action,
        decision: Decision<'_>,
    ) -> Result<City> {
        let now = self.warehouse.database.now();
        cities::step(transaction, city.id, &action.step(), decision.actor, decision.why, now)
            .await?
            .map_err(|refused| Error::NotNow {
                city: city.name.clone(),
                state: refused.state,
                verb: action.verb(),
            })
    }
}
