//! The models of a city: which there are, and their files.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sightscan_http::asked::Named;
use sightscan_http::axum;
use sightscan_http::axum::Json;
use sightscan_http::axum::extract::State;
use sightscan_http::axum::http::{HeaderMap, HeaderValue, header};
use sightscan_http::axum::response::Response;
use sightscan_http::{Page, PageQuery, Problem};
use sightscan_types::{ImageId, ModelState, Sha256, Slug};
use sightscan_warehouse::cities::City;
use sightscan_warehouse::models::{self, Details, Model, Seen, SeenBox};
use sightscan_warehouse::{Database, images};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::cities::one_more;
use super::files::{self, File};
use super::images::BoxItem;
use super::problems::{CityListProblems, DetailProblems, ModelProblems};
use crate::Cities;
use crate::error::{Error, Result};

/// The word for a city's live model.
const LATEST: &str = "latest";
/// ONNX has no registered media type.
const ONNX: &str = "application/octet-stream";

/// Where a list of models goes on.
#[derive(Debug, Serialize, Deserialize)]
struct Before(i64);

impl sightscan_http::Place for Before {
    const LIST: &'static str = "models.1";
}

/// A model of a city. Times are milliseconds since 1970-01-01 UTC.
#[derive(Debug, Serialize, ToSchema)]
struct ModelItem {
    /// Counts from 1 for each city.
    version: i64,
    /// Whether it answers for the city.
    state: ModelState,
    /// The SHA-256 of its ONNX file.
    sha256: Sha256,
    /// Bytes of that file.
    size: i64,
    /// How good it is, as its training measured; epoch by epoch at `…/models/{version}`.
    #[schema(value_type = Object)]
    metrics: serde_json::Value,
    /// Labelled images of the city that it was trained on.
    considered_images: i64,
    /// When it was stored.
    created_at: i64,
    /// When something that it was trained on was withdrawn.
    tainted_at: Option<i64>,
    /// Why it is marked.
    taint: Option<String>,
}

/// A model, and how its training went.
#[derive(Debug, Serialize, ToSchema)]
struct ModelDetail {
    #[serde(flatten)]
    item: ModelItem,
    /// What happened in each epoch; empty for a model that was not trained here.
    #[schema(value_type = Vec<Object>)]
    history: Vec<serde_json::Value>,
    /// Some of the test pictures; empty for a model that was not trained here.
    sheet: Vec<SheetItem>,
}

/// A picture of a contact sheet: what is there beside what was found.
#[derive(Debug, Serialize, ToSchema)]
struct SheetItem {
    /// The image.
    image: ImageId,
    /// Pixels.
    width: u32,
    /// Pixels.
    height: u32,
    /// What is there.
    there: Vec<BoxItem>,
    /// What the model finds.
    found: Vec<BoxItem>,
}

pub(super) fn looking() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(download))
}

pub(super) fn deciding() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(show))
}

/// Lists the models of a city, the newest first.
#[utoipa::path(get, path = "/v1/cities/{slug}/models", tag = "models",
    params(("slug" = Slug, Path, description = "the city"), PageQuery),
    responses((status = 200, description = "a page of models", body = Page<ModelItem>), CityListProblems))]
async fn list(
    State(cities): State<Arc<Cities>>,
    Named(slug): Named<String>,
    page: PageQuery,
) -> Result<Json<Page<ModelItem>>, Problem> {
    let city = cities.find(&slug).await?;
    let before = page.after::<Before>()?.map(|Before(version)| version);
    let found = models::list(&cities.warehouse.database, city.id, before, one_more(&page)).await;
    let page = Page::cut(found.map_err(Error::from)?, page.limit, |model| Before(model.version));
    let items = page.items.into_iter().map(|model| ModelItem::of(model).map(|(item, _)| item));
    Ok(Json(Page { items: items.collect::<Result<_>>()?, next: page.next }))
}

