//! `GET /v1/places`: suggestions while a city's name is typed.

use serde::{Deserialize, Serialize};
use sightscan_http::axum;
use sightscan_http::axum::Json;
use sightscan_http::axum::extract::Query;
use sightscan_http::axum::extract::rejection::QueryRejection;
use sightscan_http::axum::http::header;
use sightscan_http::axum::response::IntoResponse;
use sightscan_http::{Problem, Slug};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problems::PlaceProblems;
use crate::places::{Place, Places};

/// Longer than any name; longer questions are mistakes.
const LONGEST_QUESTION: usize = 100;
const USUAL_LIMIT: usize = 10;
const GREATEST_LIMIT: usize = 50;
/// Browsers may keep an answer for an hour: it changes only with the version of the program.
const CACHE: &str = "public, max-age=3600";

/// What is looked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// A name or its beginning, in any script; `paris, us` looks in one country only.
    #[param(min_length = 1, max_length = 100)]
    q: String,
    /// The greatest number of places; 10 unless given.
    #[param(minimum = 1, maximum = 50)]
    limit: Option<usize>,
}

/// A place that may be meant.
#[derive(Debug, Serialize, ToSchema)]
struct PlaceItem {
    /// The id of GeoNames.
    #[schema(example = 4717560)]
    id: u32,
    /// What it is mostly called.
    #[schema(example = "Paris")]
    name: String,
    /// What tells it from its namesakes.
    #[schema(example = "Paris, Texas, United States")]
    label: String,
    /// Its unique name in URLs.
    slug: sightscan_types::Slug,
    /// The country's code (ISO 3166-1 alpha-2).
    #[schema(example = "US")]
    country: String,
    /// The country in English.
    #[schema(example = "United States")]
    country_name: String,
    /// Degrees north.
    latitude: f64,
    /// Degrees east.
    longitude: f64,
    /// How many people live there.
    population: u32,
}

/// The places that may be meant, the likeliest first.
#[derive(Debug, Serialize, ToSchema)]
struct PlaceList {
    items: Vec<PlaceItem>,
}

impl PlaceItem {
    fn of(place: &Place) -> Self {
        Self {
            id: place.id,
            name: place.name.to_string(),
            slug: place.slug(),
            label: place.label.to_string(),
            country: place.country.code.to_string(),
            country_name: place.country.name.to_string(),
            latitude: place.latitude,
            longitude: place.longitude,
            population: place.population,
        }
    }
}

pub(super) fn router<S: Clone + Send + Sync + 'static>() -> OpenApiRouter<S> {
    OpenApiRouter::new().routes(routes!(places))
}

/// Finds the places whose name begins with a text, or is nearest to it where none does.
#[utoipa::path(get, path = "/v1/places", tag = "cities", params(Asked), responses(
    (status = 200, description = "the places, the likeliest first", body = PlaceList),
    PlaceProblems))]
async fn places(query: Result<Query<Asked>, QueryRejection>) -> Result<impl IntoResponse, Problem> {
    let Query(asked) = query.map_err(|error| invalid(error.body_text()))?;
    let limit = checked(&asked)?;
    // Its own thread: the first question unpacks the table, and misspelt names are compared with all.
    let found = tokio::task::spawn_blocking(move || suggestions(&asked.q, limit));
    let list = found.await.map_err(Problem::internal)?;
    Ok(([(header::CACHE_CONTROL, CACHE)], Json(list)))
}

/// The number of places that are asked for, where the question can be answered.
fn checked(asked: &Asked) -> Result<usize, Problem> {
    if asked.q.trim().is_empty() {
        return Err(invalid("`q` is empty, but must be a name or its beginning".to_owned()));
    }
    if asked.q.chars().count() > LONGEST_QUESTION {
        return Err(invalid(format!("`q` has more than {LONGEST_QUESTION} characters; shorten it")));
    }
    let limit = asked.limit.unwrap_or(USUAL_LIMIT);
    if !(1..=GREATEST_LIMIT).contains(&limit) {
        return Err(invalid(format!("`limit` is {limit}, but must be between 1 and {GREATEST_LIMIT}")));
    }
    Ok(limit)
}

fn invalid(what: String) -> Problem {
    Problem::new(Slug::InvalidParameter, what)
}

fn suggestions(question: &str, limit: usize) -> PlaceList {
    let found = Places::embedded().search(question, limit);
    PlaceList { items: found.iter().map(|suggestion| PlaceItem::of(suggestion.place)).collect() }
}
