//! The routes and what their handlers share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use sightscan_http::axum;
use sightscan_http::axum::Json;
use sightscan_http::axum::body::Body;
use sightscan_http::axum::extract::{Path, State};
use sightscan_http::axum::http::{HeaderMap, HeaderName, HeaderValue};
use sightscan_http::{Budget, Hold, Problem, Received, Slug};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::admission::{Admission, Ticket};
use crate::config::Config;
use crate::dialect::{iweblens, v1};
use crate::health::Drain;
use crate::metrics::Metrics;
use crate::models::{ModelInfo, Models};
use crate::openapi;
use crate::pool::{Done, Pool, Work};

/// The header by which a client says how long its request may take.
pub(crate) const DEADLINE: HeaderName = HeaderName::from_static("x-sightscan-deadline-ms");
/// No request may take longer, whatever its header says.
const GREATEST_DEADLINE_MS: u64 = 600_000;
pub(crate) const GREATEST_DEADLINE: Duration = Duration::from_millis(GREATEST_DEADLINE_MS);

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) workers: usize,
    pub(crate) models: Arc<Models>,
    pub(crate) pool: Pool,
    pub(crate) admission: Admission,
    pub(crate) budget: Budget,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) drain: Drain,
}

/// A detection request that has a place.
pub(crate) struct Visit {
    pub(crate) started: Instant,
    pub(crate) deadline: Instant,
    ticket: Ticket,
}

impl App {
    /// Gives a request its place, before its body is read.
    pub(crate) fn enter(&self, headers: &HeaderMap) -> Result<Visit, Problem> {
        let started = Instant::now();
        let allowed = self.allowed(headers)?;
        let ticket = self.admission.enter(allowed, self.pool.pace().get())?;
        Ok(Visit { started, deadline: started + allowed, ticket })
    }

    fn allowed(&self, headers: &HeaderMap) -> Result<Duration, Problem> {
        let Some(value) = headers.get(DEADLINE) else { return Ok(self.config.deadline()) };
        let number = value.to_str().ok().and_then(|text| text.parse().ok());
        let number = number.filter(|ms| (1..=GREATEST_DEADLINE_MS).contains(ms));
        number.map(Duration::from_millis).ok_or_else(|| {
            let what =
                format!("the header {DEADLINE} must be a whole number from 1 to {GREATEST_DEADLINE_MS}");
            Problem::new(Slug::InvalidParameter, what)
        })
    }

    pub(crate) async fn receive(&self, visit: &Visit, body: Body) -> Result<Received, Problem> {
        let received =
            self.budget.receive(body, visit.deadline.min(visit.started + self.config.body_timeout()));
        let received = received.await?;
        if received.bytes.is_empty() {
            return Err(Problem::new(Slug::Malformed, "the body is empty; send a picture"));
        }
        Ok(received)
    }

    /// Has the pictures of a request looked at; they keep its share of the budget.
    pub(crate) async fn look(
        &self,
        visit: &mut Visit,
        works: Vec<Work>,
        hold: Hold,
    ) -> Result<Vec<Done>, Problem> {
        let left = visit.deadline.saturating_duration_since(Instant::now());
        self.admission.grow(&mut visit.ticket, works.len(), left, self.pool.pace().get())?;
        let hold = Arc::new(hold);
        let submitted =
            works.into_iter().map(|work| self.pool.submit(work, visit.deadline, Arc::clone(&hold)));
        let replies = submitted.collect::<Result<Vec<_>, _>>()?;
        let all = async {
            let mut done = Vec::with_capacity(replies.len());
            for reply in replies {
                done.push(
                    reply.await.map_err(|_| Problem::new(Slug::Unavailable, "the picture was dropped"))??,
                );
            }
            Ok(done)
        };
        match tokio::time::timeout_at(visit.deadline.into(), all).await {
            Ok(done) => done,
            Err(_) => Err(Problem::new(Slug::Deadline, "no worker had answered by then")),
        }
    }
}

/// The header that tells where the time went, in milliseconds (W3C Server Timing); over all pictures.
pub(crate) fn server_timing(done: &[Done], total: Duration) -> (HeaderName, HeaderValue) {
    let sum = |phase: fn(&sightscan_types::PhaseTimes) -> f64| {
        done.iter().fold(0.0, |sum, done| sum + phase(&done.answer.analysis.times))
    };
    let queued: Duration = done.iter().map(|done| done.queued).sum();
    let text = format!(
        "queue;dur={:.3}, decode;dur={:.3}, prepare;dur={:.3}, infer;dur={:.3}, post;dur={:.3}, total;dur={:.3}",
        queued.as_secs_f64() * 1e3,
        sum(|times| times.decode),
        sum(|times| times.prepare),
        sum(|times| times.infer),
        sum(|times| times.post),
        total.as_secs_f64() * 1e3,
    );
    let value = HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""));
    (HeaderName::from_static("server-timing"), value)
}

/// Whether a route detects, so that its time is measured.
pub(crate) fn is_detection(route: &str) -> bool {
    [iweblens::PATH, v1::PATH].contains(&route)
}

/// The routes that detect and that tell about models.
pub(crate) fn routes(app: &Arc<App>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(iweblens::detect))
        .routes(routes!(v1::detect))
        .routes(routes!(models))
        .routes(routes!(model))
        .with_state(Arc::clone(app))
}

/// A list; `next` is where it goes on, which for models is nowhere.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelList {
    items: Vec<ModelInfo>,
    next: Option<String>,
}

/// Lists the models that are served; the first is the one that is meant where none is named.
#[utoipa::path(get, path = "/v1/models", tag = "models", 
    responses((status = 200, description = "the models", body = ModelList)))]
async fn models(State(app): State<Arc<App>>) -> Json<ModelList> {
    let items = app.models.all().iter().map(|model| ModelInfo::of(model.model())).collect();
    Json(ModelList { items, next: None })
}

/// Tells about one model.
#[utoipa::path(get, path = "/v1/models/{name}", tag = "models",
    params(("name" = String, Path, description = "name of the model")),
    responses((status = 200, description = "the model", body = ModelInfo), openapi::UnknownModel))]
async fn model(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Json<ModelInfo>, Problem> {
    let model = app.models.find(Some(&name))?;
    Ok(Json(ModelInfo::of(model.model())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_timing_has_every_phase() {
        let (name, value) = server_timing(&[], Duration::from_micros(1500));
        assert_eq!(name, "server-timing");
        let expected = "queue;dur=0.000, decode;dur=0.000, prepare;dur=0.000, infer;dur=0.000, post;dur=0.000, total;dur=1.500";
        assert_eq!(value, expected);
    }
}
