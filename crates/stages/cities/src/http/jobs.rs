//! `/v1/jobs`: what is being done, and stopping or repeating it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use sightscan_http::asked::{Asked, Named};
use sightscan_http::axum;
use sightscan_http::axum::Json;
use sightscan_http::axum::extract::State;
use sightscan_http::{Page, PageQuery, Problem};
use sightscan_types::{CityId, JobId, JobState, Slug};
use sightscan_warehouse::cities;
use sightscan_warehouse::jobs::{self, Filter, Job, QueueCounts};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::cities::{ProgressItem, one_more};
use super::problems::{JobChangeProblems, JobListProblems, JobProblems, QueuesProblems};
use crate::Cities;
use crate::error::{Error, Result};

/// Where a list of jobs goes on.
#[derive(Debug, Serialize, Deserialize)]
struct Before(JobId);

impl sightscan_http::Place for Before {
    const LIST: &'static str = "jobs.1";
}

/// Which jobs are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wish {
    /// Only jobs in this state.
    #[param(inline)]
    state: Option<JobState>,
    /// Only jobs of this queue.
    queue: Option<String>,
    /// Only jobs of this kind.
    name: Option<String>,
    /// Only jobs of this city: its slug.
    #[param(value_type = Option<String>)]
    city: Option<Slug>,
    #[serde(default, rename = "limit")]
    #[param(ignore)]
    _limit: IgnoredAny,
    #[serde(default, rename = "cursor")]
    #[param(ignore)]
    _cursor: IgnoredAny,
}

/// A job. Times are milliseconds since 1970-01-01 UTC.
#[derive(Debug, Serialize, ToSchema)]
struct JobItem {
    /// Its id.
    id: JobId,
    /// Which kind of work.
    name: String,
    /// Which workers are meant.
    queue: String,
    /// Where it is in its life.
    state: JobState,
    /// The id of the city whose life it is part of.
    city: Option<CityId>,
    /// The city's name in URLs.
    city_slug: Option<Slug>,
    /// The greater, the sooner.
    priority: i64,
    /// Runs that were begun.
    attempts: i64,
    /// It is dead after so many runs that failed.
    max_attempts: i64,
    /// Not before this time; null once it is finished.
    run_at: Option<i64>,
    /// Who runs it or ran it last.
    worker: Option<String>,
    /// Whether somebody asked to stop it.
    cancel_requested: bool,
    /// How far it is.
    progress: ProgressItem,
    /// Why its last run failed, why it is dead, or why it was cancelled.
    reason: Option<String>,
    /// Of the HTTP request that asked for it.
    request_id: Option<String>,
    /// When it was enqueued.
    created_at: i64,
    /// When its last run began.
    started_at: Option<i64>,
    /// When it was finished.
    finished_at: Option<i64>,
}

/// How much there is to do in a queue, and what went wrong in it.
#[derive(Debug, Serialize, ToSchema)]
struct QueueItem {
    /// The queue.
    #[schema(example = "crawl")]
    queue: String,
    /// Jobs that wait, also those whose time has not come.
    waiting: i64,
    /// Jobs that workers have.
    running: i64,
    /// Jobs that were given up; they are forgotten after a month.
    dead: i64,
}

/// Queues that have jobs which wait, run or are dead.
#[derive(Debug, Serialize, ToSchema)]
struct Queues {
    /// By name.
    items: Vec<QueueItem>,
}

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(queues))
        .routes(routes!(show))
        .routes(routes!(cancel))
        .routes(routes!(retry))
}

/// Lists the jobs, live and finished, the newest first.
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", params(Wish, PageQuery), security(("admin" = [])),
    responses((status = 200, description = "a page of jobs", body = Page<JobItem>), JobListProblems))]
async fn list(
    State(cities): State<Arc<Cities>>,
    page: PageQuery,
    Asked(wish): Asked<Wish>,
) -> Result<Json<Page<JobItem>>, Problem> {
    let city = match wish.city {
        Some(slug) => Some(cities.find(slug.as_str()).await?.id),
        None => None,
    };
    let filter = Filter { state: wish.state, queue: wish.queue, name: wish.name, city };
    let before = page.after::<Before>()?.map(|Before(id)| id);
    let found = jobs::list(&cities.warehouse.database, &filter, before, one_more(&page)).await;
    let page = Page::cut(found.map_err(Error::from)?, page.limit, |job| Before(job.id));
    let slugs = cities.slugs(&page.items).await?;
    Ok(Json(page.map(|job| JobItem::of(job, &slugs))))
}

