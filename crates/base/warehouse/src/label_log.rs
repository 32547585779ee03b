//! What labelling has done, as a log shows it: the newest labellings of all cities, and what came of requests that made
//! none. All of it is read from what is stored anyway, so that every process shows the same.

use chrono::DateTime;
use sightscan_types::{CityId, ImageId, Outcome, Producer};

use crate::statement::sql;
use crate::{Database, Error, Result, Transaction, cities};

/// Who notes in a city's history that there was nothing to label.
const ACTOR: &str = "labelling-service";

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// The city's name in capitals; of an image with several cities the first one, none where it has none any more.
    pub city: Option<String>,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Somebody looked at an image, or could not.
    Labelling {
        /// The image.
        image: ImageId,
        /// Who looked.
        producer: Producer,
        /// What came of it.
        outcome: Outcome,
        /// How many sights were seen.
        boxes: i64,
        /// Why it failed.
        reason: Option<String>,
    },
    /// A job was given up.
    GivenUp(String),
    /// There was nothing to label; in these words.
    Idle(String),
}

#[derive(sqlx::FromRow)]
struct Row {
    at: i64,
    city: Option<String>,
    what: String,
    image_id: Option<String>,
    producer_kind: Option<String>,
    producer: Option<String>,
    boxes: i64,
    reason: Option<String>,
}

/// The newest lines of the log, at most `limit`, in the order in which they happened.
///
/// # Errors
/// When the database does not answer.
pub async fn newest(database: &Database, limit: u32) -> Result<Vec<Entry>> {
    // Ids of labellings are in the order of time, and have an index.
    let rows: Vec<Row> = sql(
        "SELECT at, city, what, image_id, producer_kind, producer, boxes, reason FROM ( \
         SELECT * FROM (SELECT l.made_at AS at, l.label_id AS id, \
                (SELECT MIN(c.legacy_name) FROM city_images f JOIN cities c ON c.city_id = f.city_id \
                 WHERE f.image_id = l.image_id) AS city, \
                l.outcome AS what, l.image_id AS image_id, l.producer_kind AS producer_kind, l.producer AS producer, \
                (SELECT COUNT(*) FROM boxes b WHERE b.label_id = l.label_id) AS boxes, l.reason AS reason \
            FROM labels l ORDER BY l.label_id DESC LIMIT $1) AS labellings \
         UNION ALL \
         SELECT * FROM (SELECT j.finished_at, j.job_id, c.legacy_name, 'given-up', NULL, NULL, NULL, 0, j.reason \
            FROM jobs_archive j JOIN cities c ON c.city_id = j.city_id \
            WHERE j.outcome = 'dead' AND j.queue = 'label' \
            ORDER BY j.finished_at DESC, j.job_id DESC LIMIT $1) AS given_up \
         UNION ALL \
         SELECT * FROM (SELECT e.at, e.city_id, c.legacy_name, 'idle', NULL, NULL, NULL, 0, e.message \
            FROM city_events e JOIN cities c ON c.city_id = e.city_id \
            WHERE e.kind = 'log' AND e.actor = $2 ORDER BY e.at DESC LIMIT $1) AS idle \
         ) AS lines ORDER BY at DESC, id DESC LIMIT $1",
    )
    .bind(limit)
    .bind(ACTOR)
    .all(&mut database.session().await?)
    .await?;
    rows.into_iter().rev().map(Entry::try_from).collect()
}

/// Notes in a city's history that there was nothing to label.
///
/// # Errors
/// When there is no such city, or the database does not answer.
pub async fn note_idle(transaction: &mut Transaction, city: CityId, message: &str, now: i64) -> Result<()> {
    cities::remark(transaction, city, ACTOR, message, now).await
}

/// A moment in milliseconds since 1970, as logs write it: `2026-11-21 16:05:09 UTC`.
pub fn written(at: i64) -> String {
    DateTime::from_timestamp_millis(at).unwrap_or_default().format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

impl TryFrom<Row> for Entry {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let reason = row.reason.clone();
        let what = match row.what.as_str() {
            "given-up" => What::GivenUp(reason.unwrap_or_default()),
            "idle" => What::Idle(reason.unwrap_or_default()),
            outcome => What::Labelling {
                outcome: Error::read("outcome", outcome)?,
                image: Error::read("image id", row.image_id.as_deref().unwrap_or_default())?,
                producer: Producer {
                    kind: Error::read("kind of producer", row.producer_kind.as_deref().unwrap_or_default())?,
                    name: row.producer.unwrap_or_default(),
                },
                boxes: row.boxes,
                reason,
            },
        };
        Ok(Self { at: row.at, city: row.city, what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_the_original_did() {
        assert_eq!(written(1_795_277_109_999), "2026-11-21 16:05:09 UTC");
        assert_eq!(written(i64::MAX), "1970-01-01 00:00:00 UTC", "what is no moment is not a crash");
    }
}