/// Tells how the training of a model went, epoch by epoch, and what it finds in some of the test pictures.
#[utoipa::path(get, path = "/v1/cities/{slug}/models/{version}", tag = "models", security(("admin" = [])),
    params(("slug" = Slug, Path, description = "the city"), ("version" = String, Path, description = "a number or `latest`")),
    responses((status = 200, description = "the model", body = ModelDetail), DetailProblems))]
async fn show(
    State(cities): State<Arc<Cities>>,
    Named((slug, version)): Named<(String, String)>,
) -> Result<Json<ModelDetail>, Problem> {
    let city = cities.find(&slug).await?;
    let model = cities.model(&city, &version).await?;
    Ok(Json(ModelDetail::of(model, cities.database()).await?))
}

/// The ONNX file of a model; `latest` is the live one.
#[utoipa::path(get, path = "/v1/cities/{slug}/models/{version}/file", tag = "models",
    params(("slug" = Slug, Path, description = "the city"), ("version" = String, Path, description = "a number or `latest`")),
    responses((status = 200, description = "the file", content_type = "application/octet-stream",
            headers(("etag" = String), ("x-sightscan-sha256" = String), ("x-sightscan-model-version" = i64))),
        (status = 206, description = "a part of it", content_type = "application/octet-stream"),
        (status = 304, description = "the client has it"), ModelProblems))]
async fn download(
    State(cities): State<Arc<Cities>>,
    Named((slug, version)): Named<(String, String)>,
    request: files::Request,
) -> Result<Response, Problem> {
    let city = cities.find(&slug).await?;
    let model = cities.model(&city, &version).await?;
    file(&city, model).send(&request, &cities.warehouse.blobs).await
}

/// The ONNX file of a model. Whoever asks for the latest one must ask again next time.
pub(super) fn file(city: &City, model: Model) -> File {
    let cached = (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let version = (files::VERSION, HeaderValue::from(model.version));
    File {
        sha256: model.sha256,
        size: model.size,
        media_type: ONNX.to_owned(),
        name: Some(format!("{}-{}.onnx", city.slug, model.version)),
        headers: HeaderMap::from_iter([cached, version]),
    }
}

impl Cities {
    async fn model(&self, city: &City, version: &str) -> Result<Model> {
        let database = &self.warehouse.database;
        let model = match version.parse() {
            Ok(number) => models::get(database, city.id, number).await?,
            Err(_) if version == LATEST => models::current(database, &city.slug).await?,
            Err(_) => None,
        };
        model.ok_or_else(|| Error::UnknownModel(format!("`{version}` of {}", city.name)))
    }
}

impl ModelItem {
    fn of(model: Model) -> Result<(Self, Details)> {
        let (metrics, details) = model.measured()?;
        let item = Self {
            version: model.version,
            state: model.state,
            sha256: model.sha256,
            size: model.size,
            metrics,
            considered_images: model.considered_images,
            created_at: model.created_at,
            tainted_at: model.tainted_at,
            taint: model.taint,
        };
        Ok((item, details))
    }
}

impl ModelDetail {
    async fn of(model: Model, database: &Database) -> Result<Self> {
        let (item, Details { history, sheet: seen }) = ModelItem::of(model)?;
        let mut sheet = Vec::with_capacity(seen.len());
        for seen in seen {
            sheet.extend(SheetItem::of(seen, database).await?);
        }
        Ok(Self { item, history, sheet })
    }
}

impl SheetItem {
    /// Nothing is told of a picture that is gone.
    async fn of(seen: Seen, database: &Database) -> Result<Option<Self>> {
        let Seen { sha256, width, height, there, found } = seen;
        let boxes = |boxes: Vec<SeenBox>| boxes.into_iter().map(BoxItem::from).collect();
        let image = images::of_file(database, &sha256).await?;
        Ok(image.map(|image| Self { image, width, height, there: boxes(there), found: boxes(found) }))
    }
}
