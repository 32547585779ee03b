//! The roles that run for long: [`api`], [`worker`], [`scheduler`], and [`up`], which is all of them in one process.
//!
//! A role is put together here from the crates that own its parts; the binary only reads flags. Each role ends when
//! its [`Stop`] is cancelled, after it has finished or handed back its work.
#![forbid(unsafe_code)]

pub mod config;
pub mod crawl;
pub mod demo;
pub mod elastic;
pub mod environment;
mod error;
pub mod exchange;
mod experiments;
pub mod flags;
pub mod fleet;
pub mod health;
pub mod label;
mod labelling;
mod listener;
mod live;
pub mod models;
mod public;
mod setup;
pub mod storage;
pub mod token;
pub mod train;
mod vitals;
mod webhook;
mod work;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sightscan_cities::{Cities, Scheduler};
use sightscan_jobs::worker_name;
use sightscan_types::JobId;
use sightscan_warehouse::Warehouse;
use sightscan_warehouse::jobs::Job;
use tracing::info;

pub use config::Config;
pub use error::{Error, Result};
pub use setup::Setup;
pub use sightscan_warehouse::{Database, cities, jobs, schema};
/// Cancelled to end a role.
pub use tokio_util::sync::CancellationToken as Stop;

use public::Public;
use vitals::{Parts, Watch};
use work::Work;

/// What a worker is told beyond the configuration.
#[derive(Debug, Clone, Default)]
pub struct WorkerOptions {
    /// The queues that it takes jobs from.
    pub queues: Vec<String>,
    /// Ends the worker when there has been nothing to do for so long.
    pub exit_when_idle: Option<Duration>,
    /// The file in which the worker tells its pool what it does.
    pub report: Option<PathBuf>,
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
    let options = WorkerOptions { queues: QUEUES.map(str::to_owned).to_vec(), ..WorkerOptions::default() };
    let (work, scheduler) = (Work::new(&setup, &warehouse, &cities, &options)?, planner(&cities));
    let control = setup.clone();
    let public = Public::prepare(setup, &warehouse, Arc::clone(&cities)).await?;
    let parts = part_of_cities(&warehouse, &cities, &stop);
    let parts = work.part(part_of_scheduler(parts, &scheduler));
    let planning = scheduler.run(stop.clone());
    let working = work.run(stop.clone());
    let serving = async {
        let served = Box::pin(public.serve(parts, stop.clone())).await;
        // Whoever cannot answer need not work either.
        stop.cancel();
        served
    };
    let controlling = fleet::control(&control, &warehouse, stop.clone());
    let (served, (), _, controlled) = tokio::join!(serving, planning, working, controlling);
    warehouse.database.close().await;
    served.and(controlled)
}

/// Answers the public.
///
/// # Errors
/// When it does not start.
pub async fn api(setup: Setup, stop: Stop) -> Result<()> {
    let warehouse = setup.open().await?;
    let cities = setup.cities(&warehouse).await?;
    let parts = part_of_cities(&warehouse, &cities, &stop);
    let control = setup.config.elastic.controller.then(|| setup.clone());
    let public = Public::prepare(setup, &warehouse, cities).await?;
    let controlling = async {
        match &control {
            Some(setup) => fleet::control(setup, &warehouse, stop.clone()).await,
            None => Ok(()),
        }
    };
    let (served, controlled) = tokio::join!(Box::pin(public.serve(parts, stop.clone())), controlling);
    warehouse.database.close().await;
    served.and(controlled)
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
    let work = Work::new(&setup, &warehouse, &cities, &options)?;
    let parts = work.part(part_of_cities(&warehouse, &cities, &stop));
    listener::watch(setup.config.admin.listen, Arc::new(parts), stop.clone()).await?;
    info!(queues = options.queues.join(","), "worker takes jobs");
    let summary = work.run(stop).await;
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
    let controlling = fleet::control(&setup, &warehouse, stop.clone());
    let ((), controlled) = tokio::join!(scheduler.run(stop.clone()), controlling);
    warehouse.database.close().await;
    controlled
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

fn part_of_cities(warehouse: &Warehouse, cities: &Arc<Cities>, stop: &Stop) -> Parts {
    let watch = Watch::start(warehouse.database.clone(), stop.clone());
    let cities = Arc::clone(cities);
    Parts::default().with(move || watch.reasons(), move || cities.metrics())
}

fn part_of_scheduler(parts: Parts, scheduler: &Arc<Scheduler>) -> Parts {
    let scheduler = Arc::clone(scheduler);
    parts.with(move || scheduler.status().reasons(), String::new)
}
