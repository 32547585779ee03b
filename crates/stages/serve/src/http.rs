//! The routes and what their handlers share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;
use sightscan_http::axum;
use sightscan_http::axum::Json;
use sightscan_http::axum::body::Body;
use sightscan_http::axum::extract::{Path, State};
use sightscan_http::axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use sightscan_http::axum::response::Response;
use sightscan_http::{Budget, Hold, Problem, Received, Slug};
use sightscan_queue::{OutputForm, Wanted};
use sightscan_types::DetectionId;
use tokio::sync::Semaphore;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::admission::{Admission, Ticket};
use crate::config::{Config, GREATEST_DEADLINE_MS};
use crate::detection::{Detection, Seen, Target};
use crate::dialect::{iweblens, stream, upload, v1};
use crate::elastic::{self, Post};
use crate::health::Drain;
use crate::metrics::Metrics;
use crate::models::ModelInfo;
use crate::{openapi, wanted};

/// The header by which a client says how long its request may take.
pub(crate) const DEADLINE: HeaderName = HeaderName::from_static("x-sightscan-deadline-ms");
/// What a picture without a name is called.
const NAMELESS: &str = "picture";

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) backend: Backend,
    pub(crate) admission: Admission,
    pub(crate) budget: Budget,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) drain: Drain,
    /// Places for cameras that are connected.
    pub(crate) streams: Arc<Semaphore>,
}

/// Who looks at the pictures.
#[derive(Debug)]
pub(crate) enum Backend {
    /// This process.
    Here(Arc<Detection>),
    /// Workers behind a queue.
    Elsewhere(Arc<Post>),
}

/// Who is asked for what.
#[derive(Debug)]
pub(crate) enum Order {
    Here(Arc<Detection>, Target),
    Elsewhere(Arc<Post>, Wanted),
}

/// A picture in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedPicture {
    /// What the request calls it.
    pub(crate) name: Option<String>,
    /// Its bytes.
    pub(crate) bytes: Bytes,
}

impl NamedPicture {
    pub(crate) fn known_as(&self) -> &str {
        self.name.as_deref().unwrap_or(NAMELESS)
    }
}

/// What became of a picture.
#[derive(Debug)]
pub(crate) enum Looked {
    Seen(Box<Seen>),
    Refused(Problem),
    /// It was not looked at within the time that its client waits; it will be.
    Later(DetectionId),
}

impl From<Result<Seen, Problem>> for Looked {
    fn from(seen: Result<Seen, Problem>) -> Self {
        seen.map_or_else(Self::Refused, |seen| Self::Seen(Box::new(seen)))
    }
}

/// A detection request that has a place.
pub(crate) struct Visit {
    pub(crate) started: Instant,
    pub(crate) deadline: Instant,
    ticket: Ticket,
}

impl Backend {
    /// How long a picture takes a worker of this process.
    fn pace(&self) -> Duration {
        match self {
            Self::Here(detection) => detection.core().pool.pace().get(),
            // How long others take is the business of whoever counts the workers.
            Self::Elsewhere(_) => Duration::ZERO,
        }
    }
}

impl App {
    /// What a request asks for, as far as it can be checked before its pictures are there.
    pub(crate) fn order(&self, wanted: Wanted) -> Result<Order, Problem> {
        wanted::check(&wanted)?;
        Ok(match &self.backend {
            Backend::Here(detection) => Order::Here(Arc::clone(detection), detection.target(&wanted)?),
            Backend::Elsewhere(post) => Order::Elsewhere(Arc::clone(post), wanted),
        })
    }

