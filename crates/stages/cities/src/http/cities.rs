//! `/v1/cities`: which there are, how far they are, and asking for one.

use std::sync::Arc;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sightscan_http::asked::{Asked, Named, Posted};
use sightscan_http::axum;
use sightscan_http::axum::Json;
use sightscan_http::axum::extract::State;
use sightscan_http::axum::http::{HeaderMap, StatusCode, header};
use sightscan_http::axum::response::IntoResponse;
use sightscan_http::{ClientAddress, Page, PageQuery, Problem, RequestId};
use sightscan_types::{CityName, CityState, Slug, Stage};
use sightscan_warehouse::cities::{self, City, Event, Filter, Requests};
use sightscan_warehouse::marts;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::problems::{CitiesProblems, CrawlProblems, RequestProblems};
use crate::Cities;
use crate::error::Result;
use crate::places::{Place, Places, Resolution};
use crate::requests::{Requested, Wanted};

/// A life has some ten steps; more are those of a city that failed often.
const GREATEST_HISTORY: u32 = 500;
/// So many places are suggested.
const NEAREST: usize = 10;
/// No name is longer.
const LONGEST_SEARCH: usize = 100;

/// Where a list of cities goes on.
#[derive(Debug, Serialize, Deserialize)]
struct After(Slug);

impl sightscan_http::Place for After {
    const LIST: &'static str = "cities.1";
}

/// Which cities are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wish {
    /// Only cities whose name contains this text, in any capitalisation.
    #[param(max_length = 100)]
    q: Option<String>,
    /// Only cities in this state.
    #[param(inline)]
    state: Option<CityState>,
    #[serde(default, rename = "limit")]
    #[param(ignore)]
    _limit: IgnoredAny,
    #[serde(default, rename = "cursor")]
    #[param(ignore)]
    _cursor: IgnoredAny,
}

/// Where a city lies.
#[derive(Debug, Serialize, ToSchema)]
struct Location {
    /// The id of GeoNames.
    id: i64,
    /// The country's code (ISO 3166-1 alpha-2).
    country: String,
    /// Degrees north.
    latitude: f64,
    /// Degrees east.
    longitude: f64,
}

/// How far the stage is that works for a city.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProgressItem {
    /// Units that are done.
    done: i64,
    /// Units there are; null while that is not known.
    total: Option<i64>,
    /// What is being done.
    message: Option<String>,
}

/// A city. Times are milliseconds since 1970-01-01 UTC.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CityItem {
    /// Its unique name in URLs.
    slug: Slug,
    /// Its name.
    #[schema(example = "New York")]
    name: String,
    /// Its name on the original's routes.
    #[schema(example = "NEW_YORK")]
    legacy_name: String,
    /// Where it lies; null for a name that the gazetteer does not know.
    place: Option<Location>,
    /// Where it is in its life.
    state: CityState,
    /// Since when.
    since: i64,
    /// The stage that failed.
    failed_stage: Option<Stage>,
    /// Why it failed, is paused or rejected.
    reason: Option<String>,
    /// How far the stage is that works for it.
    progress: ProgressItem,
    /// When it was first asked for.
    created_at: i64,
}

/// How often a city was asked for.
#[derive(Debug, Serialize, ToSchema)]
struct RequestCounts {
    /// Every request.
    posts: i64,
    /// Different requesters.
    requesters: i64,
    /// So many different requesters approve a city.
    threshold: u32,
}

/// What there is of a city, as of the last refresh.
#[derive(Debug, Serialize, ToSchema)]
struct Counts {
    /// Images.
    images: i64,
    /// Images with at least one box.
    labelled: i64,
    /// Images in which nothing was found.
    empty: i64,
    /// Images that nobody has looked at.
    unlabelled: i64,
    /// Images that were donated.
    donated: i64,
    /// Boxes.
    boxes: i64,
    /// Sights.
    sights: i64,
    /// Models.
    models: i64,
    /// When these were counted.
    refreshed_at: i64,
}

/// Paid calls of labelling services in a city's lifetime.
#[derive(Debug, Serialize, ToSchema)]
struct BudgetItem {
    /// Calls that were made.
    calls: i64,
    /// Calls that may be made.
    limit: u32,
}

/// A city in a list.
#[derive(Debug, Serialize, ToSchema)]
struct ListedCity {
    #[serde(flatten)]
    city: CityItem,
    /// What may be spent on it; for the administrator only.
    budget: Option<BudgetItem>,
}

/// A change of a city's state.
#[derive(Debug, Serialize, ToSchema)]
struct HistoryItem {
    /// Its number among the city's events.
    number: i64,
    /// When.
    at: i64,
    /// Who.
    actor: String,
    /// The state before.
    from: Option<String>,
    /// The state after.
    to: Option<String>,
    /// The stage that failed.
    stage: Option<String>,
    /// Why.
    message: Option<String>,
}

