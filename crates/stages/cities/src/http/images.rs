//! The images of a city: which there are, where they are from, their files, and their review.
//!
//! Everybody sees accepted images. Donations and what waits for review are the administrator's alone: donors agreed to no
//! more.

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use sightscan_http::asked::{Asked, Named, Posted};
use sightscan_http::axum;
use sightscan_http::axum::Json;
use sightscan_http::axum::extract::State;
use sightscan_http::axum::http::{HeaderMap, HeaderValue, header};
use sightscan_http::axum::response::{IntoResponse, Response};
use sightscan_http::{ClientAddress, Page, PageQuery, Problem};
use sightscan_pictures::{Limits, decode};
use sightscan_types::{
    CityId, ConsentKind, ImageId, OriginKind, ProducerKind, Provenance, Review, Sha256, Slug,
};
use sightscan_warehouse::consents;
use sightscan_warehouse::images::{self, Filter, Image, Listed, Origin};
use sightscan_warehouse::labels::{self, Label, LabelledBox};
use sightscan_warehouse::models::SeenBox;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::cities::one_more;
use super::files::{self, File};
use super::problems::{FileProblems, ImageListProblems, ImageProblems, ReviewProblems};
use crate::Cities;
use crate::error::{Error, Result};

/// The longer side of a thumbnail in pixels.
const THUMBNAIL: u32 = 320;

/// Where a list of images goes on.
#[derive(Debug, Serialize, Deserialize)]
struct After(ImageId);

impl sightscan_http::Place for After {
    const LIST: &'static str = "images.1";
}

/// Which images are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wish {
    /// Only images that were looked for this sight.
    sight: Option<String>,
    /// Only images with a box of this label.
    label: Option<String>,
    /// Only images with this licence.
    licence: Option<String>,
    /// Only images with this review; others than accepted ones are listed for the administrator only.
    #[param(inline)]
    review: Option<Review>,
    /// Only images that were labelled, or only those that were not.
    labelled: Option<bool>,
    #[serde(default, rename = "limit")]
    #[param(ignore)]
    _limit: IgnoredAny,
    #[serde(default, rename = "cursor")]
    #[param(ignore)]
    _cursor: IgnoredAny,
}

/// An image of a city. Times are milliseconds since 1970-01-01 UTC.
#[derive(Debug, Serialize, ToSchema)]
struct ImageItem {
    /// Its id.
    id: ImageId,
    /// The SHA-256 of its file.
    sha256: Sha256,
    /// What its file is.
    media_type: String,
    /// Pixels, upright.
    width: i64,
    /// Pixels, upright.
    height: i64,
    /// Where it is from.
    source: String,
    /// Its licence.
    licence: Option<String>,
    /// The sight that it was looked for.
    sight: Option<String>,
    /// Whether it may be trained on.
    review: Review,
    /// Who made the labelling that counts; null where there is none.
    label_producer: Option<ProducerKind>,
    /// The boxes of that labelling; relative to the image, from its top left corner.
    #[schema(value_type = Vec<Object>)]
    labels: serde_json::Value,
    /// When the city got it.
    added_at: i64,
}

/// One place that an image came from.
#[derive(Debug, Serialize, ToSchema)]
struct OriginItem {
    #[serde(flatten)]
    provenance: Provenance,
    /// How its donor agreed.
    consent: Option<ConsentItem>,
}

/// A donor's consent.
#[derive(Debug, Serialize, ToSchema)]
struct ConsentItem {
    /// How it was given.
    kind: ConsentKind,
    /// Which text was agreed to.
    text_version: String,
    /// When.
    given_at: i64,
}

/// A box of a labelling; relative to the image, from its top left corner.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BoxItem {
    /// What is in it.
    label: String,
    #[serde(flatten)]
    area: sightscan_types::RelativeBox,
    /// How sure its producer was, 0 to 1; null for people.
    score: Option<f64>,
}

/// The labelling of an image that counts.
#[derive(Debug, Serialize, ToSchema)]
struct LabelItem {
    /// Who made it.
    producer: sightscan_types::Producer,
    /// What came out of it.
    outcome: sightscan_types::Outcome,
    /// When.
    made_at: i64,
    /// Its boxes.
    boxes: Vec<BoxItem>,
}

/// Everything about an image. Times are milliseconds since 1970-01-01 UTC.
#[derive(Debug, Serialize, ToSchema)]
struct ImageDetail {
    /// Its id.
    id: ImageId,
    /// The SHA-256 of its file.
    sha256: Sha256,
    /// What its file is.
    media_type: String,
    /// Bytes of its file.
    size: i64,
    /// Pixels, upright.
    width: i64,
    /// Pixels, upright.
    height: i64,
    /// Whether it may be trained on.
    review: Review,
    /// The ids of the cities that it shows.
    cities: Vec<CityId>,
    /// Every place that it came from.
    origins: Vec<OriginItem>,
    /// The labelling that counts.
    label: Option<LabelItem>,
    /// When it first arrived.
    created_at: i64,
}

