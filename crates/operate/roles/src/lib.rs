//! The roles that run for long: [`api`], [`worker`], [`scheduler`], and [`up`], which is all of them in one process.
//!
//! A role is put together here from the crates that own its parts; the binary only reads flags. Each role ends when
//! its [`Stop`] is cancelled, after it has finished or handed back its work.
#![forbid(unsafe_code)]

pub mod config;
pub mod crawl;
pub mod environment;
mod error;
pub mod exchange;
pub mod label;
mod labelling;
mod listener;
pub mod models;
mod public;
mod setup;
pub mod storage;
pub mod token;
mod vitals;

use std::sync::Arc;
use std::time::Duration;

use sightscan_cities::{Cities, Life, Scheduler};
use sightscan_crawl::Google;
use sightscan_jobs::{Observer, Registry, Runner, RunnerConfig, worker_name};
use sightscan_label::ConfigError as LabelConfigError;
use sightscan_types::{JobId, Stage};
use sightscan_warehouse::Warehouse;
use sightscan_warehouse::jobs::Job;
use tracing::{info, warn};

pub use config::Config;
pub use error::{Error, Result};
pub use setup::Setup;
pub use sightscan_warehouse::{Database, cities, jobs, schema};
/// Cancelled to end a role.
pub use tokio_util::sync::CancellationToken as Stop;

use public::Public;
use vitals::{Parts, Watch};

/// What a worker is told beyond the configuration.
#[derive(Debug, Clone, Default)]
pub struct WorkerOptions {
    /// The queues that it takes jobs from.
    pub queues: Vec<String>,
    /// Ends the worker when there has been nothing to do for so long.
    pub exit_when_idle: Option<Duration>,
}

/// Who is in the history of what was done from the shell.
const ACTOR: &str = "admin";

/// The queues that there are.
pub const QUEUES: [&str; 4] = ["crawl", "label", "train", "upkeep"];

/// Runs all roles in this process.
///
/// # Errors
/// When one of them does not start.
pub async fn up(setup: Setup, stop: Stop) -> Result<()> {
    let warehouse = setup.open().await?;
    let cities = setup.cities(&warehouse).await?;
    let options = WorkerOptions { queues: QUEUES.map(str::to_owned).to_vec(), exit_when_idle: None };
    let (runner, scheduler) = (runner(&setup, &warehouse, &cities, &options)?, planner(&cities));
    let counted = runner.metrics();
    let public = Public::prepare(setup, &warehouse, Arc::clone(&cities)).await?;
    let parts = part_of_cities(&warehouse, &cities, &stop);
    let parts = part_of_runner(part_of_scheduler(parts, &scheduler), counted);
    let planning = scheduler.run(stop.clone());
    let working = runner.run(stop.clone());
    let serving = async {
        let served = public.serve(parts, stop.clone()).await;
        // Whoever cannot answer need not work either.
        stop.cancel();
        served
    };
    let (served, (), _) = tokio::join!(serving, planning, working);
    warehouse.database.close().await;
    served
}

/// Answers the public.
///
/// # Errors
/// When it does not start.
pub async fn api(setup: Setup, stop: Stop) -> Result<()> {
    let warehouse = setup.open().await?;
    let cities = setup.cities(&warehouse).await?;
    let parts = part_of_cities(&warehouse, &cities, &stop);
    Public::prepare(setup, &warehouse, cities).await?.serve(parts, stop).await?;
    warehouse.database.close().await;
    Ok(())
}

/// Takes jobs.
///
/// # Errors
/// When it does not start, or a queue is unknown.
pub async fn worker(setup: Setup, options: WorkerOptions, stop: Stop) -> Result<()> {
    let unknown = options.queues.iter().find(|queue| !QUEUES.contains(&queue.as_str()));
    if let Some(queue) = unknown {
        return Err(Error::UnknownQueue(queue.clone()));
    }
    let warehouse = setup.open().await?;
    let cities = setup.cities(&warehouse).await?;
    let runner = runner(&setup, &warehouse, &cities, &options)?;
    let parts = part_of_runner(part_of_cities(&warehouse, &cities, &stop), runner.metrics());
    listener::watch(setup.config.admin.listen, Arc::new(parts), stop.clone()).await?;
    info!(queues = options.queues.join(","), "worker takes jobs");
    let summary = runner.run(stop).await;
    info!(?summary, "worker ends");
    warehouse.database.close().await;
    Ok(())
}

