//! The routes that tell how the pools are, and what one worker does.

use std::sync::Arc;

use serde::Serialize;
use sightscan_fleet::{Activity, Reporter};
use sightscan_http::axum;
use sightscan_http::axum::Json;
use sightscan_http::axum::extract::State;
use sightscan_http::axum::routing::get;
use sightscan_http::{AdminGate, Problem, Slug};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::past::Moment;
use super::{Fleet, FleetStatus};

/// How the pools were.
#[derive(Debug, Serialize, ToSchema)]
struct History {
    /// The last hour, as often as somebody has looked; the oldest first.
    samples: Vec<Moment>,
}

sightscan_http::problem_sets! {
    /// Of the pools.
    PoolProblems: Unauthorized, RateLimited, Unavailable;
    /// Of their past.
    HistoryProblems: Unauthorized, RateLimited;
}

/// The routes, for the administrator.
pub(crate) fn router(fleet: Arc<Fleet>, gate: &AdminGate) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(pools)).routes(routes!(history)).layer(gate.layer()).with_state(fleet)
}

/// Tells how the pools of workers are: what waits, who works, and how many objects there are.
#[utoipa::path(get, path = "/v1/pools", tag = "pools", security(("admin" = [])),
    responses((status = 200, description = "the pools", body = FleetStatus), PoolProblems))]
async fn pools(State(fleet): State<Arc<Fleet>>) -> Result<Json<FleetStatus>, Problem> {
    let status = fleet.status().await;
    status
        .map(Json)
        .map_err(|error| Problem::new(Slug::Unavailable, format!("the pools cannot be asked: {error}")))
}

/// Tells how the pools were in the last hour, at each time at which somebody has asked this server for `/v1/pools`.
#[utoipa::path(get, path = "/v1/pools/history", tag = "pools", security(("admin" = [])),
    responses((status = 200, description = "the last hour", body = History), HistoryProblems))]
async fn history(State(fleet): State<Arc<Fleet>>) -> Json<History> {
    Json(History { samples: fleet.past.moments(fleet.database.now()) })
}

/// The route that tells what this worker does, beside its health: for whoever decides which worker is not needed.
pub(crate) fn of_worker(reporter: Reporter) -> axum::Router {
    axum::Router::new().route("/v1/worker", get(worker)).with_state(reporter)
}

async fn worker(State(reporter): State<Reporter>) -> Json<Activity> {
    Json(reporter.activity())
}
