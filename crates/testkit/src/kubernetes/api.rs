//! The API: the paths that are asked for, and who may ask.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, Request, State};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answers::{
    conflict, cut, failed, forbidden, gone, invalid, json_answer, not_found, refusal, too_many, unauthorized,
};
use super::faults::Fault;
use super::pod::COST;
use super::{DEPLOYMENT, NAMESPACE, Shared, lock, watch};

/// What a list or a watch of pods is asked with.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Question {
    label_selector: String,
    limit: Option<usize>,
    #[serde(rename = "continue")]
    page: String,
    watch: bool,
    pub(super) resource_version: String,
    pub(super) timeout_seconds: Option<u64>,
    pub(super) allow_watch_bookmarks: bool,
}

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let deployment = "/apis/apps/v1/namespaces/{namespace}/deployments/{name}";
    let pods = "/api/v1/namespaces/{namespace}/pods";
    Router::new()
        .route(deployment, get(show_deployment))
        .route(&format!("{deployment}/scale"), get(show_scale).patch(change_scale))
        .route(pods, get(pods_or_events))
        .route(&format!("{pods}/{{name}}"), patch(change_pod))
        .layer(from_fn_with_state(Arc::clone(&shared), received))
        .with_state(shared)
}

/// Every call is noted; the token is checked; then it goes wrong where it should.
async fn received(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let method = request.method().to_string();
    let address = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
    lock(&shared.asked).push(format!("{method} {address}"));
    let wanted = format!("Bearer {}", lock(&shared.token));
    if request.headers().get(AUTHORIZATION).is_none_or(|given| given.as_bytes() != wanted.as_bytes()) {
        return unauthorized();
    }
    match shared.faults.draw(&method, &address) {
        None => next.run(request).await,
        Some(Fault::Conflict) => conflict(),
        Some(Fault::Gone) => gone(),
        Some(Fault::TooMany { retry_after }) => too_many(retry_after),
        Some(Fault::Forbidden) => forbidden(&method, &address),
        Some(Fault::Status(code)) => failed(code),
        Some(Fault::Cut) => cut(),
        Some(Fault::Stall(delay)) => {
            tokio::time::sleep(delay).await;
            next.run(request).await
        }
        Some(Fault::Unheard) => {
            next.run(request).await;
            cut()
        }
    }
}

/// An answer that says why it was not done.
struct Refusal(Box<Response>);

impl From<Response> for Refusal {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        *self.0
    }
}

type At = Path<(String, String)>;

/// Whether a call is about the deployment that there is.
fn is_ours(namespace: &str, name: &str) -> Result<(), Refusal> {
    let is_known = namespace == NAMESPACE && name == DEPLOYMENT;
    is_known.then_some(()).ok_or_else(|| not_found("deployments.apps", name).into())
}

async fn show_deployment(
    State(shared): State<Arc<Shared>>,
    Path((namespace, name)): At,
) -> Result<Response, Refusal> {
    is_ours(&namespace, &name)?;
    Ok(json_answer(&shared.state().shown_deployment()))
}

async fn show_scale(
    State(shared): State<Arc<Shared>>,
    Path((namespace, name)): At,
) -> Result<Response, Refusal> {
    is_ours(&namespace, &name)?;
    Ok(json_answer(&shared.state().shown_scale()))
}

async fn change_scale(
    State(shared): State<Arc<Shared>>,
    Path((namespace, name)): At,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    is_ours(&namespace, &name)?;
    let patch = merge_patch(&headers, &body)?;
    let seen = patch["metadata"]["resourceVersion"].as_str();
    let replicas = patch["spec"]["replicas"].as_u64().and_then(|number| u32::try_from(number).ok());
    let replicas = replicas
        .ok_or_else(|| invalid("spec.replicas: Invalid value: must be greater than or equal to 0"))?;
    shared.change(|state| {
        if seen.is_some_and(|version| version != state.deployment_version().to_string()) {
            return Err(conflict().into());
        }
        state.scale(replicas);
        Ok(json_answer(&state.shown_scale()))
    })
}

/// The changes of RFC 7386, the only ones that are understood here.
fn merge_patch(headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind != "application/merge-patch+json" {
        let told = format!("the body of the request was in an unknown format: {kind}");
        return Err(refusal(415, "UnsupportedMediaType", &told).into());
    }
    Ok(serde_json::from_slice(body).map_err(|error| refusal(400, "BadRequest", &error.to_string()))?)
}

async fn change_pod(
    State(shared): State<Arc<Shared>>,
    Path((_, name)): At,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let patch = merge_patch(&headers, &body)?;
    shared.change(|state| {
        let pod = state.pods.get_mut(&name).ok_or_else(|| not_found("pods", &name))?;
        for (key, value) in patch["metadata"]["annotations"].as_object().into_iter().flatten() {
            let Some(value) = value.as_str() else {
                pod.annotations.remove(key);
                continue;
            };
            if key == COST && value.parse::<i32>().is_err() {
                let told = format!("metadata.annotations[{COST}]: Invalid value: must be a 32bit integer");
                return Err(invalid(&told).into());
            }
            pod.annotations.insert(key.clone(), value.to_owned());
        }
        let shown = pod.shown();
        state.tell("MODIFIED", &name);
        Ok(json_answer(&shown))
    })
}

async fn pods_or_events(
    State(shared): State<Arc<Shared>>,
    Path(namespace): Path<String>,
    Query(question): Query<Question>,
) -> Response {
    let is_asked_for = namespace == NAMESPACE && question.label_selector == format!("app={DEPLOYMENT}");
    if question.watch { watch::events(shared, &question) } else { pods(&shared, &question, is_asked_for) }
}

/// One page of pods. A page says how to ask for the next one: by the version of the list, and the last name on it.
fn pods(shared: &Shared, question: &Question, is_asked_for: bool) -> Response {
    let state = shared.state();
    let (version, after) = match question.page.split_once(':') {
        Some((version, after)) => (version.parse().unwrap_or(0), after.to_owned()),
        None => (state.version(), String::new()),
    };
    if version < state.forgotten {
        return gone();
    }
    let page = question.limit.unwrap_or(usize::MAX).min(shared.options.page);
    let mut rest = state.pods.values().filter(|pod| is_asked_for && pod.place.name > after);
    let items: Vec<_> = rest.by_ref().take(page).collect();
    let mut metadata = json!({"resourceVersion": version.to_string()});
    if let (Some(last), left @ 1..) = (items.last(), rest.count()) {
        metadata["continue"] = json!(format!("{version}:{}", last.place.name));
        metadata["remainingItemCount"] = json!(left);
    }
    let items: Vec<Value> = items.iter().map(|pod| pod.shown()).collect();
    json_answer(&json!({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items}))
}
