//! A machine learning backend of Label Studio: it tells what is in the pictures of its tasks.
//!
//! The protocol is that of label-studio-ml-backend: `/health`, `/setup`, `/predict` and `/webhook`, in JSON. What is known
//! of an image of ours is told as it is; other pictures are shown to the labellers that cost nothing. Paid ones are never
//! asked, because their budget is a city's and a task has no city.

mod asked;
mod picture;
mod prediction;

use std::sync::Arc;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sightscan_dataset::Interface;
use sightscan_engine::Limits;
use sightscan_http::axum;
use sightscan_http::axum::Json;
use sightscan_http::axum::extract::State;
use sightscan_http::axum::http::StatusCode;
use sightscan_http::{AdminGate, Budget, Problem, Slug};
use sightscan_warehouse::Warehouse;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::work::Step;
use asked::Sent;

/// What Label Studio calls the kind of backend.
const MODEL_CLASS: &str = "SightScan";
/// The version of predictions where no model of ours has a part in them.
const VERSION: &str = "sightscan";
/// Tasks in one request. Label Studio sends a hundred.
const MOST_TASKS: usize = 1000;
/// Bytes of a request besides the picture in it: other tasks, and their label config.
const TASKS: u64 = 4 << 20;
/// Bytes of all requests that are in memory at once, in greatest requests.
const REQUESTS_AT_ONCE: u64 = 4;

/// How large pictures may be that come with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of a picture.
    pub bytes: u64,
    /// Pixels of a picture.
    pub pixels: u64,
}

/// Tells Label Studio what is in pictures.
pub struct MlBackend {
    warehouse: Warehouse,
    /// Those that cost nothing.
    steps: Vec<Step>,
    greatest: u64,
    limits: Limits,
    bodies: Budget,
    version: String,
}

impl MlBackend {
    /// A backend on this warehouse; of the labellers those are asked that cost nothing.
    pub fn new(warehouse: Warehouse, steps: Vec<Step>, bounds: Bounds) -> Arc<Self> {
        let steps: Vec<Step> = steps.into_iter().filter(|step| !step.is_paid).collect();
        let models = steps.iter().map(|step| step.labeller.producer().name);
        let version = std::iter::once(VERSION.to_owned()).chain(models).collect::<Vec<_>>().join("+");
        // Base64 makes four bytes of three.
        let request = bounds.bytes.div_ceil(3) * 4 + TASKS;
        Arc::new(Self {
            warehouse,
            steps,
            greatest: bounds.bytes,
            limits: Limits { max_pixels: bounds.pixels },
            bodies: Budget::new(request, request * REQUESTS_AT_ONCE),
            version,
        })
    }
}

sightscan_http::problem_sets! {
    /// Of what only says that the backend is there.
    HealthProblems: Unauthorized, RateLimited;
    /// Of what Label Studio tells.
    SetupProblems: Malformed, Unauthorized, BodyTimeout, BodyTooLarge, UnsupportedMediaType, Busy, RateLimited;
    /// Of predictions.
    PredictProblems: Malformed, Unauthorized, BodyTimeout, BodyTooLarge, TooManyPictures, UnsupportedMediaType, Busy,
        RateLimited, Internal, Unavailable;
}

/// The backend's routes, with their descriptions for OpenAPI; `gate` lets the administrator in.
pub fn router(backend: &Arc<MlBackend>, gate: &AdminGate) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(root))
        .routes(routes!(health))
        .routes(routes!(setup))
        .routes(routes!(predict))
        .routes(routes!(webhook))
        .layer(gate.layer())
        .with_state(Arc::clone(backend))
}

/// That the backend is there.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    #[schema(example = "UP")]
    status: &'static str,
    /// The kind of backend.
    model_class: &'static str,
}

const UP: Health = Health { status: "UP", model_class: MODEL_CLASS };

/// A project of Label Studio that connects. Its access token and address are not read: nothing is fetched.
#[derive(Debug, Default, Deserialize, ToSchema)]
struct Project {
    /// Its label config, in XML.
    #[serde(default)]
    schema: Option<String>,
}

/// Which predictions are made.
#[derive(Debug, Serialize, ToSchema)]
struct Version {
    /// Predictions of one version are not asked for again.
    model_version: String,
}

