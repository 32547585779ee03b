//! Crawls: what became of each picture that a source has named, so that a crawl goes on where it was stopped.

use std::collections::HashMap;

use sightscan_types::{CityId, ImageId, SightId};

use crate::statement::sql;
use crate::{Database, Error, Result, Transaction};

/// What became of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It was stored as this image.
    Kept(ImageId),
    /// It was not, for this reason.
    SetAside(String),
}

/// A picture that a source has named for a sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named<'a> {
    /// The city.
    pub city: CityId,
    /// The sight.
    pub sight: SightId,
    /// What identifies the picture: the `source` of its provenance.
    pub source: &'a str,
    /// Who named it.
    pub found_by: &'a str,
}

/// How many pictures of a city had the same fate.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Fate {
    /// Who named them.
    pub found_by: String,
    /// Why they were set aside; `None` where they were kept.
    pub reason: Option<String>,
    /// How many.
    pub pictures: i64,
}

/// Writes down what became of a picture. What was decided before stays.
///
/// # Errors
/// When the database does not answer.
pub async fn decide(
    transaction: &mut Transaction,
    named: Named<'_>,
    decision: &Decision,
    now: i64,
) -> Result<()> {
    let (image, reason) = match decision {
        Decision::Kept(image) => (Some(image.to_string()), None),
        Decision::SetAside(reason) => (None, Some(reason.as_str())),
    };
    sql("INSERT INTO crawled_pictures (sight_id, source, city_id, found_by, image_id, reason, decided_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (sight_id, source) DO NOTHING")
    .bind(named.sight.to_string())
    .bind(named.source)
    .bind(named.city.to_string())
    .bind(named.found_by)
    .bind(image)
    .bind(reason)
    .bind(now)
    .execute(transaction)
    .await
    .map(drop)
}

/// What became of the pictures of a sight, by their source.
///
/// # Errors
/// When the database does not answer.
pub async fn decided(database: &Database, sight: SightId) -> Result<HashMap<String, Decision>> {
    let rows: Vec<(String, Option<String>, Option<String>)> =
        sql("SELECT source, image_id, reason FROM crawled_pictures WHERE sight_id = $1")
            .bind(sight.to_string())
            .all(&mut database.session().await?)
            .await?;
    rows.into_iter().map(|(source, image, reason)| Ok((source, decision(image, reason)?))).collect()
}

fn decision(image: Option<String>, reason: Option<String>) -> Result<Decision> {
    Ok(match image {
        Some(image) => Decision::Kept(Error::read("image id", &image)?),
        None => Decision::SetAside(reason.unwrap_or_default()),
    })
}

/// How many pictures of a city were kept or set aside, and why.
///
/// # Errors
/// When the database does not answer.
pub async fn fates(database: &Database, city: CityId) -> Result<Vec<Fate>> {
    sql("SELECT found_by, reason, COUNT(*) AS pictures FROM crawled_pictures WHERE city_id = $1 \
         GROUP BY found_by, reason ORDER BY pictures DESC, found_by, reason")
    .bind(city.to_string())
    .all(&mut database.session().await?)
    .await
}

/// The perceptual hashes of the images that were kept for a sight.
///
/// # Errors
/// When the database does not answer.
pub async fn hashes(database: &Database, sight: SightId) -> Result<Vec<u64>> {
    let rows: Vec<(i64,)> = sql("SELECT i.perceptual_hash FROM crawled_pictures p \
         JOIN images i ON i.image_id = p.image_id WHERE p.sight_id = $1 AND i.perceptual_hash IS NOT NULL")
    .bind(sight.to_string())
    .all(&mut database.session().await?)
    .await?;
    Ok(rows.into_iter().map(|(hash,)| hash.cast_unsigned()).collect())
}
