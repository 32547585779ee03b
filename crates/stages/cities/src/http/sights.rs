//! The sights of a city, and what its crawl has found of each.

use std::sync::Arc;

use serde::Serialize;
use sightscan_http::Problem;
use sightscan_http::asked::Named;
use sightscan_http::axum;
use sightscan_http::axum::Json;
use sightscan_http::axum::extract::State;
use sightscan_types::Slug;
use sightscan_warehouse::crawls::{self, Fate, Yield};
use sightscan_warehouse::images::{self, LicenceCount};
use sightscan_warehouse::sights::{self, Sight};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::problems::{CityProblems, CrawlProblems};
use crate::Cities;
use crate::error::Error;

/// A sight of a city.
#[derive(Debug, Serialize, ToSchema)]
struct SightItem {
    /// Its name.
    name: String,
    /// Degrees north, WGS 84.
    latitude: Option<f64>,
    /// Degrees east, WGS 84.
    longitude: Option<f64>,
    /// Its item in Wikidata.
    #[schema(example = "Q82425")]
    wikidata: Option<String>,
    /// Which service knew it: whom to name for where it is.
    source: Option<String>,
}

/// The sights of a city.
#[derive(Debug, Serialize, ToSchema)]
struct Sights {
    /// Those that were found first first.
    items: Vec<SightItem>,
}

/// A sight, and how its crawl went. Times are milliseconds since 1970-01-01 UTC.
#[derive(Debug, Serialize, ToSchema)]
struct CrawledSight {
    #[serde(flatten)]
    sight: SightItem,
    /// When its crawl was last finished.
    crawled_at: Option<i64>,
    /// Pictures that were stored.
    kept: i64,
    /// Pictures that were not wanted.
    set_aside: i64,
}

/// Pictures that had the same fate.
#[derive(Debug, Serialize, ToSchema)]
struct FateItem {
    /// Who named them.
    found_by: String,
    /// Why they were set aside; null where they were kept.
    reason: Option<String>,
    /// How many.
    pictures: i64,
}

/// Images that have the same licence and review.
#[derive(Debug, Serialize, ToSchema)]
struct LicenceItem {
    /// The licence; null where it is not known.
    licence: Option<String>,
    /// Whether they may be trained on.
    review: String,
    /// How many.
    images: i64,
}

/// How the crawl of a city went.
#[derive(Debug, Serialize, ToSchema)]
struct CrawlReport {
    /// The sights.
    sights: Vec<CrawledSight>,
    /// What became of the pictures that sources have named.
    fates: Vec<FateItem>,
    /// Under which licences its images are.
    licences: Vec<LicenceItem>,
}

pub(super) fn looking() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list))
}

pub(super) fn deciding() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(crawl))
}

/// Lists the sights of a city: where they are, and where more is told about them.
#[utoipa::path(get, path = "/v1/cities/{slug}/sights", tag = "cities",
    params(("slug" = Slug, Path, description = "the city")),
    responses((status = 200, description = "its sights", body = Sights), CityProblems))]
async fn list(
    State(cities): State<Arc<Cities>>,
    Named(slug): Named<String>,
) -> Result<Json<Sights>, Problem> {
    let city = cities.find(&slug).await?;
    let found = sights::list(cities.database(), city.id).await.map_err(Error::from)?;
    Ok(Json(Sights { items: found.into_iter().map(SightItem::of).collect() }))
}

/// Tells how the crawl of a city went: what was found of each sight, what was set aside and why, and the licences.
#[utoipa::path(get, path = "/v1/cities/{slug}/crawl", tag = "cities", security(("admin" = [])),
    params(("slug" = Slug, Path, description = "the city")),
    responses((status = 200, description = "the report", body = CrawlReport), CrawlProblems))]
async fn crawl(
    State(cities): State<Arc<Cities>>,
    Named(slug): Named<String>,
) -> Result<Json<CrawlReport>, Problem> {
    let (city, database) = (cities.find(&slug).await?.id, cities.database());
    let found = sights::list(database, city).await.map_err(Error::from)?;
    let yields = crawls::yields(database, city).await.map_err(Error::from)?;
    let fates = crawls::fates(database, city).await.map_err(Error::from)?;
    let licences = images::licences(database, city).await.map_err(Error::from)?;
    let crawled = |sight: Sight| {
        let of_sight = yields.get(&sight.id).copied().unwrap_or_default();
        CrawledSight::of(sight, of_sight)
    };
    Ok(Json(CrawlReport {
        sights: found.into_iter().map(crawled).collect(),
        fates: fates.into_iter().map(FateItem::of).collect(),
        licences: licences.into_iter().map(LicenceItem::of).collect(),
    }))
}

impl SightItem {
    fn of(sight: Sight) -> Self {
        let known = sight.known;
        Self {
            name: known.name,
            latitude: known.latitude,
            longitude: known.longitude,
            wikidata: known.wikidata,
            source: known.source,
        }
    }
}

impl CrawledSight {
    fn of(sight: Sight, Yield { kept, set_aside }: Yield) -> Self {
        Self { crawled_at: sight.crawled_at, sight: SightItem::of(sight), kept, set_aside }
    }
}

impl FateItem {
    fn of(Fate { found_by, reason, pictures }: Fate) -> Self {
        Self { found_by, reason, pictures }
    }
}

impl LicenceItem {
    fn of(LicenceCount { licence, review, images }: LicenceCount) -> Self {
        Self { licence, review, images }
    }
}