/// Everything about a city.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CityDetail {
    #[serde(flatten)]
    city: CityItem,
    /// How often it was asked for.
    requests: RequestCounts,
    /// What there is of it; null before the first refresh.
    counts: Option<Counts>,
    /// So many labelled images a sight needs before it is learnt.
    min_images_per_label: u32,
    /// What may be spent on it; for the administrator only.
    budget: Option<BudgetItem>,
    /// Its changes of state, the oldest first.
    history: Vec<HistoryItem>,
}

/// A request for a city.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Order {
    /// A name of the city, in any script.
    #[schema(max_length = 100, example = "Berlin")]
    name: Option<String>,
    /// The country, where there are namesakes: its code or its name in English.
    country: Option<String>,
    /// The id of the place, as `/v1/places` tells it; then the name need not be given.
    place: Option<u32>,
}

/// What a request has brought about.
#[derive(Debug, Serialize, ToSchema)]
struct RequestOutcome {
    #[serde(flatten)]
    city: CityItem,
    /// How often it was asked for, this time included.
    requests: RequestCounts,
    /// Whether this request approved it.
    approved_now: bool,
}

pub(super) fn looking() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

pub(super) fn changing() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(request))
}

/// Lists the cities by name.
#[utoipa::path(get, path = "/v1/cities", tag = "cities", params(Wish, PageQuery),
    responses((status = 200, description = "a page of cities", body = Page<ListedCity>), CitiesProblems))]
async fn list(
    State(api): State<Api>,
    page: PageQuery,
    Asked(wish): Asked<Wish>,
    client: ClientAddress,
    headers: HeaderMap,
) -> Result<Json<Page<ListedCity>>, Problem> {
    if wish.q.as_ref().is_some_and(|text| text.chars().count() > LONGEST_SEARCH) {
        let what = format!("`q` has more than {LONGEST_SEARCH} characters; shorten it");
        return Err(Problem::new(sightscan_http::Slug::InvalidParameter, what));
    }
    let (filter, after) = (Filter { state: wish.state, search: wish.q }, page.after::<After>()?);
    let after = after.as_ref().map(|After(slug)| slug);
    let found = cities::list(api.cities.database(), &filter, after, one_more(&page)).await;
    let found = found.map_err(crate::Error::from)?;
    let page = Page::cut(found, page.limit, |city| After(city.slug.clone()));
    let is_admin = api.is_admin(client, &headers)?;
    Ok(Json(page.map(|city| ListedCity {
        budget: is_admin.then(|| api.cities.budget(&city)),
        city: CityItem::of(city),
    })))
}

/// As many items as a page has, and one by which it is seen that there are more.
pub(super) fn one_more(page: &PageQuery) -> u32 {
    u32::try_from(page.limit + 1).unwrap_or(u32::MAX)
}

/// Tells everything about a city.
#[utoipa::path(get, path = "/v1/cities/{slug}", tag = "cities",
    params(("slug" = Slug, Path, description = "the city")),
    responses((status = 200, description = "the city", body = CityDetail), CrawlProblems))]
async fn show(
    State(api): State<Api>,
    Named(slug): Named<String>,
    client: ClientAddress,
    headers: HeaderMap,
) -> Result<Json<CityDetail>, Problem> {
    let city = api.cities.find(&slug).await?;
    let budget = api.is_admin(client, &headers)?.then(|| api.cities.budget(&city));
    Ok(Json(CityDetail { budget, ..api.cities.detail(city).await? }))
}

/// Asks for a city. Each request is counted; enough different requesters approve the city, and its crawl begins.
#[utoipa::path(post, path = "/v1/cities", tag = "cities", request_body = Order, responses(
    (status = 200, description = "the city was asked for before", body = RequestOutcome),
    (status = 201, description = "nobody had asked for the city before", body = RequestOutcome,
        headers(("location" = String, description = "the path of the city"))),
    RequestProblems))]
async fn request(
    State(cities): State<Arc<Cities>>,
    client: ClientAddress,
    headers: HeaderMap,
    Posted(order): Posted<Order>,
) -> Result<impl IntoResponse, Problem> {
    let wanted = tokio::task::spawn_blocking(move || wanted(&order)).await.map_err(Problem::internal)??;
    let requester = cities.salt.requester(client);
    let id = RequestId::of(&headers);
    let requested = cities.request(&wanted, &requester, Some(id.as_str())).await?;
    let status = if requested.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let location = [(header::LOCATION, format!("/v1/cities/{}", requested.city.slug))];
    Ok((status, location, Json(cities.outcome(requested))))
}