    /// Gives a request its place, before its body is read.
    pub(crate) fn enter(&self, headers: &HeaderMap) -> Result<Visit, Problem> {
        let started = Instant::now();
        let allowed = self.allowed(headers)?;
        let ticket = self.admission.enter(allowed, self.backend.pace())?;
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

    /// Has the pictures of a request looked at; they keep its share of the budget. One becomes of each, in their order.
    pub(crate) async fn look(
        &self,
        visit: &mut Visit,
        order: Order,
        pictures: Vec<NamedPicture>,
        form: OutputForm,
        hold: Hold,
    ) -> Result<Vec<Looked>, Problem> {
        let left = visit.deadline.saturating_duration_since(Instant::now());
        self.admission.grow(&mut visit.ticket, pictures.len(), left, self.backend.pace())?;
        match order {
            Order::Here(detection, target) => {
                look_here(&detection, target, pictures, visit.deadline, hold).await
            }
            Order::Elsewhere(post, wanted) => post.ask(wanted, form, pictures, visit.deadline, hold).await,
        }
    }

    /// As [`Self::look`], where all pictures must have been looked at before the answer.
    pub(crate) async fn see(
        &self,
        visit: &mut Visit,
        order: Order,
        pictures: Vec<NamedPicture>,
        hold: Hold,
    ) -> Result<Vec<Seen>, Problem> {
        let looked = self.look(visit, order, pictures, OutputForm::default(), hold).await?;
        looked.into_iter().map(seen_in_time).collect()
    }
}

fn seen_in_time(looked: Looked) -> Result<Seen, Problem> {
    match looked {
        Looked::Seen(seen) => Ok(*seen),
        Looked::Refused(problem) => Err(problem),
        Looked::Later(id) => {
            let late = Problem::new(Slug::Deadline, "no worker had answered by then");
            Err(elastic::requests::located(late, id))
        }
    }
}

async fn look_here(
    detection: &Detection,
    target: Target,
    pictures: Vec<NamedPicture>,
    deadline: Instant,
    hold: Hold,
) -> Result<Vec<Looked>, Problem> {
    let hold = Arc::new(hold);
    let submitted = pictures.into_iter().map(|picture| {
        let name = picture.known_as().to_owned();
        let waits = detection.submit(target.clone(), picture.bytes, deadline, Arc::clone(&hold))?;
        Ok((name, waits))
    });
    let mut looked = Vec::new();
    for (name, waits) in submitted.collect::<Result<Vec<_>, Problem>>()? {
        let seen = tokio::time::timeout_at(deadline.into(), waits.seen(name)).await;
        let late = |_| Err(Problem::new(Slug::Deadline, "no worker had answered by then"));
        looked.push(seen.unwrap_or_else(late).into());
    }
    Ok(looked)
}

/// The header that tells where the time went, in milliseconds (W3C Server Timing); over all pictures.
pub(crate) fn server_timing(seen: &[Seen], total: Duration) -> (HeaderName, HeaderValue) {
    let sum = |phase: fn(&sightscan_types::PhaseTimes) -> f64| {
        seen.iter().fold(0.0, |sum, seen| sum + phase(&seen.report.timing_ms))
    };
    let queued: Duration = seen.iter().map(|seen| seen.queued).sum();
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
    [iweblens::PATH, v1::PATH].contains(&route) || upload::PATHS.contains(&route)
}

/// The routes that detect and that tell about models.
pub(crate) fn routes(app: &Arc<App>) -> OpenApiRouter {
    let routes = OpenApiRouter::new()
        .routes(routes!(iweblens::detect))
        .routes(routes!(v1::detect))
        .routes(routes!(stream::stream))
        .routes(routes!(models))
        .routes(routes!(model))
        .routes(routes!(model_file))
        .merge(upload::routes());
    let routes = match app.backend {
        Backend::Here(_) => routes,
        Backend::Elsewhere(_) => routes.merge(elastic::requests::routes()),
    };
    routes.with_state(Arc::clone(app))
}

/// A list; `next` is where it goes on, which for models is nowhere.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelList {
    items: Vec<ModelInfo>,
    next: Option<String>,
}

impl App {
    async fn models(&self) -> Result<Vec<ModelInfo>, Problem> {
        match &self.backend {
            Backend::Here(detection) => {
                let models = detection.core().models.all();
                Ok(models.iter().map(|model| ModelInfo::of(model.model())).collect())
            }
            Backend::Elsewhere(post) => post.models().await,
        }
    }

    /// The model that this reference means.
    async fn meant(&self, reference: &str) -> Result<ModelInfo, Problem> {
        let found = self.models().await?.into_iter().find(|model| model.is_meant_by(reference));
        found.ok_or_else(|| crate::models::unknown(reference))
    }
}

/// Lists the models that are served; the first is the one that is meant where none is named.
#[utoipa::path(get, path = "/v1/models", tag = "models", 
    responses((status = 200, description = "the models", body = ModelList)))]
async fn models(State(app): State<Arc<App>>) -> Result<Json<ModelList>, Problem> {
    Ok(Json(ModelList { items: app.models().await?, next: None }))
}

/// Tells about one model.
#[utoipa::path(get, path = "/v1/models/{name}", tag = "models",
    params(("name" = String, Path, description = "name of the model")),
    responses((status = 200, description = "the model", body = ModelInfo), openapi::UnknownModel))]
async fn model(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Json<ModelInfo>, Problem> {
    app.meant(&name).await.map(Json)
}

/// The ONNX file of a model, for those who compute it themselves.
#[utoipa::path(get, path = "/v1/models/{name}/file", tag = "models",
    params(("name" = String, Path, description = "name of the model")),
    responses((status = 200, description = "the file", content_type = "application/octet-stream", headers(("etag" = String))),
        (status = 206, description = "a part of it", content_type = "application/octet-stream"),
        (status = 304, description = "the client has it"), openapi::UnknownModel))]
async fn model_file(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    method: Method,
    asked: HeaderMap,
) -> Result<Response, Problem> {
    app.meant(&name).await?.download(&method, &asked).await
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
