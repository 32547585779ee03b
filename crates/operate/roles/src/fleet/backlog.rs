//! Jobs as what waits for the workers of a pool.

use async_trait::async_trait;
use sightscan_fleet::{Backlog, Result};
use sightscan_queue::{Depth, Error};
use sightscan_warehouse::{Database, jobs};

/// The jobs of one queue of the database.
#[derive(Debug)]
pub(super) struct Jobs {
    database: Database,
    queue: String,
}

impl Jobs {
    pub(super) fn new(database: &Database, queue: &str) -> Self {
        Self { database: database.clone(), queue: queue.to_owned() }
    }

    fn failed(&self, error: sightscan_warehouse::Error) -> Error {
        Error::backend("count the jobs of", &self.queue, error)
    }
}

#[async_trait]
impl Backlog for Jobs {
    /// A job that failed and is to be tried later does not wait: nobody is started before its time has come.
    async fn depth(&self) -> Result<Depth> {
        let depth = jobs::depth(&self.database, &self.queue).await.map_err(|error| self.failed(error))?;
        let dead = jobs::dead(&self.database, &self.queue).await.map_err(|error| self.failed(error))?;
        let number = |count: i64| u64::try_from(count).unwrap_or(0);
        let (waiting, in_flight) = (number(depth.waiting_due), number(depth.running));
        Ok(Depth { accepted: None, waiting, in_flight, dead: number(dead) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sightscan_warehouse::Address;
    use sightscan_warehouse::jobs::NewJob;

    #[tokio::test]
    async fn w_c18_a_job_that_is_tried_later_waits_for_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::from_variables(|_| None, folder.path()).unwrap();
        let database = Database::open(&address).await.unwrap();
        let backlog = Jobs::new(&database, "train");
        assert_eq!(backlog.depth().await.unwrap(), Depth::default());
        let job = NewJob {
            name: "train-city",
            queue: "train",
            priority: 0,
            deduplication_key: None,
            city: None,
            payload: "{}",
            run_at: 0,
            max_attempts: 2,
            request_id: None,
        };
        let mut transaction = database.begin().await.unwrap();
        jobs::enqueue(&mut transaction, &job, 0).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(backlog.depth().await.unwrap(), Depth { waiting: 1, ..Depth::default() });
        let claim = jobs::claim(&database, &["train-city"], "w", 60_000).await.unwrap().unwrap();
        assert_eq!(backlog.depth().await.unwrap(), Depth { in_flight: 1, ..Depth::default() });
        // It fails, and is to be tried again in an hour.
        let later = database.now() + 3_600_000;
        let mut transaction = database.begin().await.unwrap();
        assert!(jobs::retry_later(&mut transaction, &claim.lease, "no", later).await.unwrap());
        transaction.commit().await.unwrap();
        assert_eq!(backlog.depth().await.unwrap(), Depth::default());
        // Others are none of its business.
        assert_eq!(Jobs::new(&database, "crawl").depth().await.unwrap(), Depth::default());
    }
}
