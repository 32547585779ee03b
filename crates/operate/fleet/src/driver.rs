//! Who starts and ends the workers of a pool.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::Result;
use crate::report::Activity;

/// What a worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[schema(as = WorkerState)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It was started and has not taken anything yet.
    Starting,
    /// It waits for work.
    Idle,
    /// It works.
    Busy,
    /// It was asked to end, and finishes what it has.
    Draining,
}

/// A worker.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = PoolMember)]
pub struct Member {
    /// Its name in the pool.
    pub id: String,
    /// What it does.
    pub state: State,
    /// Messages that it has brought to an end.
    pub ended: u64,
    /// How long a picture takes it, in milliseconds, where it has looked at one.
    pub service_ms: Option<f64>,
}

impl Member {
    /// The worker of this name, which does this.
    pub fn of(id: String, activity: Activity) -> Self {
        let Activity { state, ended, service_ms } = activity;
        Self { id, state, ended, service_ms }
    }
}

/// Starts and ends workers, and knows which there are: also those that an earlier controller has started.
#[async_trait]
pub trait Driver: Send + Sync + Debug {
    /// The workers that there are.
    ///
    /// # Errors
    /// When they cannot be asked for; then nobody knows, and nothing may be started.
    async fn members(&self) -> Result<Vec<Member>>;

    /// Starts so many workers.
    ///
    /// # Errors
    /// When one cannot be started; those before it are.
    async fn start(&self, count: usize) -> Result<()>;

    /// Asks workers to end once they have finished what they have.
    ///
    /// # Errors
    /// When one cannot be asked.
    async fn drain(&self, ids: &[String]) -> Result<()>;

    /// Workers that must end whatever they do, since they hang or are there for too long, by what was seen when their pool was last
    /// asked for its members.
    fn overdue(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether it costs something to ask for the workers, so that nobody does while there is nothing to do and nobody was there.
    fn is_asking_costly(&self) -> bool {
        false
    }

    /// Where nobody knows what a busy worker really does: it is idle when there has been no work for so long.
    fn unused_after(&self) -> Option<Duration> {
        None
    }
}

/// The mean time of a picture over all workers that have measured it.
pub(crate) fn service(members: &[Member]) -> Option<Duration> {
    let measured: Vec<f64> = members.iter().filter_map(|member| member.service_ms).collect();
    let mean = measured.iter().sum::<f64>() / measured.len() as f64;
    Duration::try_from_secs_f64(mean / 1e3).ok().filter(|_| !measured.is_empty())
}
