//! What the jobs of a city's stages bring about in its life.
//!
//! A live city stays live whatever they do: its detector works. A paused or rejected one stays so, too.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sightscan_jobs::{Event, Observer, StageJob};
use sightscan_types::{CityState, Stage};
use sightscan_warehouse::cities::{self, City, Step};
use sightscan_warehouse::{Database, Result, Transaction};

/// Keeps the life of cities in step with the jobs of their stages, in the transactions of the jobs.
#[derive(Debug, Clone)]
pub struct Life {
    database: Database,
}

impl Life {
    /// The life of the cities in this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    async fn follow(&self, transaction: &mut Transaction, job: &StageJob, event: Event<'_>) -> Result<()> {
        let city = cities::lock(transaction, job.city).await?;
        let mut life = Following { transaction, city, job, now: self.database.now() };
        match event {
            Event::Started => life.go(during).await,
            Event::Progress(progress) => {
                let (city, stage) = (life.city.id, job.stage);
                cities::note_progress(life.transaction, city, stage, &job.worker, progress, life.now).await
            }
            Event::Succeeded => life.go(after).await,
            Event::Failed { reason, .. } => {
                life.remark(format!("{} failed and is tried again: {reason}", job.stage)).await
            }
            Event::Dead { reason } => life.fail(reason).await,
            Event::Cancelled => {
                cancelled(life.transaction, &life.city, job.stage, &job.worker, life.now).await
            }
        }
    }
}

impl Observer for Life {
    fn observe<'a>(
        &'a self,
        transaction: &'a mut Transaction,
        job: &'a StageJob,
        event: Event<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        self.follow(transaction, job, event).boxed()
    }
}

/// A city that something happens to.
struct Following<'a> {
    transaction: &'a mut Transaction,
    city: City,
    job: &'a StageJob,
    now: i64,
}

impl Following<'_> {
    /// Takes the step that the stage brings, if it brings one in the city's state.
    async fn go(&mut self, next: fn(Stage, CityState) -> Option<CityState>) -> Result<()> {
        match next(self.job.stage, self.city.state) {
            Some(next) => self.step(&Step::To(next)).await.map(drop),
            None => Ok(()),
        }
    }

    async fn fail(&mut self, reason: &str) -> Result<()> {
        let stage = self.job.stage;
        if depends(self.city.state, stage) && self.step(&Step::Fail(stage, reason.to_owned())).await? {
            return Ok(());
        }
        self.remark(format!("{stage} failed for good: {reason}")).await
    }

    /// Whether the step was allowed. The city is locked and the step was chosen for its state.
    async fn step(&mut self, step: &Step) -> Result<bool> {
        let taken =
            cities::step(self.transaction, self.city.id, step, &self.job.worker, None, self.now).await?;
        Ok(taken.is_ok())
    }

    async fn remark(&mut self, message: String) -> Result<()> {
        cities::remark(self.transaction, self.city.id, &self.job.worker, &message, self.now).await
    }
}

/// What the begin of a stage brings.
fn during(stage: Stage, state: CityState) -> Option<CityState> {
    match (stage, state) {
        (Stage::Crawl, CityState::Approved) => Some(CityState::Crawling),
        (Stage::Train, CityState::Labelling) => Some(CityState::Training),
        _ => None,
    }
}

/// What the end of a stage brings.
fn after(stage: Stage, state: CityState) -> Option<CityState> {
    match (stage, state) {
        (Stage::Crawl, CityState::Approved | CityState::Crawling) => Some(CityState::Labelling),
        (Stage::Train, CityState::Labelling | CityState::Training) => Some(CityState::Live),
        // Labelling ends when the planner finds enough to train on.
        _ => None,
    }
}

/// Whether a city in this state gets on by this stage, so that it stops where that stops.
fn depends(state: CityState, stage: Stage) -> bool {
    match stage {
        Stage::Crawl => matches!(state, CityState::Approved | CityState::Crawling),
        Stage::Label => matches!(state, CityState::Crawling | CityState::Labelling),
        Stage::Train => matches!(state, CityState::Labelling | CityState::Training),
    }
}

/// Pauses a city that waits for the job of this stage, which was cancelled; it can be resumed.
pub(super) async fn cancelled(
    transaction: &mut Transaction,
    city: &City,
    stage: Stage,
    actor: &str,
    now: i64,
) -> Result<()> {
    let reason = format!("its {stage} job was cancelled");
    let paused = depends(city.state, stage)
        && cities::step(transaction, city.id, &Step::Pause(reason.clone()), actor, None, now).await?.is_ok();
    if paused { Ok(()) } else { cities::remark(transaction, city.id, actor, &reason, now).await }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_of_a_stage_is_allowed_and_none_leads_away_from_live() {
        for &stage in Stage::ALL {
            for &state in CityState::ALL {
                for next in [during(stage, state), after(stage, state)].into_iter().flatten() {
                    assert!(state.may_become(next), "{stage}: {state} to {next}");
                }
            }
            for state in [CityState::Live, CityState::Paused, CityState::Rejected, CityState::Requested] {
                let steps = (during(stage, state), after(stage, state), depends(state, stage));
                assert_eq!(steps, (None, None, false), "{stage}: {state}");
            }
        }
    }
}
