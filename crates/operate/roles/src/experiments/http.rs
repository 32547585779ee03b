//! `/v1/experiments`: how the service answers with so many workers and so many clients.

use std::sync::Arc;

use serde::Serialize;
use sightscan_http::asked::{Named, Posted};
use sightscan_http::axum;
use sightscan_http::axum::Json;
use sightscan_http::axum::extract::{FromRef, State};
use sightscan_http::axum::http::{StatusCode, header};
use sightscan_http::axum::response::IntoResponse;
use sightscan_http::{AdminGate, Problem, Slug as Kind, SmallBodies};
use sightscan_types::Slug;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::order::Order;
use super::{Error, ExperimentItem, Experiments};

#[derive(Debug, Clone)]
struct Api {
    experiments: Arc<Experiments>,
    bodies: SmallBodies,
}

impl FromRef<Api> for SmallBodies {
    fn from_ref(api: &Api) -> Self {
        api.bodies.clone()
    }
}

/// All experiments.
#[derive(Debug, Serialize, ToSchema)]
struct List {
    /// The newest first.
    items: Vec<ExperimentItem>,
}

sightscan_http::problem_sets! {
    /// Of the list.
    ListProblems: Unauthorized, RateLimited, Internal;
    /// Of one that is to be begun.
    OrderProblems: Malformed, InvalidParameter, Unauthorized, UnknownCity, BodyTimeout, NotNow, BodyTooLarge,
        UnsupportedMediaType, RateLimited, Internal, Unavailable;
    /// Of one that is there.
    ExperimentProblems: InvalidParameter, Unauthorized, NotFound, RateLimited, Internal;
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Order(_) => Kind::InvalidParameter,
            Error::UnknownCity(_) => Kind::UnknownCity,
            Error::NoPictures(_)
            | Error::NoModel(_)
            | Error::Runs(_)
            | Error::RunsElsewhere
            | Error::Taken(_) => Kind::NotNow,
            Error::Folder(_) => Kind::Unavailable,
            Error::Unknown(_) => Kind::NotFound,
            Error::Warehouse(error) if error.is_transient() => Kind::Unavailable,
            Error::Warehouse(_) | Error::Blobs(_) | Error::File(_) | Error::Json(_) => {
                return Self::internal(error);
            }
        };
        Self::new(kind, error.to_string())
    }
}

/// The routes, for the administrator.
pub(crate) fn router(experiments: Arc<Experiments>, gate: &AdminGate) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(start))
        .routes(routes!(stop))
        .routes(routes!(file))
        .layer(gate.layer())
        .with_state(Api { experiments, bodies: SmallBodies::default() })
}

/// Lists the experiments, the newest first.
#[utoipa::path(get, path = "/v1/experiments", tag = "experiments", operation_id = "list_experiments",
    security(("admin" = [])), responses((status = 200, description = "all", body = List), ListProblems))]
async fn list(State(api): State<Api>) -> Result<Json<List>, Problem> {
    Ok(Json(List { items: api.experiments.list()? }))
}

/// Begins to measure how long the live model of a city takes to answer, by so many workers for so many client threads. The
/// workers are processes of this machine. One experiment is measured at a time.
#[utoipa::path(post, path = "/v1/experiments", tag = "experiments", operation_id = "start_experiment",
    request_body = Order, security(("admin" = [])),
    responses((status = 201, description = "it is being measured", body = ExperimentItem), OrderProblems))]
async fn start(State(api): State<Api>, Posted(order): Posted<Order>) -> Result<impl IntoResponse, Problem> {
    let item = api.experiments.start(order).await?;
    Ok((StatusCode::CREATED, Json(item)))
}

/// Ends a measurement; what it has is kept, with a report. One that has ended stays as it is.
#[utoipa::path(post, path = "/v1/experiments/{name}/stop", tag = "experiments", operation_id = "stop_experiment",
    params(("name" = Slug, Path, description = "the experiment")), security(("admin" = [])),
    responses((status = 200, description = "it is ending, or has ended", body = ExperimentItem), ExperimentProblems))]
async fn stop(State(api): State<Api>, Named(name): Named<String>) -> Result<Json<ExperimentItem>, Problem> {
    Ok(Json(api.experiments.stop(&named(&name)?)?))
}

/// A file that an experiment has left behind: its plots, its report, or a line a cell.
#[utoipa::path(get, path = "/v1/experiments/{name}/files/{file}", tag = "experiments",
    operation_id = "experiment_file", params(("name" = Slug, Path, description = "the experiment"),
        ("file" = String, Path, description = "one of its `files`")), security(("admin" = [])),
    responses((status = 200, description = "the file", content_type = "*/*"), ExperimentProblems))]
async fn file(
    State(api): State<Api>,
    Named((name, file)): Named<(String, String)>,
) -> Result<impl IntoResponse, Problem> {
    let (kind, bytes) = api.experiments.folder(&named(&name)?).file(&file)?;
    Ok(([(header::CONTENT_TYPE, kind)], bytes))
}

fn named(name: &str) -> Result<Slug, Error> {
    name.parse().map_err(|_| Error::Unknown(format!("experiment {name:?}")))
}
