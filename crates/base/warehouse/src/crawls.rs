//! Crawls: what became of each picture that a source has named, so that a crawl goes on where it was stopped.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::future::try_join_all;
use sightscan_types::{CityId, ImageId, SightId};

use crate::images::{self, Blob, NewImage, Now};
use crate::statement::sql;
use crate::tries::Tries;
use crate::{Database, Error, Result, Transaction, Warehouse, collection, times};

/// What became of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It was stored as this image.
    Kept(ImageId),
    /// It was not, for this reason.
    SetAside(String),
}

/// What is to be done with a picture.
#[derive(Debug, Clone)]
pub enum Deed {
    /// Its image is stored.
    Keep(Bytes, Box<NewImage>),
    /// An image that is stored already is of this city and sight, too.
    Adopt(ImageId),
    /// It is not wanted, for this reason.
    SetAside(String),
}

/// A picture that a source has named for a sight, and what is to be done with it.
#[derive(Debug, Clone)]
pub struct Judged {
    /// What identifies the picture: the `source` of its provenance.
    pub source: String,
    /// Who named it.
    pub found_by: &'static str,
    /// What is to be done.
    pub deed: Deed,
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

/// How many pictures of a sight were kept, and how many were not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Yield {
    /// Stored as images.
    pub kept: i64,
    /// Not wanted.
    pub set_aside: i64,
}

/// Does what is to be done with pictures of a sight and writes it down: for all of them, or for none. What was decided
/// before stays.
///
/// # Errors
/// When an image that is to be adopted is gone, a source is longer than [`images::LONGEST_SOURCE`], or the blobs or the
/// database do not answer.
pub async fn settle(
    warehouse: &Warehouse,
    city: CityId,
    sight: SightId,
    pictures: &[Judged],
) -> Result<Vec<Decision>> {
    let mut tries = Tries::default();
    loop {
        let prepared = try_join_all(pictures.iter().map(|picture| prepare(warehouse, picture))).await?;
        match try_to_settle(warehouse, city, sight, &prepared).await {
            Err(error) => tries.again(error).await?,
            done => return done,
        }
    }
}

/// A picture, and its blob where it is to be kept.
enum Prepared<'a> {
    Keep(&'a Judged, Blob, &'a NewImage),
    Adopt(&'a Judged, ImageId),
    SetAside(&'a Judged, &'a str),
}

async fn prepare<'a>(warehouse: &Warehouse, picture: &'a Judged) -> Result<Prepared<'a>> {
    Ok(match &picture.deed {
        Deed::Keep(bytes, image) => {
            Prepared::Keep(picture, images::put(warehouse, bytes.clone()).await?, image)
        }
        Deed::Adopt(image) => Prepared::Adopt(picture, *image),
        Deed::SetAside(reason) => Prepared::SetAside(picture, reason),
    })
}

async fn try_to_settle(
    warehouse: &Warehouse,
    city: CityId,
    sight: SightId,
    pictures: &[Prepared<'_>],
) -> Result<Vec<Decision>> {
    let database = &warehouse.database;
    let mut transaction = database.begin_without_collection().await?;
    let now = Now::of(database, &mut transaction).await?;
    let (mut decisions, mut blobs) = (Vec::with_capacity(pictures.len()), Vec::new());
    for picture in pictures {
        let (picture, decision) = match picture {
            Prepared::Keep(picture, blob, image) => {
                blobs.push(blob.sha256);
                let stored = images::store_in(&mut transaction, city, blob, image, now).await?;
                (picture, Decision::Kept(stored.image))
            }
            Prepared::Adopt(picture, image) => {
                images::add_to_city(&mut transaction, city, *image, sight, now).await?;
                (picture, Decision::Kept(*image))
            }
            Prepared::SetAside(picture, reason) => (picture, Decision::SetAside((*reason).to_owned())),
        };
        write_down(&mut transaction, city, sight, picture, &decision, now).await?;
        decisions.push(decision);
    }
    collection::commit(warehouse, transaction, &blobs).await?;
    times::committed(database, now.hour);
    Ok(decisions)
}

async fn write_down(
    transaction: &mut Transaction,
    city: CityId,
    sight: SightId,
    picture: &Judged,
    decision: &Decision,
    now: Now,
) -> Result<()> {
    let (image, reason) = match decision {
        Decision::Kept(image) => (Some(image.to_string()), None),
        Decision::SetAside(reason) => (None, Some(reason.as_str())),
    };
    sql("INSERT INTO crawled_pictures (sight_id, source, city_id, found_by, image_id, reason, decided_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (sight_id, source) DO NOTHING")
    .bind(sight.to_string())
    .bind(&picture.source)
    .bind(city.to_string())
    .bind(picture.found_by)
    .bind(image)
    .bind(reason)
    .bind(now.at)
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

/// How many pictures of each sight of a city were kept, and how many were not.
///
/// # Errors
/// When the database does not answer.
pub async fn yields(database: &Database, city: CityId) -> Result<HashMap<SightId, Yield>> {
    let rows: Vec<(String, i64, i64)> = sql(
        "SELECT sight_id, COUNT(*) - COUNT(reason) AS kept, COUNT(reason) AS set_aside FROM crawled_pictures \
         WHERE city_id = $1 GROUP BY sight_id",
    )
    .bind(city.to_string())
    .all(&mut database.session().await?)
    .await?;
    let sight = |(id, kept, set_aside): (String, i64, i64)| {
        Ok((Error::read("sight id", &id)?, Yield { kept, set_aside }))
    };
    rows.into_iter().map(sight).collect()
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
