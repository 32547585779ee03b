//! Doing jobs: who does which, and what is counted of it.

use std::sync::Arc;
use std::time::Duration;

use sightscan_cities::{Cities, Life};
use sightscan_crawl::Google;
use sightscan_crawl::fetch::Fetcher;
use sightscan_jobs::{Observer, Registry, Runner, RunnerConfig, Summary};
use sightscan_label::ConfigError as LabelConfigError;
use sightscan_types::{Stage, Watcher};
use sightscan_warehouse::Warehouse;
use tracing::warn;

use crate::error::{Error, Result};
use crate::fleet::Reporting;
use crate::setup::Setup;
use crate::vitals::Parts;
use crate::{Stop, WorkerOptions, crawl, label, train, webhook};

/// What takes jobs and does them.
pub(crate) struct Work {
    runner: Runner,
    /// Who fetches for crawls, where they are done here.
    fetcher: Option<Fetcher>,
}

impl Work {
    /// Work by these settings; it has not begun.
    pub(crate) fn new(
        setup: &Setup,
        warehouse: &Warehouse,
        cities: &Arc<Cities>,
        options: &WorkerOptions,
    ) -> Result<Self> {
        let registry = sightscan_cities::upkeep::register(Registry::new(), cities);
        let registry = webhook::register(registry, setup, &options.queues)?;
        let (registry, fetcher) = with_crawl(registry, setup, warehouse, &options.queues)?;
        let registry = with_label(registry, setup, warehouse, &options.queues)?;
        let registry = with_train(registry, setup, warehouse, &options.queues);
        tell_what_waits(&registry, &options.queues);
        let observer: Arc<dyn Observer> = Arc::new(Life::new(warehouse.database.clone()));
        let config = runner_config(setup, options);
        let runner = Runner::new(warehouse.database.clone(), registry, config, Some(observer))
            .map_err(|error| Error::Metrics(error.to_string()))?;
        Ok(Self { runner, fetcher })
    }

    /// Adds what is counted.
    pub(crate) fn part(&self, parts: Parts) -> Parts {
        let counted = self.runner.metrics();
        let parts = parts.with(Vec::new, move || counted.render());
        match self.fetcher.clone() {
            Some(fetcher) => parts.with(Vec::new, move || fetcher.metrics()),
            None => parts,
        }
    }

    /// Does jobs until `stop`.
    pub(crate) async fn run(self, stop: Stop) -> Summary {
        self.runner.run(stop).await
    }
}

fn runner_config(setup: &Setup, options: &WorkerOptions) -> RunnerConfig {
    let worker = &setup.config.worker;
    RunnerConfig {
        queues: options.queues.clone(),
        concurrency: worker.concurrency,
        long_queues: vec![Stage::Train.as_str().to_owned()],
        lease: Duration::from_secs(worker.lease_seconds),
        heartbeat: Duration::from_secs(worker.lease_seconds) / 3,
        grace: Duration::from_secs(worker.grace_seconds),
        exit_when_idle: options.exit_when_idle,
        watcher: options.report.as_deref().map(|path| Arc::new(Reporting::ready(path)) as Arc<dyn Watcher>),
        ..RunnerConfig::default()
    }
}

fn is_wanted(queues: &[String], stage: Stage) -> bool {
    queues.iter().any(|queue| queue == stage.as_str())
}

/// Adds who crawls, where that is wanted; gives who fetches.
fn with_crawl(
    registry: Registry,
    setup: &Setup,
    warehouse: &Warehouse,
    queues: &[String],
) -> Result<(Registry, Option<Fetcher>)> {
    if !is_wanted(queues, Stage::Crawl) {
        return Ok((registry, None));
    }
    let crawler = crawl::crawler(setup, warehouse, Google::default())?;
    let (fetcher, threads) = (crawler.fetcher.clone(), setup.config.crawl.threads);
    Ok((sightscan_crawl::jobs::register(registry, Arc::new(crawler), threads), Some(fetcher)))
}

/// Adds who labels, where that is wanted and somebody can.
fn with_label(
    registry: Registry,
    setup: &Setup,
    warehouse: &Warehouse,
    queues: &[String],
) -> Result<Registry> {
    if !is_wanted(queues, Stage::Label) {
        return Ok(registry);
    }
    match label::labelling(setup, warehouse) {
        Ok(labelling) => Ok(sightscan_label::jobs::register(registry, Arc::new(labelling))),
        // Others may have the credentials.
        Err(Error::LabelConfig(error @ LabelConfigError::NoCredentials(_))) => {
            warn!("nothing is labelled here: {error}");
            Ok(registry)
        }
        Err(error) => Err(error),
    }
}

/// Adds who trains, where that is wanted.
fn with_train(registry: Registry, setup: &Setup, warehouse: &Warehouse, queues: &[String]) -> Registry {
    if !is_wanted(queues, Stage::Train) {
        return registry;
    }
    sightscan_train::jobs::register(registry, Arc::new(train::training(setup, warehouse)))
}

/// Says which of the queues this program has nobody for: their jobs wait for one that has.
fn tell_what_waits(registry: &Registry, queues: &[String]) {
    let known = registry.queues(queues);
    let waiting: Vec<&str> =
        queues.iter().map(String::as_str).filter(|queue| !known.contains(queue)).collect();
    if !waiting.is_empty() {
        warn!(queues = waiting.join(","), "nobody does such jobs here: they wait for a worker that can");
    }
}
