//! Looks after all pools.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::pool::Pool;

/// So long it is waited for whoever knows who leads.
const PATIENCE: Duration = Duration::from_secs(4);

/// What several controllers share: which of them acts, and what it has to tell.
#[async_trait]
pub trait Leader: Send + Sync {
    /// Whether this one does, now and for a while.
    async fn leads(&self) -> bool;

    /// Keeps why a pool fails, or that it does not any more, where others can read it.
    async fn note(&self, _pool: &str, _failure: Option<&str>) {}
}

/// Looks after pools every so often, while it leads.
#[derive(Debug)]
pub struct Controller {
    pools: Vec<Pool>,
    interval: Duration,
}

impl Controller {
    /// A controller that has not begun.
    pub fn new(pools: Vec<Pool>, interval: Duration) -> Self {
        Self { pools, interval }
    }

    /// Looks after the pools until `stop`, whenever the leader says so. Each has its own pace: one whose cloud takes long to answer
    /// holds up neither the others nor the leadership.
    pub async fn run(self, leader: &dyn Leader, stop: CancellationToken) {
        let names: Vec<&str> = self.pools.iter().map(Pool::name).collect();
        info!(pools = names.join(","), "pools are looked after");
        let leads = AtomicBool::new(asked(leader, self.interval).await);
        let turns = Turns { leader, leads: &leads, interval: self.interval, stop: &stop };
        let looking = join_all(self.pools.into_iter().map(|pool| turns.look_after(pool)));
        // Until the last turn is over: nobody else may begin before.
        tokio::select! {
            _ = looking => {}
            () = turns.keep_leading() => {}
        }
    }
}

/// What the turns of all pools have in common.
struct Turns<'a> {
    leader: &'a dyn Leader,
    leads: &'a AtomicBool,
    interval: Duration,
    stop: &'a CancellationToken,
}

impl Turns<'_> {
    async fn keep_leading(&self) {
        loop {
            tokio::time::sleep(self.interval).await;
            self.leads.store(asked(self.leader, self.interval).await, Ordering::SeqCst);
        }
    }

    async fn look_after(&self, mut pool: Pool) {
        let mut noted = None;
        loop {
            if self.leads.load(Ordering::SeqCst) {
                self.turn(&mut pool, &mut noted).await;
            } else {
                pool.rest();
                noted = None;
            }
            if !self.pause().await {
                return;
            }
        }
    }

    /// One look. A pool that fails keeps what it has, and says so; it is noted whenever that changes.
    async fn turn(&self, pool: &mut Pool, noted: &mut Option<Option<String>>) {
        let failure = pool.turn().await.err().map(|error| error.to_string());
        if let Some(error) = &failure {
            error!(pool = pool.name(), %error, "the pool goes on with the workers that it has");
        }
        if noted.as_ref() != Some(&failure) {
            self.leader.note(pool.name(), failure.as_deref()).await;
            *noted = Some(failure);
        }
    }

    /// Whether it goes on after a while.
    async fn pause(&self) -> bool {
        self.stop.run_until_cancelled(tokio::time::sleep(self.interval)).await.is_some()
    }
}

/// Whether this one leads; where nobody knows for long it does not.
async fn asked(leader: &dyn Leader, interval: Duration) -> bool {
    tokio::time::timeout(PATIENCE.max(interval), leader.leads()).await.unwrap_or(false)
}
