//! `/v1/requests/{id}`: what became of a picture that was not looked at while its client waited.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt, stream};
use serde::Serialize;
use sightscan_http::axum;
use sightscan_http::axum::Json;
use sightscan_http::axum::extract::{Path, State};
use sightscan_http::axum::http::{HeaderValue, header};
use sightscan_http::axum::response::{IntoResponse, Response};
use sightscan_http::events::Event;
use sightscan_http::{Draining, Problem, Slug, event_stream};
use sightscan_queue::{Base64, Outcome, Reply};
use sightscan_types::{DetectionId, PictureReport};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::objects::Pending;
use super::{ObjectError, Objects};
use crate::http::{App, Backend};

/// How often is looked whether a request has ended.
const LOOK: Duration = Duration::from_millis(250);
/// No stream of events is longer; clients come again by themselves.
const GREATEST_STREAM: Duration = Duration::from_mins(10);

pub(crate) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(show)).routes(routes!(events))
}

/// The address of a request.
pub(crate) fn address(id: DetectionId) -> String {
    format!("/v1/requests/{id}")
}

/// A problem whose answer tells the address of the request.
pub(crate) fn located(problem: Problem, id: DetectionId) -> Problem {
    match HeaderValue::try_from(address(id)) {
        Ok(value) => problem.header(header::LOCATION, value),
        Err(_) => problem,
    }
}

/// Pictures that are looked at later.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Accepted {
    /// One a picture.
    requests: Vec<AcceptedRequest>,
}

/// A picture that is looked at later.
#[derive(Debug, Serialize, ToSchema)]
struct AcceptedRequest {
    /// Its id.
    #[schema(value_type = String, format = "uuid")]
    id: DetectionId,
    /// The path that tells what became of it.
    status: String,
}

/// The answer that tells where to ask.
pub(crate) fn accepted(later: &[DetectionId]) -> impl IntoResponse + use<> {
    let first = later.first().map(|id| [(header::LOCATION, address(*id))]);
    let requests = later.iter().map(|id| AcceptedRequest { id: *id, status: address(*id) }).collect();
    (first, Json(Accepted { requests }))
}

/// What became of a picture.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = RequestStatus)]
pub(crate) struct Status {
    /// Its id.
    #[schema(value_type = String, format = "uuid")]
    id: DetectionId,
    /// What the request called it.
    name: String,
    /// `accepted` while it waits or is looked at, then `done`, `failed` or `dead`.
    state: &'static str,
    /// When it was accepted, in milliseconds since 1970-01-01 UTC; none once it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted_at: Option<i64>,
    /// When it ended, in milliseconds since 1970-01-01 UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<i64>,
    /// What was found, as `/v1/detect` answers it.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<PictureReport>,
    /// The picture with its boxes drawn, in base64, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = Byte)]
    drawn: Option<Base64>,
    /// Why nothing was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Status {
    fn ended(reply: Reply) -> Self {
        let state = reply.outcome.state();
        let (report, drawn, reason) = match reply.outcome {
            Outcome::Done { report, drawn } => (Some(report), drawn, None),
            Outcome::Failed(refusal) => (None, None, Some(refusal.detail)),
            Outcome::Dead { reason } => (None, None, Some(reason)),
        };
        let finished_at = Some(reply.finished_at);
        Self { id: reply.id, name: reply.name, state, accepted_at: None, finished_at, report, drawn, reason }
    }

    fn waits(pending: Pending) -> Self {
        Self {
            id: pending.id,
            name: pending.name,
            state: "accepted",
            accepted_at: Some(pending.accepted_at),
            finished_at: None,
            report: None,
            drawn: None,
            reason: None,
        }
    }

    fn is_last(&self) -> bool {
        self.accepted_at.is_none()
    }
}

impl Objects {
    /// What `/v1/requests/{id}` answers for a request that has ended, as JSON; none where it has not.
    ///
    /// # Errors
    /// When the bucket does not answer, or the result was damaged.
    pub async fn ended(&self, id: DetectionId) -> Result<Option<String>, ObjectError> {
        let ended = self.result(id).await?.map(Status::ended);
        Ok(ended.map(|status| serde_json::to_string(&status)).transpose()?)
    }
}

async fn status(objects: &Objects, id: DetectionId) -> Result<Status, Problem> {
    let unavailable = |error| Problem::new(Slug::Unavailable, format!("the results cannot be read: {error}"));
    if let Some(reply) = objects.result(id).await.map_err(unavailable)? {
        return Ok(Status::ended(reply));
    }
    let pending = objects.pending(id).await.map_err(unavailable)?;
    pending.map(Status::waits).ok_or_else(|| {
        Problem::new(
            Slug::NotFound,
            format!("there is no request {id}; its address is told with the answer 202"),
        )
    })
}

fn objects(app: &App) -> Result<&Objects, Problem> {
    match &app.backend {
        Backend::Elsewhere(post) => Ok(post.objects()),
        Backend::Here(_) => Err(Problem::new(Slug::NotFound, "nothing waits in a queue here")),
    }
}

fn parsed(id: &str) -> Result<DetectionId, Problem> {
    id.parse().map_err(|_| Problem::new(Slug::NotFound, "the id of a request is a UUID"))
}

/// Tells what became of a picture.
#[utoipa::path(get, path = "/v1/requests/{id}", tag = "detection", operation_id = "show_request",
    params(("id" = String, Path, description = "id of the request")),
    responses((status = 200, description = "what became of it", body = Status), crate::openapi::UnknownRequest))]
async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Status>, Problem> {
    Ok(Json(status(objects(&app)?, parsed(&id)?).await?))
}

/// Tells what becomes of a picture, as server-sent events `state`, until it has ended.
#[utoipa::path(get, path = "/v1/requests/{id}/events", tag = "detection", operation_id = "follow_request",
    params(("id" = String, Path, description = "id of the request")),
    responses((status = 200, description = "events", body = String, content_type = "text/event-stream"),
        crate::openapi::UnknownRequest))]
async fn events(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    draining: Draining,
) -> Result<Response, Problem> {
    let (objects, id) = (objects(&app)?.clone(), parsed(&id)?);
    let first = status(&objects, id).await?;
    Ok(event_stream(following(objects, first), draining))
}

/// The status now, and the last one.
fn following(objects: Objects, first: Status) -> impl Stream<Item = serde_json::Result<Event>> {
    let id = first.id;
    let last = stream::unfold((objects, first.is_last()), move |(objects, has_ended)| async move {
        if has_ended {
            return None;
        }
        let status = ended(&objects, id).await?;
        Some((status, (objects, true)))
    });
    stream::iter([first]).chain(last).map(|status| {
        let data = serde_json::to_string(&status)?;
        Ok(Event::default().event("state").data(data))
    })
}

async fn ended(objects: &Objects, id: DetectionId) -> Option<Status> {
    let begun = Instant::now();
    while begun.elapsed() < GREATEST_STREAM {
        tokio::time::sleep(LOOK).await;
        // A bucket that does not answer now may do so later.
        if let Ok(Some(reply)) = objects.result(id).await {
            return Some(Status::ended(reply));
        }
    }
    None
}
