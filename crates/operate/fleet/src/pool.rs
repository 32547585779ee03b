//! One pool: what is seen of it, and what is done about it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use sightscan_queue::{Depth, Queue};
use tracing::info;

use crate::config::PoolConfig;
use crate::driver::{Driver, Member, State, service};
use crate::error::Result;
use crate::policy::{History, Policy, Sample};

/// A pool that is looked after.
#[derive(Debug)]
pub struct Pool {
    config: PoolConfig,
    queue: Arc<dyn Queue>,
    driver: Arc<dyn Driver>,
    policy: Policy,
    history: History,
    begun: Instant,
    /// How long a picture took when it was last measured: workers take their measurements with them.
    service: Option<Duration>,
}

/// How a pool is.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
}

impl PoolStatus {
    /// Workers in this state.
    pub fn count(&self, state: State) -> usize {
        self.workers.iter().filter(|member| member.state == state).count()
    }
}

impl Pool {
    /// A pool that nobody has looked at yet.
    pub fn new(config: PoolConfig, queue: Arc<dyn Queue>, driver: Arc<dyn Driver>) -> Self {
        let (policy, begun) = (config.policy(), Instant::now());
        Self { config, queue, driver, policy, history: History::default(), begun, service: None }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// How it is.
    ///
    /// # Errors
    /// When the queue or the workers cannot be asked.
    pub async fn status(&self) -> Result<PoolStatus> {
        let (depth, workers) = (self.queue.depth().await?, self.driver.members().await?);
        Ok(self.described(depth, workers))
    }

    fn described(&self, depth: Depth, workers: Vec<Member>) -> PoolStatus {
        let Depth { accepted, waiting, in_flight, dead } = depth;
        let (name, queue, max) = (self.config.name.clone(), self.config.queue.clone(), self.config.max);
        PoolStatus { name, queue, max, waiting, in_flight, dead, accepted, workers }
    }

    /// Looks, and starts or ends workers.
    ///
    /// # Errors
    /// When the queue or the driver fails; then the workers that are there go on.
    pub async fn turn(&mut self) -> Result<PoolStatus> {
        let status = self.status().await?;
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
            let room = self.config.max.saturating_sub(status.workers.len());
            self.grow((desired - current).min(room), &status).await?;
        } else if desired < current {
            self.shrink(current - desired, &status).await?;
        }
        Ok(status)
    }

    async fn grow(&self, count: usize, status: &PoolStatus) -> Result<()> {
        if count > 0 {
            info!(
                pool = self.config.name,
                count,
                waiting = status.waiting,
                workers = status.workers.len(),
                "more workers"
            );
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
