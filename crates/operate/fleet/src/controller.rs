//! Looks after all pools.

use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::pool::Pool;

/// Says which of several controllers acts.
#[async_trait]
pub trait Leader: Send + Sync {
    /// Whether this one does, now and for a while.
    async fn leads(&self) -> bool;
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

    /// Looks after the pools until `stop`, whenever the leader says so.
    pub async fn run(mut self, leader: &dyn Leader, stop: CancellationToken) {
        let names: Vec<&str> = self.pools.iter().map(Pool::name).collect();
        info!(pools = names.join(","), "pools are looked after");
        while !stop.is_cancelled() {
            if leader.leads().await {
                self.turn().await;
            }
            stop.run_until_cancelled(tokio::time::sleep(self.interval)).await;
        }
    }

    /// One look at each pool. A pool that fails keeps what it has, says so, and holds up no other.
    async fn turn(&mut self) {
        for pool in &mut self.pools {
            if let Err(error) = pool.turn().await {
                error!(pool = pool.name(), %error, "the pool goes on with the workers that it has");
            }
        }
    }
}