/// The city that is meant: its place is known, its name is the one that was typed, if it is a name.
fn wanted(order: &Order) -> Result<Wanted<'static>, Problem> {
    let place = resolve(order)?;
    let typed = order.name.as_deref().and_then(|name| CityName::parse(name).ok());
    Ok(Wanted { name: typed.unwrap_or_else(|| place.city.clone()), place: Some(place) })
}

/// The place that is meant, or the problem that tells which may be.
fn resolve(order: &Order) -> Result<&'static Place, Problem> {
    let name = order.name.as_deref().unwrap_or_default();
    if name.trim().is_empty() && order.place.is_none() {
        let what = "give the `name` of the city, or its `place`";
        return Err(Problem::new(sightscan_http::Slug::Malformed, what));
    }
    match Places::embedded().resolve(name, order.country.as_deref(), order.place) {
        Resolution::One(place) => Ok(place),
        Resolution::Several(places) => {
            let what = format!(
                "{} places are called `{name}`; send the `place` or the `country` of one",
                places.len()
            );
            Err(choose(sightscan_http::Slug::AmbiguousPlace, what, places.into_iter()))
        }
        Resolution::Unknown { nearest } => {
            let missing = match order.place {
                Some(id) => format!("has the id {id}"),
                None => format!("is called `{name}`"),
            };
            let what =
                format!("no place that is known {missing}; choose one of `nearest`, or see /v1/places");
            let nearest = nearest.into_iter().map(|suggestion| suggestion.place);
            Err(choose(sightscan_http::Slug::UnknownPlace, what, nearest))
        }
    }
}

fn choose(slug: sightscan_http::Slug, what: String, places: impl Iterator<Item = &'static Place>) -> Problem {
    let nearest: Vec<_> = places
        .take(NEAREST)
        .map(|place| {
            json!({"place": place.id, "name": place.name, "label": place.label, "slug": place.slug(), "country": place.country.code})
        })
        .collect();
    Problem::new(slug, what).with("nearest", nearest.into())
}

impl Cities {
    /// Everything about a city.
    pub(super) async fn detail(&self, city: City) -> Result<CityDetail> {
        let database = &self.warehouse.database;
        let requests = cities::requests(database, city.id).await?;
        let counts = marts::progress(database, &city.slug).await?;
        let history = cities::history(database, city.id, 0, GREATEST_HISTORY).await?;
        Ok(CityDetail {
            requests: self.request_counts(requests),
            counts: counts.map(Counts::of),
            min_images_per_label: self.config.min_images_per_label,
            budget: None,
            history: history.into_iter().map(HistoryItem::of).collect(),
            city: CityItem::of(city),
        })
    }

    fn budget(&self, city: &City) -> BudgetItem {
        BudgetItem { calls: city.label_calls, limit: self.config.label_budget(city.label_budget) }
    }

    fn outcome(&self, requested: Requested) -> RequestOutcome {
        let Requested { city, requests, approved_now, .. } = requested;
        RequestOutcome { city: CityItem::of(city), requests: self.request_counts(requests), approved_now }
    }

    fn request_counts(&self, requests: Requests) -> RequestCounts {
        let Requests { posts, requesters } = requests;
        RequestCounts { posts, requesters, threshold: self.config.request_threshold }
    }
}

impl CityItem {
    pub(super) fn of(city: City) -> Self {
        Self {
            slug: city.slug,
            name: city.name,
            legacy_name: city.legacy_name,
            place: city.place.map(|place| Location {
                id: place.id,
                country: place.country,
                latitude: place.latitude,
                longitude: place.longitude,
            }),
            state: city.state,
            since: city.state_since,
            failed_stage: city.failed_stage,
            reason: city.reason,
            progress: ProgressItem::of(city.progress),
            created_at: city.created_at,
        }
    }
}

impl Counts {
    fn of(progress: marts::Progress) -> Self {
        Self {
            images: progress.images,
            labelled: progress.labelled,
            empty: progress.empty,
            unlabelled: progress.unlabelled,
            donated: progress.donated,
            boxes: progress.boxes,
            sights: progress.sights,
            models: progress.models,
            refreshed_at: progress.refreshed_at,
        }
    }
}

impl ProgressItem {
    pub(super) fn of(progress: cities::Progress) -> Self {
        Self { done: progress.done, total: progress.total, message: progress.message }
    }
}

impl HistoryItem {
    fn of(event: Event) -> Self {
        Self {
            number: event.number,
            at: event.at,
            actor: event.actor,
            from: event.from_state,
            to: event.state,
            stage: event.stage,
            message: event.message,
        }
    }
}
