//! The jobs of a city's stages.

use sightscan_types::{CrawlCity, LabelCity, Stage, TrainCity};
use sightscan_warehouse::Transaction;
use sightscan_warehouse::cities::City;
use sightscan_warehouse::jobs::Enqueued;

use crate::Config;
use crate::error::Result;

/// Enqueues the job of a stage for a city, unless it has one.
pub(crate) async fn enqueue(
    transaction: &mut Transaction,
    config: &Config,
    city: &City,
    stage: Stage,
    request_id: Option<&str>,
) -> Result<Enqueued> {
    todo!()
}
