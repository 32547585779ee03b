//! Reading images, their origins, and the images of a city.

use sightscan_types::{CityId, ImageId, OriginKind, Provenance, Review, Sha256};

use super::{Filter, Image, Listed, Origin};
use crate::statement::sql;
use crate::{Database, Error, Result};

/// A statement that reads images; the columns are those of [`Row`].
macro_rules! select {
    ($tail:literal) => {
        sql(concat!(
            "SELECT i.image_id, i.sha256, i.media_type, i.size, i.width, i.height, i.perceptual_hash, i.review, \
                    i.label_id, i.created_at FROM images i ",
            $tail
        ))
    };
}

/// An image by its id.
///
/// # Errors
/// When the database does not answer.
pub async fn get(database: &Database, id: ImageId) -> Result<Option<Image>> {
    let statement = select!("WHERE i.image_id = $1").bind(id.to_string());
    let row: Option<Row> = statement.optional(&mut database.session().await?).await?;
    row.map(Image::try_from).transpose()
}

/// The images that came from a source; more than one where its content changed. What it had last is first.
///
/// # Errors
/// When the database does not answer.
pub async fn by_source(database: &Database, source: &str) -> Result<Vec<Image>> {
    let statement = select!(
        "JOIN image_origins o ON o.image_id = i.image_id WHERE o.source = $1 ORDER BY o.origin_id DESC"
    );
    let rows: Vec<Row> = statement.bind(source).all(&mut database.session().await?).await?;
    rows.into_iter().map(Image::try_from).collect()
}

/// Every place that an image came from, the first one first.
///
/// # Errors
/// When the database does not answer.
pub async fn origins(database: &Database, id: ImageId) -> Result<Vec<Origin>> {
    let rows: Vec<OriginRow> = sql(
        "SELECT kind, source, page_url, author, licence, licence_url, retrieved_at, consent_id FROM image_origins \
         WHERE image_id = $1 ORDER BY origin_id",
    )
    .bind(id.to_string())
    .all(&mut database.session().await?)
    .await?;
    rows.into_iter().map(Origin::try_from).collect()
}

/// The ids of the cities that an image shows.
///
/// # Errors
/// When the database does not answer.
pub async fn cities(database: &Database, id: ImageId) -> Result<Vec<CityId>> {
    let statement =
        sql("SELECT city_id FROM city_images WHERE image_id = $1 ORDER BY city_id").bind(id.to_string());
    let rows: Vec<(String,)> = statement.all(&mut database.session().await?).await?;
    rows.iter().map(|(city,)| Error::read("city id", city)).collect()
}

/// Images of a city, the oldest first, those behind `after` only.
///
/// # Errors
/// When the database does not answer.
pub async fn list(
    database: &Database,
    city: CityId,
    filter: &Filter,
    after: Option<ImageId>,
    limit: u32,
) -> Result<Vec<Listed>> {
    let rows: Vec<ListedRow> = sql(
        "SELECT image_id, sha256, media_type, width, height, source, licence, sight, review, label_producer, labels, \
                added_at FROM mart_city_images m \
         WHERE city_id = $1 AND image_id > $2 AND ($3 IS NULL OR sight = $3) \
           AND ($4 IS NULL OR licence = $4) AND ($5 IS NULL OR review = $5) \
           AND ($6 IS NULL OR (label_producer IS NOT NULL) = $6) \
           AND ($7 IS NULL OR EXISTS (SELECT 1 FROM images i JOIN boxes b ON b.label_id = i.label_id \
                                      WHERE i.image_id = m.image_id AND b.label = $7)) \
         ORDER BY image_id LIMIT $8",
    )
    .bind(city.to_string())
    .bind(after.map(|after| after.to_string()).unwrap_or_default())
    .bind(filter.sight.as_deref())
    .bind(filter.licence.as_deref())
    .bind(filter.review.map(Review::as_str))
    .bind(filter.labelled)
    .bind(filter.label.as_deref())
    .bind(limit)
    .all(&mut database.session().await?)
    .await?;
    rows.into_iter().map(Listed::try_from).collect()
}

/// The image of a file.
///
/// # Errors
/// When the database does not answer.
pub async fn of_file(database: &Database, sha256: &Sha256) -> Result<Option<ImageId>> {
    let statement = sql("SELECT image_id FROM images WHERE sha256 = $1").bind(sha256.to_string());
    let row: Option<(String,)> = statement.optional(&mut database.session().await?).await?;
    row.map(|(id,)| Error::read("image id", &id)).transpose()
}

/// How many images of a city have the same licence and review.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct LicenceCount {
    /// The licence; `None` where it is not known.
    pub licence: Option<String>,
    /// The review, see [`Review`].
    pub review: String,
    /// How many.
    pub images: i64,
}

