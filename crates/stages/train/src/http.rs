//! The routes by which the administrator decides which model answers for a city.

use std::fmt;

use serde::{Deserialize, Serialize};
use sightscan_http::asked::Why;
use sightscan_http::axum;
use sightscan_http::axum::Json;
use sightscan_http::axum::extract::{FromRef, State};
use sightscan_http::{AdminGate, Named, Page, PageQuery, Posted, Problem, Slug as Kind, SmallBodies};
use sightscan_types::{ModelAction, ModelState, Slug};
use sightscan_warehouse::Warehouse;
use sightscan_warehouse::cities::{self, City};
use sightscan_warehouse::models::{self, By, LedgerEntry, Model};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::Error;
use crate::registry;

/// Who decides by these routes.
const ADMIN: &str = "admin";

/// What the routes share.
#[derive(Debug, Clone)]
pub struct Api {
    warehouse: Warehouse,
    gate: AdminGate,
    bodies: SmallBodies,
}

impl Api {
    /// Routes about the models of this warehouse; `gate` lets the administrator in.
    pub fn new(warehouse: Warehouse, gate: AdminGate) -> Self {
        Self { warehouse, gate, bodies: SmallBodies::default() }
    }

    async fn city(&self, slug: &str) -> Result<City, Problem> {
        let found = match slug.parse::<Slug>() {
            Ok(slug) => cities::by_slug(&self.warehouse.database, &slug).await.map_err(Error::from)?,
            Err(_) => None,
        };
        found.ok_or_else(|| {
            let what = format!("there is no city {slug:?} here; GET /v1/cities lists all");
            Problem::new(Kind::UnknownCity, what)
        })
    }
}

impl FromRef<Api> for SmallBodies {
    fn from_ref(api: &Api) -> Self {
        api.bodies.clone()
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::UnknownModel { .. } => Kind::UnknownModel,
            Error::IsLive { .. } | Error::NothingBefore(_) => Kind::NotNow,
            Error::Warehouse(error) if error.is_transient() => Kind::Unavailable,
            _ => Kind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}

sightscan_http::problem_sets! {
    /// Of a decision about a model.
    DecisionProblems: Malformed, InvalidParameter, Unauthorized, UnknownCity, UnknownModel, BodyTimeout, NotNow, BodyTooLarge,
        UnsupportedMediaType, RateLimited, Internal, Unavailable;
    /// Of the ledger.
    LedgerProblems: InvalidParameter, BadCursor, Unauthorized, UnknownCity, RateLimited, Internal, Unavailable;
}

/// All routes with their descriptions for OpenAPI; they are the administrator's.
pub fn router(api: &Api) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(promote))
        .routes(routes!(roll_back))
        .routes(routes!(history))
        .layer(api.gate.layer())
        .with_state(api.clone())
}

/// A model that answers for its city now.
#[derive(Debug, Serialize, ToSchema)]
struct LiveItem {
    /// Its version.
    version: i64,
    /// `live`.
    state: ModelState,
}

impl LiveItem {
    fn of(model: &Model) -> Self {
        Self { version: model.version, state: model.state }
    }
}

/// A line of the ledger. Times are milliseconds since 1970-01-01 UTC.
#[derive(Debug, Serialize, ToSchema)]
pub struct LedgerItem {
    /// Counts from 1 for each city.
    number: i64,
    /// When.
    at: i64,
    /// What was done with the model.
    action: ModelAction,
    /// The model's version.
    version: i64,
    /// The version that was live until then, where another one becomes live.
    replaced: Option<i64>,
    /// Who did it.
    actor: String,
    /// Why.
    why: String,
}

impl From<LedgerEntry> for LedgerItem {
    fn from(entry: LedgerEntry) -> Self {
        let LedgerEntry { number, version, replaced, action, actor, why, at } = entry;
        Self { number, at, action, version, replaced, actor, why }
    }
}

impl fmt::Display for LedgerItem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, action, version, actor, why, .. } = self;
        write!(formatter, "{number:>4}  {action:<11}  version {version:<4}")?;
        match self.replaced {
            Some(replaced) => write!(formatter, "  instead of {replaced:<4}")?,
            None => write!(formatter, "{:18}", "")?,
        }
        write!(formatter, "  {actor}: {why}")
    }
}

/// Where the ledger goes on.
#[derive(Debug, Serialize, Deserialize)]
struct Before(i64);

impl sightscan_http::Place for Before {
    const LIST: &'static str = "ledger.1";
}

/// Makes a version the model that answers for its city, whatever the gate has said about it.
#[utoipa::path(post, path = "/v1/cities/{slug}/models/{version}/promote", tag = "models",
    params(("slug" = Slug, Path, description = "the city"), ("version" = i64, Path, description = "the model's version")),
    request_body(content = Option<Why>, description = "the reason, where one is given"), security(("admin" = [])),
    responses((status = 200, description = "the model is live", body = LiveItem), DecisionProblems))]
async fn promote(
    State(api): State<Api>,
    Named((slug, version)): Named<(String, i64)>,
    Posted(why): Posted<Option<Why>>,
) -> Result<Json<LiveItem>, Problem> {
    let (city, why) = (api.city(&slug).await?, why.unwrap_or_default().reason());
    let model = registry::promote(&api.warehouse, &city, version, By { actor: ADMIN, why: &why }).await?;
    Ok(Json(LiveItem::of(&model)))
}

/// Makes the model live again that the live one has replaced.
#[utoipa::path(post, path = "/v1/cities/{slug}/models/rollback", tag = "models",
    params(("slug" = Slug, Path, description = "the city")),
    request_body(content = Option<Why>, description = "the reason, where one is given"), security(("admin" = [])),
    responses((status = 200, description = "the model that is live now", body = LiveItem), DecisionProblems))]
async fn roll_back(
    State(api): State<Api>,
    Named(slug): Named<String>,
    Posted(why): Posted<Option<Why>>,
) -> Result<Json<LiveItem>, Problem> {
    let (city, why) = (api.city(&slug).await?, why.unwrap_or_default().reason());
    let model = registry::roll_back(&api.warehouse, &city, By { actor: ADMIN, why: &why }).await?;
    Ok(Json(LiveItem::of(&model)))
}

/// Tells what became of a city's models, the newest entry first: which was live when, and why.
#[utoipa::path(get, path = "/v1/cities/{slug}/models/history", tag = "models",
    params(("slug" = Slug, Path, description = "the city"), PageQuery), security(("admin" = [])),
    responses((status = 200, description = "a page of the ledger", body = Page<LedgerItem>), LedgerProblems))]
async fn history(
    State(api): State<Api>,
    Named(slug): Named<String>,
    page: PageQuery,
) -> Result<Json<Page<LedgerItem>>, Problem> {
    let city = api.city(&slug).await?;
    let before = page.after::<Before>()?.map(|Before(number)| number);
    let most = u32::try_from(page.limit + 1).unwrap_or(u32::MAX);
    let found = models::history(&api.warehouse.database, city.id, before, most).await.map_err(Error::from)?;
    let page = Page::cut(found, page.limit, |entry| Before(entry.number));
    Ok(Json(page.map(LedgerItem::from)))
}
