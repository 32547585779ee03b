//! What labelling a city needs: its images without a label, its budget of paid calls, and which names mean the same sight.

use std::collections::HashMap;

use sightscan_types::{CityId, ImageId, Sha256, SightId};

use crate::planning::LABEL_ATTEMPTS;
use crate::statement::sql;
use crate::{Database, Error, Result, Transaction, cities};

/// An image that nobody has labelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlabelled {
    /// Its id.
    pub id: ImageId,
    /// The blob that holds it.
    pub sha256: Sha256,
    /// Pixels, upright.
    pub width: u32,
    /// Pixels, upright.
    pub height: u32,
    /// Images that look alike have hashes that differ in few bits.
    pub perceptual_hash: Option<u64>,
    /// The sight that it was looked for.
    pub sight: Option<SightId>,
}

/// A name that is read as another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// As its producer wrote it.
    pub label: String,
    /// What it is read as.
    pub canonical: String,
    /// The sight, where it is known.
    pub sight: Option<SightId>,
    /// Why.
    pub reason: String,
    /// Whether somebody has said that it is wrong.
    pub is_undone: bool,
}

#[derive(sqlx::FromRow)]
struct Row {
    image_id: String,
    sha256: String,
    width: i64,
    height: i64,
    perceptual_hash: Option<i64>,
    sight_id: Option<String>,
}

/// The images that [`unlabelled`] gives, as conditions about `f` and `i`.
macro_rules! unlabelled {
    ($select:literal, $tail:literal) => {
        sql(concat!(
            "SELECT ",
            $select,
            " FROM city_images f JOIN images i ON i.image_id = f.image_id \
             WHERE f.city_id = $1 AND i.label_id IS NULL AND i.label_attempts < $2 AND i.review = 'accepted' ",
            $tail
        ))
    };
}

/// Whether a city has images that may be used, have no label and were not given up.
///
/// # Errors
/// When the database does not answer.
pub async fn has_unlabelled(database: &Database, city: CityId) -> Result<bool> {
    let statement = unlabelled!("1", "LIMIT 1").bind(city.to_string()).bind(LABEL_ATTEMPTS);
    let found: Option<(i32,)> = statement.optional(&mut database.session().await?).await?;
    Ok(found.is_some())
}

/// The images of a city that may be used, have no label and were not given up, the oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn unlabelled(database: &Database, city: CityId) -> Result<Vec<Unlabelled>> {
    let rows: Vec<Row> = unlabelled!(
        "i.image_id, i.sha256, i.width, i.height, i.perceptual_hash, f.sight_id",
        "ORDER BY f.image_id"
    )
    .bind(city.to_string())
    .bind(LABEL_ATTEMPTS)
    .all(&mut database.session().await?)
    .await?;
    rows.into_iter().map(Unlabelled::try_from).collect()
}

/// Takes so many paid calls out of a city's lifetime budget of `cap`; gives how many of them were left. They count as
/// made from then on, whatever becomes of whoever makes them.
///
/// # Errors
/// When there is no such city, or the database does not answer.
pub async fn reserve_calls(
    transaction: &mut Transaction,
    city: CityId,
    wanted: u32,
    cap: u32,
) -> Result<u32> {
    let made = cities::lock(transaction, city).await?.label_calls;
    let left = u32::try_from(i64::from(cap) - made).unwrap_or(0);
    let granted = wanted.min(left);
    change_calls(transaction, city, i64::from(granted)).await?;
    Ok(granted)
}

/// Gives paid calls back that were reserved, but neither made nor billed.
///
/// # Errors
/// When there is no such city, or the database does not answer.
pub async fn refund_calls(transaction: &mut Transaction, city: CityId, calls: u32) -> Result<()> {
    cities::lock(transaction, city).await?;
    change_calls(transaction, city, -i64::from(calls)).await
}

async fn change_calls(transaction: &mut Transaction, city: CityId, by: i64) -> Result<()> {
    sql("UPDATE cities SET label_calls = label_calls + $2 WHERE city_id = $1")
        .bind(city.to_string())
        .bind(by)
        .execute(transaction)
        .await
        .map(drop)
}

