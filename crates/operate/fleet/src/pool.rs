//! One pool: what is seen of it, and what is done about it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use sightscan_queue::Depth;
use tracing::{info, warn};
use utoipa::ToSchema;

use crate::backlog::Backlog;
use crate::config::PoolConfig;
use crate::driver::{Driver, Member, State, service};
use crate::error::Result;
use crate::policy::{History, Policy, Sample};

/// A pool that is looked after.
#[derive(Debug)]
pub struct Pool {
    config: PoolConfig,
    backlog: Box<dyn Backlog>,
    driver: Arc<dyn Driver>,
    policy: Policy,
    history: History,
    begun: Instant,
    /// How long a picture took when it was last measured: workers take their measurements with them.
    service: Option<Duration>,
    /// Whether somebody may be there: true until nobody was seen.
    is_watched: bool,
    /// When there was last something to do.
    worked_at: Option<Instant>,
}

/// How a pool is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PoolStatus {
    /// Its name.
    pub name: String,
    /// Its queue.
    pub queue: String,
    /// Workers that there may be.
    pub max: usize,
    /// Messages that wait.
    pub waiting: u64,
    /// Messages that workers have.
    pub in_flight: u64,
    /// Messages that were given up.
    pub dead: u64,
    /// Messages that were ever sent, where the queue counts them.
    pub accepted: Option<u64>,
    /// The workers.
    pub workers: Vec<Member>,
    /// Why it cannot be looked after, or not be looked at; then the numbers may be those of what was reached.
    pub failure: Option<String>,
}

impl PoolStatus {
    /// Workers in this state.
    pub fn count(&self, state: State) -> usize {
        self.workers.iter().filter(|member| member.state == state).count()
    }
}

impl Pool {
    /// A pool that nobody has looked at yet.
    pub fn new(config: PoolConfig, backlog: impl Backlog + 'static, driver: Arc<dyn Driver>) -> Self {
        let (policy, begun) = (config.policy(), Instant::now());
        Self {
            config,
            backlog: Box::new(backlog),
            driver,
            policy,
            history: History::default(),
            begun,
            service: None,
            is_watched: true,
            worked_at: None,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// How it is. What cannot be asked for is told in it, so that one that fails hides nothing of the others.
    pub async fn status(&self) -> PoolStatus {
        let (depth, workers) = tokio::join!(self.backlog.depth(), self.driver.members());
        let failure = depth.as_ref().err().or(workers.as_ref().err()).map(ToString::to_string);
        let status = self.described(depth.unwrap_or_default(), workers.unwrap_or_default());
        PoolStatus { failure, ..status }
    }

    fn described(&self, depth: Depth, mut workers: Vec<Member>) -> PoolStatus {
        let is_unused = self.is_unused(&depth);
        for worker in workers.iter_mut().filter(|worker| is_unused && worker.state == State::Busy) {
            worker.state = State::Idle;
        }
        let Depth { accepted, waiting, in_flight, dead } = depth;
        let (name, queue, max) = (self.config.name.clone(), self.config.queue.clone(), self.config.most());
        PoolStatus { name, queue, max, waiting, in_flight, dead, accepted, workers, failure: None }
    }

    /// Whether there has been no work for so long that nobody can be busy whose driver does not know.
    fn is_unused(&self, depth: &Depth) -> bool {
        let (after, worked_at) = (self.driver.unused_after(), self.worked_at);
        is_empty(depth) && after.zip(worked_at).is_some_and(|(after, at)| at.elapsed() >= after)
    }

    /// Forgets who was there: somebody else looks after the pool meanwhile.
    pub(crate) fn rest(&mut self) {
        self.is_watched = true;
        self.worked_at = None;
        self.history = History::default();
    }

    /// Looks, and starts or ends workers.
    ///
    /// # Errors
    /// When the queue or the driver fails; then the workers that are there go on.
    pub async fn turn(&mut self) -> Result<PoolStatus> {
        let depth = self.backlog.depth().await;
        let workers = self.members(depth.as_ref().ok()).await?;
        // Also where nobody knows what waits.
        self.end_overdue().await?;
        let status = self.described(depth?, workers);
        let leaving = status.count(State::Draining);
        let current = status.workers.len() - leaving;
        self.service = service(&status.workers).or(self.service);
        let sample = Sample {
            at: self.begun.elapsed(),
            waiting: status.waiting,
            in_flight: status.in_flight,
            workers: current,
            service: self.service,
        };
        let desired = self.policy.desired(&mut self.history, &sample);
        if desired > current {
            // Those that finish what they have count until they are gone.
            let room = status.max.saturating_sub(status.workers.len());
            self.grow((desired - current).min(room), &status).await?;
        } else if desired < current {
            self.shrink(current - desired, &status).await?;
        }
        Ok(status)
    }

    /// The workers, as far as somebody must ask for them.
    async fn members(&mut self, depth: Option<&Depth>) -> Result<Vec<Member>> {
        let is_without_work = depth.is_some_and(is_empty);
        if self.worked_at.is_none() || (depth.is_some() && !is_without_work) {
            self.worked_at = Some(Instant::now());
        }
        let is_at_rest = is_without_work && self.config.min == 0 && !self.is_watched;
        let workers = if is_at_rest && self.driver.is_asking_costly() {
            Vec::new()
        } else {
            self.driver.members().await?
        };
        self.is_watched = !workers.is_empty();
        Ok(workers)
    }

    async fn end_overdue(&self) -> Result<()> {
        let ids = self.driver.overdue();
        if ids.is_empty() {
            return Ok(());
        }
        warn!(
            pool = self.config.name,
            workers = ids.join(","),
            "past their time or silent: ended whatever they do"
        );
        self.driver.drain(&ids).await
    }

    async fn grow(&mut self, count: usize, status: &PoolStatus) -> Result<()> {
        if count > 0 {
            info!(
                pool = self.config.name,
                count,
                waiting = status.waiting,
                workers = status.workers.len(),
                "more workers"
            );
            // Also where it fails: some may have been started.
            self.is_watched = true;
            self.driver.start(count).await?;
        }
        Ok(())
    }

    /// Asks those to end that have nothing to do. Whoever works is not ended: it will be idle soon.
    async fn shrink(&self, count: usize, status: &PoolStatus) -> Result<()> {
        let idle = status.workers.iter().filter(|member| member.state == State::Idle);
        let ids: Vec<String> = idle.take(count).map(|member| member.id.clone()).collect();
        if !ids.is_empty() {
            info!(
                pool = self.config.name,
                count = ids.len(),
                workers = status.workers.len(),
                "fewer workers"
            );
            self.driver.drain(&ids).await?;
        }
        Ok(())
    }
}

fn is_empty(depth: &Depth) -> bool {
    depth.waiting + depth.in_flight == 0
}
