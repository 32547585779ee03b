//! The crawl of a city as a job.

use std::sync::Arc;

use sightscan_jobs::{Completed, Handle, Job, JobError, Registry, Run};
use sightscan_types::CrawlCity;

use crate::crawler::{Crawler, Order, Tell};
use crate::error::Error;

/// Who crawls cities.
struct Handler {
    crawler: Arc<Crawler>,
    threads: usize,
}

impl Handle<CrawlCity> for Handler {
    async fn run(&self, job: CrawlCity, run: &Run) -> Result<Completed, JobError> {
        let order = Order {
            city: job.city,
            max_sights: job.max_sights,
            max_pictures: job.max_images_per_sight,
            threads: self.threads,
            skip: true,
            give_up: run.attempt() >= i64::from(CrawlCity::MAX_ATTEMPTS),
        };
        tokio::select! {
            report = self.crawler.crawl(order, tell(run)) => report.map_err(failed)?,
            () = run.cancelled() => return Err(JobError::Retry("cancelled".to_owned())),
        };
        run.done().await
    }
}

fn failed(error: Error) -> JobError {
    if error.is_transient() { JobError::Retry(error.to_string()) } else { JobError::Fatal(error.to_string()) }
}

/// Shows each change as the progress of the job.
fn tell(run: &Run) -> Tell {
    let run = run.clone();
    Arc::new(move |tally| {
        let counts = tally.counts();
        let total = tally.wanted().and_then(|wanted| i64::try_from(wanted).ok());
        run.progress(i64::try_from(counts.kept).unwrap_or(i64::MAX), total, Some(&counts.to_string()));
    })
}

/// Adds the jobs that this crate can do; a crawl works on so many sights at once.
pub fn register(registry: Registry, crawler: Arc<Crawler>, threads: usize) -> Registry {
    registry.register(Handler { crawler, threads })
}
