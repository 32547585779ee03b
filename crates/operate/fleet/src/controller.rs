//! Looks after all pools.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::pool::Pool;

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
    /// What was noted of each pool, by name.
    noted: HashMap<String, Option<String>>,
}

impl Controller {
    /// A controller that has not begun.
    pub fn new(pools: Vec<Pool>, interval: Duration) -> Self {
        Self { pools, interval, noted: HashMap::new() }
    }

    /// Looks after the pools until `stop`, whenever the leader says so.
    pub async fn run(mut self, leader: &dyn Leader, stop: CancellationToken) {
        let names: Vec<&str> = self.pools.iter().map(Pool::name).collect();
        info!(pools = names.join(","), "pools are looked after");
        while !stop.is_cancelled() {
            if leader.leads().await {
                self.turn_as(leader).await;
            } else {
                self.pools.iter_mut().for_each(Pool::rest);
                self.noted.clear();
            }
            stop.run_until_cancelled(tokio::time::sleep(self.interval)).await;
        }
    }

    /// One look at each pool, however long a cloud takes: meanwhile this one goes on leading, so that no other one acts.
    async fn turn_as(&mut self, leader: &dyn Leader) {
        let interval = self.interval;
        let leading = async {
            loop {
                tokio::time::sleep(interval).await;
                leader.leads().await;
            }
        };
        tokio::select! {
            () = self.turn(leader) => {}
            () = leading => {}
        }
    }

    /// One look at each pool. A pool that fails keeps what it has, says so, and holds up no other.
    async fn turn(&mut self, leader: &dyn Leader) {
        let turns = self.pools.iter_mut().map(async |pool| {
            let failure = pool.turn().await.err().map(|error| error.to_string());
            (pool.name().to_owned(), failure)
        });
        for (pool, failure) in join_all(turns).await {
            if let Some(error) = &failure {
                error!(pool, %error, "the pool goes on with the workers that it has");
            }
            if self.noted.get(&pool) != Some(&failure) {
                leader.note(&pool, failure.as_deref()).await;
                self.noted.insert(pool, failure);
            }
        }
    }
}
