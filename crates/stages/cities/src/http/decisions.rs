//! What the administrator decides about a city.

use std::sync::Arc;

use sightscan_http::asked::{Named, Posted, Why};
use sightscan_http::axum;
use sightscan_http::axum::Json;
use sightscan_http::axum::extract::State;
use sightscan_http::axum::http::HeaderMap;
use sightscan_http::{Problem, RequestId};
use sightscan_types::Slug;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::cities::CityDetail;
use super::problems::DecisionProblems;
use crate::Cities;
use crate::life::{Action, Decision};

/// Who decides by these routes.
pub(super) const ADMIN: &str = "admin";
/// Declares the route of one decision.
macro_rules! decision {
    ($(#[doc = $doc:literal])+ $name:ident, $path:literal, $action:expr) => {
        $(#[doc = $doc])+
        #[utoipa::path(post, path = $path, tag = "cities", params(("slug" = Slug, Path, description = "the city")),
            request_body(content = Option<Why>, description = "the reason, where one is given"),
            security(("admin" = [])),
            responses((status = 200, description = "the city as it is now", body = CityDetail), DecisionProblems))]
        async fn $name(
            State(cities): State<Arc<Cities>>,
            Named(slug): Named<String>,
            headers: HeaderMap,
            Posted(why): Posted<Option<Why>>,
        ) -> Result<Json<CityDetail>, Problem> {
            decide(&cities, &slug, &headers, why.unwrap_or_default(), $action).await
        }
    };
}

decision!(
    /// Approves a city, however few have asked for it: its crawl begins.
    approve, "/v1/cities/{slug}/approve", |_| Action::Approve
);
decision!(
    /// Rejects a city; its jobs are cancelled. It can be approved later.
    reject, "/v1/cities/{slug}/reject", Action::Reject
);
decision!(
    /// Stops all work for a city until it is resumed.
    pause, "/v1/cities/{slug}/pause", Action::Pause
);
decision!(
    /// Lets a paused city go on where it was.
    resume, "/v1/cities/{slug}/resume", |_| Action::Resume
);
decision!(
    /// Lets a failed city go on with the stage that failed.
    retry, "/v1/cities/{slug}/retry", |_| Action::Retry
);

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(approve))
        .routes(routes!(reject))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(retry))
}

async fn decide(
    cities: &Cities,
    slug: &str,
    headers: &HeaderMap,
    why: Why,
    action: impl FnOnce(String) -> Action,
) -> Result<Json<CityDetail>, Problem> {
    let city = cities.find(slug).await?;
    let (reason, id) = (why.reason(), RequestId::of(headers));
    let decision = Decision { actor: ADMIN, why: Some(&reason), request_id: Some(id.as_str()) };
    let city = cities.decide(city.id, &action(reason.clone()), decision).await?;
    Ok(Json(cities.detail(city).await?))
}
