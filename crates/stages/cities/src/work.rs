//! The jobs of a city's stages, as the settings want them.

use sightscan_jobs::{Wish, enqueue as enqueue_job};
use sightscan_types::{CityId, CrawlCity, LabelCity, Stage, TrainCity};
use sightscan_warehouse::Transaction;
use sightscan_warehouse::cities::City;
use sightscan_warehouse::jobs::{Enqueued, Job};

use crate::error::Result;
use crate::{Cities, Config};

/// The stage that a job is part of; other jobs have other queues.
pub(crate) fn stage(job: &Job) -> Option<Stage> {
    job.queue.parse().ok()
}

impl Config {
    fn crawl(&self, city: CityId) -> CrawlCity {
        CrawlCity {
            city,
            max_sights: self.max_sights_per_city,
            max_images_per_sight: self.max_images_per_sight,
        }
    }

    fn train(&self, city: CityId) -> TrainCity {
        TrainCity { city, epochs: self.epochs, min_images_per_label: self.min_images_per_label }
    }

    /// How many paid calls may be made for a city in its lifetime; some cities have a number of their `own`.
    pub(crate) fn label_budget(&self, own: Option<i64>) -> u32 {
        own.map_or(self.max_label_calls_per_city, |own| u32::try_from(own).unwrap_or(0))
    }
}

impl Cities {
    /// Enqueues the job of a stage for a city, unless it has a live one.
    pub(crate) async fn enqueue(
        &self,
        transaction: &mut Transaction,
        city: &City,
        stage: Stage,
        request_id: Option<&str>,
    ) -> Result<Enqueued> {
        let (config, now) = (&self.config, self.warehouse.database.now());
        let wish = Wish { run_at: None, request_id };
        Ok(match stage {
            Stage::Crawl => enqueue_job(transaction, &config.crawl(city.id), wish, now).await?,
            Stage::Label => {
                let job = LabelCity { city: city.id, budget: config.label_budget(city.label_budget) };
                enqueue_job(transaction, &job, wish, now).await?
            }
            Stage::Train => enqueue_job(transaction, &config.train(city.id), wish, now).await?,
        })
    }
}