/// The licences of a city's images, the most frequent first.
///
/// # Errors
/// When the database does not answer.
pub async fn licences(database: &Database, city: CityId) -> Result<Vec<LicenceCount>> {
    sql("SELECT licence, review, COUNT(*) AS images FROM mart_city_images WHERE city_id = $1 \
         GROUP BY licence, review ORDER BY images DESC, COALESCE(licence, ''), review")
    .bind(city.to_string())
    .all(&mut database.session().await?)
    .await
}

/// Images whose perceptual hash differs from this one in at most so many bits, the nearest first. All hashes are
/// looked at: 20 bytes an image, so a million images take a moment.
///
/// # Errors
/// When the database does not answer.
pub async fn near_duplicates(database: &Database, hash: u64, bits: u32) -> Result<Vec<(ImageId, u32)>> {
    let statement = sql("SELECT image_id, perceptual_hash FROM images WHERE perceptual_hash IS NOT NULL");
    let rows: Vec<(String, i64)> = statement.all(&mut database.session().await?).await?;
    let distance = |other: i64| (other.cast_unsigned() ^ hash).count_ones();
    let near = rows.iter().filter(|(_, other)| distance(*other) <= bits);
    let mut near = near
        .map(|(id, other)| Ok((Error::read("image id", id)?, distance(*other))))
        .collect::<Result<Vec<(ImageId, u32)>>>()?;
    near.sort_by_key(|(id, distance)| (*distance, *id));
    Ok(near)
}

#[derive(sqlx::FromRow)]
struct Row {
    image_id: String,
    sha256: String,
    media_type: String,
    size: i64,
    width: i64,
    height: i64,
    perceptual_hash: Option<i64>,
    review: String,
    label_id: Option<String>,
    created_at: i64,
}

impl TryFrom<Row> for Image {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: Error::read("image id", &row.image_id)?,
            sha256: Error::read("SHA-256", &row.sha256)?,
            media_type: row.media_type,
            size: row.size,
            width: row.width,
            height: row.height,
            perceptual_hash: row.perceptual_hash.map(i64::cast_unsigned),
            review: Error::read("review", &row.review)?,
            label: row.label_id.as_deref().map(|id| Error::read("label id", id)).transpose()?,
            created_at: row.created_at,
        })
    }
}

/// The columns of `image_origins` that say where an image is from.
#[derive(sqlx::FromRow)]
pub(crate) struct ProvenanceRow {
    kind: String,
    source: String,
    page_url: Option<String>,
    author: Option<String>,
    licence: Option<String>,
    licence_url: Option<String>,
    retrieved_at: i64,
}

impl TryFrom<ProvenanceRow> for Provenance {
    type Error = Error;

    fn try_from(row: ProvenanceRow) -> Result<Self> {
        Ok(Self {
            kind: Error::read::<OriginKind>("kind of origin", &row.kind)?,
            source: row.source,
            page_url: row.page_url,
            author: row.author,
            licence: row.licence,
            licence_url: row.licence_url,
            retrieved_at: row.retrieved_at,
        })
    }
}

#[derive(sqlx::FromRow)]
struct OriginRow {
    #[sqlx(flatten)]
    provenance: ProvenanceRow,
    consent_id: Option<String>,
}

impl TryFrom<OriginRow> for Origin {
    type Error = Error;

    fn try_from(row: OriginRow) -> Result<Self> {
        let consent = row.consent_id.as_deref().map(|id| Error::read("consent id", id)).transpose()?;
        Ok(Self { provenance: row.provenance.try_into()?, consent })
    }
}

#[derive(sqlx::FromRow)]
struct ListedRow {
    image_id: String,
    sha256: String,
    media_type: String,
    width: i64,
    height: i64,
    source: String,
    licence: Option<String>,
    sight: Option<String>,
    review: String,
    label_producer: Option<String>,
    labels: String,
    added_at: i64,
}

impl TryFrom<ListedRow> for Listed {
    type Error = Error;

    fn try_from(row: ListedRow) -> Result<Self> {
        let producer = row.label_producer.as_deref().map(|word| Error::read("kind of producer", word));
        Ok(Self {
            id: Error::read("image id", &row.image_id)?,
            sha256: Error::read("SHA-256", &row.sha256)?,
            media_type: row.media_type,
            width: row.width,
            height: row.height,
            source: row.source,
            licence: row.licence,
            sight: row.sight,
            review: Error::read("review", &row.review)?,
            label_producer: producer.transpose()?,
            labels: row.labels,
            added_at: row.added_at,
        })
    }
}