/// What a review found.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Finding {
    /// Whether it may be trained on.
    review: Review,
}

pub(super) fn looking() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(file))
        .routes(routes!(thumbnail))
}

pub(super) fn deciding() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(review))
}

/// Lists the images of a city, the oldest first.
#[utoipa::path(get, path = "/v1/cities/{slug}/images", tag = "images",
    params(("slug" = Slug, Path, description = "the city"), Wish, PageQuery),
    responses((status = 200, description = "a page of images", body = Page<ImageItem>), ImageListProblems))]
async fn list(
    State(api): State<Api>,
    Named(slug): Named<String>,
    page: PageQuery,
    Asked(wish): Asked<Wish>,
    client: ClientAddress,
    headers: HeaderMap,
) -> Result<Json<Page<ImageItem>>, Problem> {
    let review = wish.review.unwrap_or(Review::Accepted);
    if review != Review::Accepted {
        api.gate.admit(client, &headers)?;
    }
    let city = api.cities.find(&slug).await?;
    let Wish { sight, label, licence, labelled, .. } = wish;
    let filter = Filter { sight, label, licence, review: Some(review), labelled };
    let after = page.after::<After>()?.map(|After(id)| id);
    let database = &api.cities.warehouse.database;
    let found = images::list(database, city.id, &filter, after, one_more(&page)).await;
    let page = Page::cut(found.map_err(Error::from)?, page.limit, |image| After(image.id));
    Ok(Json(page.map(ImageItem::of)))
}

/// Tells where an image is from, and what is in it.
#[utoipa::path(get, path = "/v1/images/{id}", tag = "images",
    params(("id" = ImageId, Path, description = "the image")),
    responses((status = 200, description = "the image", body = ImageDetail), ImageProblems))]
async fn show(
    State(api): State<Api>,
    Named(id): Named<String>,
    client: ClientAddress,
    headers: HeaderMap,
) -> Result<Json<ImageDetail>, Problem> {
    let seen = api.see(&id, client, &headers).await?;
    Ok(Json(api.cities.image_detail(seen).await?))
}

/// The file of an image, as it arrived but for what donors' files say about them.
#[utoipa::path(get, path = "/v1/images/{id}/file", tag = "images",
    params(("id" = ImageId, Path, description = "the image")),
    responses((status = 200, description = "the file", content_type = "image/*"),
        (status = 206, description = "a part of it", content_type = "image/*"),
        (status = 304, description = "the client has it"), FileProblems))]
async fn file(
    State(api): State<Api>,
    Named(id): Named<String>,
    client: ClientAddress,
    request: files::Request,
) -> Result<Response, Problem> {
    let seen = api.see(&id, client, &request.headers).await?;
    let file = File {
        sha256: seen.image.sha256,
        size: seen.image.size,
        name: None,
        headers: files::kept_by(seen.scope()),
        media_type: seen.image.media_type,
    };
    file.send(&request, &api.cities.warehouse.blobs).await
}

/// A small JPEG copy of an image, of at most 320 pixels a side.
#[utoipa::path(get, path = "/v1/images/{id}/thumbnail", tag = "images",
    params(("id" = ImageId, Path, description = "the image")),
    responses((status = 200, description = "the copy", content_type = "image/jpeg"),
        (status = 304, description = "the client has it"), ImageProblems))]
async fn thumbnail(
    State(api): State<Api>,
    Named(id): Named<String>,
    client: ClientAddress,
    request: files::Request,
) -> Result<Response, Problem> {
    let seen = api.see(&id, client, &request.headers).await?;
    let tag = files::text(format!("\"{}-{THUMBNAIL}\"", seen.image.sha256));
    let mut headers = files::kept_by(seen.scope());
    headers.insert(header::ETAG, tag.clone());
    if request.headers.get(header::IF_NONE_MATCH) == Some(&tag) {
        return Ok((axum::http::StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let bytes = api.cities.thumbnail(&seen.image.sha256).await?;
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    Ok((headers, bytes).into_response())
}

/// Says whether an image may be trained on.
#[utoipa::path(post, path = "/v1/images/{id}/review", tag = "images", request_body = Finding, security(("admin" = [])),
    params(("id" = ImageId, Path, description = "the image")),
    responses((status = 200, description = "the image", body = ImageDetail), ReviewProblems))]
async fn review(
    State(api): State<Api>,
    Named(id): Named<String>,
    Posted(finding): Posted<Finding>,
) -> Result<Json<ImageDetail>, Problem> {
    let cities = &api.cities;
    let image = cities.image(&id).await?;
    crate::error::retried(|| cities.set_review(image.image.id, finding.review)).await?;
    let image = cities.image(&id).await?;
    Ok(Json(cities.image_detail(image).await?))
}

/// An image that somebody may see, with where it is from.
struct Seen {
    image: Image,
    origins: Vec<Origin>,
}

impl Seen {
    /// Whether it may be trained on, and came from somewhere else than a donor.
    fn is_public(&self) -> bool {
        let is_given = |origin: &Origin| origin.provenance.kind == OriginKind::Donation;
        self.image.review == Review::Accepted && !self.origins.iter().all(is_given)
    }

    /// Who may keep a copy.
    fn scope(&self) -> &'static str {
        if self.is_public() { "public" } else { "private" }
    }
}