/// Tasks of a project of Label Studio.
#[derive(Debug, Deserialize, ToSchema)]
struct Tasks {
    tasks: Vec<Task>,
    /// The project's label config, in XML.
    #[serde(default)]
    label_config: String,
}

/// A task: a picture.
#[derive(Debug, Deserialize, ToSchema)]
struct Task {
    /// Its id in Label Studio, for our log.
    #[serde(default)]
    #[schema(value_type = Object)]
    id: Value,
    /// The picture, under the key that the label config names: the address of an image's file here, or a `data:` URI. Or
    /// an image's id as `image_id`.
    #[schema(value_type = Object)]
    data: Map<String, Value>,
}

/// A prediction for each task, in their order.
#[derive(Debug, Serialize, ToSchema)]
struct Predictions {
    results: Vec<Prediction>,
    model_version: String,
}

/// What is in the picture of a task.
#[derive(Debug, Serialize, ToSchema)]
struct Prediction {
    model_version: String,
    /// The mean of its boxes' scores.
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    /// Its boxes, as Label Studio writes them. None where the picture shows nothing, or cannot be looked at.
    #[schema(value_type = Vec<Object>)]
    result: Vec<Value>,
}

/// What was told was heard.
#[derive(Debug, Serialize, ToSchema)]
struct Heard {
    #[schema(example = "ok")]
    status: &'static str,
}

/// Says that the backend is there, as `/health` does.
#[utoipa::path(get, path = "/", tag = "label studio", security(("admin" = [])),
    responses((status = 200, description = "it is there", body = Health), HealthProblems))]
async fn root() -> Json<Health> {
    Json(UP)
}

/// Says that the backend is there.
#[utoipa::path(get, path = "/health", tag = "label studio", security(("admin" = [])),
    responses((status = 200, description = "it is there", body = Health), HealthProblems))]
async fn health() -> Json<Health> {
    Json(UP)
}

/// Hears of a project. One without boxes in pictures is refused, so that Label Studio shows it.
#[utoipa::path(post, path = "/setup", tag = "label studio", security(("admin" = [])), request_body = Project,
    responses((status = 200, description = "the version of predictions", body = Version), SetupProblems))]
async fn setup(State(backend): State<Arc<MlBackend>>, sent: Sent<Project>) -> Result<Json<Version>, Problem> {
    if let Some(config) = sent.value.schema.as_deref().filter(|config| !config.is_empty()) {
        interface(config)?;
    }
    Ok(Json(Version { model_version: backend.version.clone() }))
}

/// Tells what is in the pictures of tasks.
#[utoipa::path(post, path = "/predict", tag = "label studio", security(("admin" = [])), request_body = Tasks,
    responses((status = 200, description = "a prediction for each task", body = Predictions), PredictProblems))]
async fn predict(
    State(backend): State<Arc<MlBackend>>,
    sent: Sent<Tasks>,
) -> Result<Json<Predictions>, Problem> {
    let Tasks { tasks, label_config } = &sent.value;
    if tasks.len() > MOST_TASKS {
        let what = format!("a request may hold {MOST_TASKS} tasks; send fewer");
        return Err(Problem::new(Slug::TooManyPictures, what));
    }
    let interface = interface(label_config)?;
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(backend.predict(task, &interface).await?);
    }
    Ok(Json(Predictions { results, model_version: backend.version.clone() }))
}

/// Hears of what happens in a project, and does nothing: labels come back when the project is exported and imported.
#[utoipa::path(post, path = "/webhook", tag = "label studio", security(("admin" = [])),
    request_body(content_type = "application/json", description = "an event of Label Studio"),
    responses((status = 201, description = "it was heard", body = Heard), SetupProblems))]
async fn webhook(_: Sent<IgnoredAny>) -> (StatusCode, Json<Heard>) {
    (StatusCode::CREATED, Json(Heard { status: "ok" }))
}

fn interface(config: &str) -> Result<Interface, Problem> {
    Interface::read(config).ok_or_else(|| {
        let what =
            "the label config has no RectangleLabels for an Image with a value such as $image; add them";
        Problem::new(Slug::Malformed, what)
    })
}

impl std::fmt::Debug for MlBackend {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("MlBackend").field("version", &self.version).finish_non_exhaustive()
    }
}