/// Counts the jobs of each queue that wait, run or are dead. A queue without any is left out.
#[utoipa::path(get, path = "/v1/jobs/queues", tag = "jobs", security(("admin" = [])),
    responses((status = 200, description = "the queues", body = Queues), QueuesProblems))]
async fn queues(State(cities): State<Arc<Cities>>) -> Result<Json<Queues>, Problem> {
    let found = jobs::queues(&cities.warehouse.database).await.map_err(Error::from)?;
    Ok(Json(Queues { items: found.into_iter().map(QueueItem::of).collect() }))
}

/// Tells about one job.
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = JobId, Path, description = "the job")),
    security(("admin" = [])), responses((status = 200, description = "the job", body = JobItem), JobProblems))]
async fn show(State(cities): State<Arc<Cities>>, Named(id): Named<String>) -> Result<Json<JobItem>, Problem> {
    Ok(Json(cities.job_item(&id).await?))
}

/// Cancels a job: one that waits at once, one that runs when its worker hears of it. Its city is paused.
#[utoipa::path(post, path = "/v1/jobs/{id}/cancel", tag = "jobs", params(("id" = JobId, Path, description = "the job")),
    security(("admin" = [])), responses((status = 200, description = "the job", body = JobItem), JobChangeProblems))]
async fn cancel(
    State(cities): State<Arc<Cities>>,
    Named(id): Named<String>,
) -> Result<Json<JobItem>, Problem> {
    let job = cities.job(&id).await?;
    cities.cancel_job(&job, super::decisions::ADMIN, None).await?;
    Ok(Json(cities.job_item(&id).await?))
}

/// Enqueues a dead or cancelled job again; its city goes on, where it had stopped with the job.
#[utoipa::path(post, path = "/v1/jobs/{id}/retry", tag = "jobs", params(("id" = JobId, Path, description = "the job")),
    security(("admin" = [])), responses((status = 200, description = "the job", body = JobItem), JobChangeProblems))]
async fn retry(
    State(cities): State<Arc<Cities>>,
    Named(id): Named<String>,
) -> Result<Json<JobItem>, Problem> {
    let job = cities.job(&id).await?;
    cities.retry_job(&job, super::decisions::ADMIN).await?;
    Ok(Json(cities.job_item(&id).await?))
}

impl Cities {
    /// How the cities of jobs are called in URLs.
    async fn slugs(&self, jobs: &[Job]) -> Result<HashMap<CityId, Slug>> {
        let cities: HashSet<CityId> = jobs.iter().filter_map(|job| job.city).collect();
        let mut slugs = HashMap::with_capacity(cities.len());
        for id in cities {
            let city = cities::by_id(&self.warehouse.database, id).await?;
            slugs.extend(city.map(|city| (id, city.slug)));
        }
        Ok(slugs)
    }

    async fn job_item(&self, id: &str) -> Result<JobItem> {
        let job = self.job(id).await?;
        let slugs = self.slugs(std::slice::from_ref(&job)).await?;
        Ok(JobItem::of(job, &slugs))
    }

    async fn job(&self, id: &str) -> Result<Job> {
        let job = match id.parse() {
            Ok(id) => jobs::show(&self.warehouse.database, id).await?,
            Err(_) => None,
        };
        job.ok_or_else(|| Error::UnknownJob(id.to_owned()))
    }
}

impl QueueItem {
    fn of(counts: QueueCounts) -> Self {
        let QueueCounts { queue, waiting, running, dead } = counts;
        Self { queue, waiting, running, dead }
    }
}

impl JobItem {
    fn of(job: Job, slugs: &HashMap<CityId, Slug>) -> Self {
        Self {
            city_slug: job.city.and_then(|city| slugs.get(&city).cloned()),
            id: job.id,
            name: job.name,
            queue: job.queue,
            state: job.state,
            city: job.city,
            priority: job.priority,
            attempts: job.attempts,
            max_attempts: job.max_attempts,
            run_at: job.run_at,
            worker: job.worker,
            cancel_requested: job.cancel_requested,
            progress: ProgressItem::of(job.progress),
            reason: job.reason,
            request_id: job.request_id,
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
        }
    }
}