impl Api {
    /// The image of this id, where the client may see it.
    async fn see(&self, id: &str, client: ClientAddress, headers: &HeaderMap) -> Result<Seen> {
        let seen = self.cities.image(id).await?;
        if seen.is_public() || self.is_admin(client, headers).unwrap_or(false) {
            return Ok(seen);
        }
        Err(Error::UnknownImage(id.to_owned()))
    }
}

impl Cities {
    async fn image(&self, id: &str) -> Result<Seen> {
        let database = &self.warehouse.database;
        let image = match id.parse() {
            Ok(id) => images::get(database, id).await?,
            Err(_) => None,
        };
        let image = image.ok_or_else(|| Error::UnknownImage(id.to_owned()))?;
        let origins = images::origins(database, image.id).await?;
        Ok(Seen { image, origins })
    }

    async fn image_detail(&self, seen: Seen) -> Result<ImageDetail> {
        let (database, image) = (&self.warehouse.database, seen.image);
        let mut origins = Vec::with_capacity(seen.origins.len());
        for origin in seen.origins {
            origins.push(self.origin(origin).await?);
        }
        Ok(ImageDetail {
            cities: images::cities(database, image.id).await?,
            label: labels::current(database, image.id).await?.map(LabelItem::of),
            origins,
            id: image.id,
            sha256: image.sha256,
            media_type: image.media_type,
            size: image.size,
            width: image.width,
            height: image.height,
            review: image.review,
            created_at: image.created_at,
        })
    }

    async fn origin(&self, origin: Origin) -> Result<OriginItem> {
        let consent = match origin.consent {
            Some(id) => consents::by_id(&self.warehouse.database, id).await?,
            None => None,
        };
        let consent = consent.map(|consent| ConsentItem {
            kind: consent.kind,
            text_version: consent.text_version,
            given_at: consent.given_at,
        });
        Ok(OriginItem { provenance: origin.provenance, consent })
    }

    async fn set_review(&self, id: ImageId, review: Review) -> Result<()> {
        let mut transaction = self.warehouse.database.begin().await?;
        images::set_review(&mut transaction, id, review).await?;
        Ok(transaction.commit().await?)
    }

    async fn thumbnail(&self, sha256: &Sha256) -> Result<Vec<u8>> {
        let bytes = self.warehouse.blobs.get(sha256).await?;
        let _place = self.decoding.acquire().await;
        tokio::task::spawn_blocking(move || small(&bytes)).await?
    }
}

fn small(bytes: &Bytes) -> Result<Vec<u8>> {
    // What is stored was within the limits that held then.
    let picture = decode(bytes, &Limits { max_pixels: u64::MAX }).map_err(Error::StoredPicture)?;
    Ok(sightscan_pictures::thumbnail(&picture, THUMBNAIL)?)
}

impl ImageItem {
    fn of(image: Listed) -> Self {
        Self {
            id: image.id,
            sha256: image.sha256,
            media_type: image.media_type,
            width: image.width,
            height: image.height,
            source: image.source,
            licence: image.licence,
            sight: image.sight,
            review: image.review,
            label_producer: image.label_producer,
            labels: serde_json::from_str(&image.labels).unwrap_or_default(),
            added_at: image.added_at,
        }
    }
}

impl From<SeenBox> for BoxItem {
    fn from(SeenBox { label, area, score }: SeenBox) -> Self {
        Self { label, area, score }
    }
}

impl LabelItem {
    fn of(label: Label) -> Self {
        let item = |one: LabelledBox| BoxItem { label: one.label, area: one.area, score: one.score };
        Self {
            producer: label.producer,
            outcome: label.outcome,
            made_at: label.made_at,
            boxes: label.boxes.into_iter().map(item).collect(),
        }
    }
}