/// The names of labels in a city, as their producers wrote them, with the id in Google's Knowledge Graph where there is one,
/// and in how many images each has a current box.
///
/// # Errors
/// When the database does not answer.
pub async fn names(database: &Database, city: CityId) -> Result<Vec<(String, Option<String>, i64)>> {
    sql("SELECT b.label, MIN(b.mid), COUNT(DISTINCT i.image_id) FROM city_images f \
         JOIN images i ON i.image_id = f.image_id JOIN boxes b ON b.label_id = i.label_id \
         WHERE f.city_id = $1 GROUP BY b.label ORDER BY b.label")
    .bind(city.to_string())
    .all(&mut database.session().await?)
    .await
}

/// The name that each merged name of a city is read as; merges that were undone are none.
///
/// # Errors
/// When the database does not answer.
pub async fn canonical(database: &Database, city: CityId) -> Result<HashMap<String, String>> {
    let merges = merges(database, city).await?.into_iter().filter(|merge| !merge.is_undone);
    Ok(merges.map(|merge| (merge.label, merge.canonical)).collect())
}

/// The merges of a city, undone ones too, the oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn merges(database: &Database, city: CityId) -> Result<Vec<Merge>> {
    let rows: Vec<MergeRow> = sql(
        "SELECT label, canonical, sight_id, reason, undone_at FROM label_merges WHERE city_id = $1 ORDER BY merge_id",
    )
    .bind(city.to_string())
    .all(&mut database.session().await?)
    .await?;
    rows.into_iter().map(Merge::try_from).collect()
}

#[derive(sqlx::FromRow)]
struct MergeRow {
    label: String,
    canonical: String,
    sight_id: Option<String>,
    reason: String,
    undone_at: Option<i64>,
}

impl TryFrom<MergeRow> for Merge {
    type Error = Error;

    fn try_from(row: MergeRow) -> Result<Self> {
        Ok(Self {
            label: row.label,
            canonical: row.canonical,
            sight: row.sight_id.as_deref().map(|id| Error::read("sight id", id)).transpose()?,
            reason: row.reason,
            is_undone: row.undone_at.is_some(),
        })
    }
}

/// Puts these merges in the place of those of a city that are not undone.
///
/// # Errors
/// When the database does not answer.
pub async fn replace_merges(
    transaction: &mut Transaction,
    city: CityId,
    merges: &[Merge],
    now: i64,
) -> Result<()> {
    sql("DELETE FROM label_merges WHERE city_id = $1 AND undone_at IS NULL")
        .bind(city.to_string())
        .execute(transaction)
        .await?;
    for merge in merges.iter().filter(|merge| !merge.is_undone) {
        sql("INSERT INTO label_merges (merge_id, city_id, label, canonical, sight_id, reason, merged_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(uuid::Uuid::now_v7().to_string())
        .bind(city.to_string())
        .bind(&merge.label)
        .bind(&merge.canonical)
        .bind(merge.sight.map(|sight| sight.to_string()))
        .bind(&merge.reason)
        .bind(now)
        .execute(transaction)
        .await?;
    }
    Ok(())
}

/// Writes down that a name is not to be read as another one; whether it was.
///
/// # Errors
/// When the database does not answer.
pub async fn undo_merge(
    transaction: &mut Transaction,
    city: CityId,
    (label, canonical): (&str, &str),
    actor: &str,
    now: i64,
) -> Result<bool> {
    let undone = sql("UPDATE label_merges SET undone_at = $4, undone_by = $5 \
                      WHERE city_id = $1 AND label = $2 AND canonical = $3 AND undone_at IS NULL")
    .bind(city.to_string())
    .bind(label)
    .bind(canonical)
    .bind(now)
    .bind(actor)
    .execute(transaction)
    .await?;
    Ok(undone > 0)
}

impl TryFrom<Row> for Unlabelled {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let pixels = |value: i64| u32::try_from(value).unwrap_or(0);
        Ok(Self {
            id: Error::read("image id", &row.image_id)?,
            sha256: Error::read("SHA-256", &row.sha256)?,
            width: pixels(row.width),
            height: pixels(row.height),
            perceptual_hash: row.perceptual_hash.map(i64::cast_unsigned),
            sight: row.sight_id.as_deref().map(|id| Error::read("sight id", id)).transpose()?,
        })
    }
}