/// Plans, while no other scheduler leads.
///
/// # Errors
/// When it does not start.
pub async fn scheduler(setup: Setup, stop: Stop) -> Result<()> {
    let warehouse = setup.open().await?;
    let cities = setup.cities(&warehouse).await?;
    let scheduler = planner(&cities);
    let parts = part_of_scheduler(part_of_cities(&warehouse, &cities, &stop), &scheduler);
    listener::watch(setup.config.admin.listen, Arc::new(parts), stop.clone()).await?;
    info!("scheduler plans");
    scheduler.run(stop).await;
    warehouse.database.close().await;
    Ok(())
}

/// Moves arrivals on and refreshes the marts now, of everything or of what has changed; says what was done.
///
/// # Errors
/// When the database does not answer.
pub async fn refresh(setup: &Setup, all: bool) -> Result<String> {
    let cities = setup.cities(&setup.open().await?).await?;
    Ok(cities.refresh_marts(all).await?.to_string())
}

/// Cancels a job, with the consequences for its city that the route has; the job as it is then.
///
/// # Errors
/// When there is no such job or it is finished, or the database does not answer.
pub async fn cancel_job(setup: &Setup, id: JobId, why: Option<&str>) -> Result<Job> {
    let cities = setup.cities(&setup.open().await?).await?;
    cities.cancel_job(&job(cities.database(), id).await?, ACTOR, why).await?;
    job(cities.database(), id).await
}

/// Enqueues a dead or cancelled job again, with the consequences for its city that the route has; the job as it is then.
///
/// # Errors
/// When there is no such job, it has not failed or another one does its work, or the database does not answer.
pub async fn retry_job(setup: &Setup, id: JobId) -> Result<Job> {
    let cities = setup.cities(&setup.open().await?).await?;
    cities.retry_job(&job(cities.database(), id).await?, ACTOR).await?;
    job(cities.database(), id).await
}

async fn job(database: &Database, id: JobId) -> Result<Job> {
    jobs::show(database, id).await?.ok_or(Error::UnknownJob(id))
}

fn planner(cities: &Arc<Cities>) -> Arc<Scheduler> {
    Arc::new(Scheduler::new(cities, worker_name()))
}

fn runner(
    setup: &Setup,
    warehouse: &Warehouse,
    cities: &Arc<Cities>,
    options: &WorkerOptions,
) -> Result<Runner> {
    let registry = sightscan_cities::upkeep::register(Registry::new(), cities);
    let registry = register_stages(registry, setup, warehouse, &options.queues)?;
    tell_what_waits(&registry, &options.queues);
    let worker = &setup.config.worker;
    let config = RunnerConfig {
        queues: options.queues.clone(),
        concurrency: worker.concurrency,
        lease: Duration::from_secs(worker.lease_seconds),
        heartbeat: Duration::from_secs(worker.lease_seconds) / 3,
        grace: Duration::from_secs(worker.grace_seconds),
        exit_when_idle: options.exit_when_idle,
        ..RunnerConfig::default()
    };
    let observer: Arc<dyn Observer> = Arc::new(Life::new(warehouse.database.clone()));
    Runner::new(warehouse.database.clone(), registry, config, Some(observer))
        .map_err(|error| Error::Metrics(error.to_string()))
}

/// Adds who crawls and who labels, where their jobs are wanted.
fn register_stages(
    mut registry: Registry,
    setup: &Setup,
    warehouse: &Warehouse,
    queues: &[String],
) -> Result<Registry> {
    let is_wanted = |stage: Stage| queues.iter().any(|queue| queue == stage.as_str());
    if is_wanted(Stage::Crawl) {
        let crawler = crawl::crawler(setup, warehouse, Google::default())?;
        let threads = setup.config.crawl.threads;
        registry = sightscan_crawl::jobs::register(registry, Arc::new(crawler), threads);
    }
    if is_wanted(Stage::Label) {
        registry = match label::labelling(setup, warehouse) {
            Ok(labelling) => sightscan_label::jobs::register(registry, Arc::new(labelling)),
            // Others may have the credentials.
            Err(Error::LabelConfig(error @ LabelConfigError::NoCredentials(_))) => {
                warn!("nothing is labelled here: {error}");
                registry
            }
            Err(error) => return Err(error),
        };
    }
    Ok(registry)
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

fn part_of_cities(warehouse: &Warehouse, cities: &Arc<Cities>, stop: &Stop) -> Parts {
    let watch = Watch::start(warehouse.database.clone(), stop.clone());
    let cities = Arc::clone(cities);
    Parts::default().with(move || watch.reasons(), move || cities.metrics())
}

fn part_of_runner(parts: Parts, metrics: Arc<sightscan_jobs::Metrics>) -> Parts {
    parts.with(Vec::new, move || metrics.render())
}

fn part_of_scheduler(parts: Parts, scheduler: &Arc<Scheduler>) -> Parts {
    let scheduler = Arc::clone(scheduler);
    parts.with(move || scheduler.status().reasons(), String::new)
}
