//! What the planner asks: which cities need labels, which a training.

use sightscan_types::{CityId, JobId};

use crate::statement::sql;
use crate::{Database, Error, Result, Transaction};

/// An image is given up for labelling after so many failures.
pub const LABEL_ATTEMPTS: i64 = 3;

/// A city with images that nobody has labelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlabelled {
    /// Which city.
    pub city: CityId,
    /// How many images.
    pub images: i64,
    /// Paid calls that it may still make; `None` where it has no number of its own.
    pub budget: Option<i64>,
    /// Paid calls that it has made.
    pub calls: i64,
}

/// A city with labelled images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trainable {
    /// Which city.
    pub city: CityId,
    /// Labelled images that may be trained on.
    pub labelled: i64,
    /// Those of them that the newest model, live or not, was not made with; all of them where there is none.
    pub fresh: i64,
    /// The version of the newest model that was judged, where one is live.
    pub version: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct UnlabelledRow {
    city_id: String,
    images: i64,
    label_budget: Option<i64>,
    label_calls: i64,
}

/// Cities at work that have unlabelled images: those without any label first, the oldest of them first; then the
/// others, the one with most unlabelled images first.
///
/// # Errors
/// When the database does not answer.
pub async fn unlabelled(database: &Database) -> Result<Vec<Unlabelled>> {
    let rows: Vec<UnlabelledRow> = sql(
        "SELECT c.city_id, c.label_budget, c.label_calls, \
                COUNT(*) FILTER (WHERE i.label_id IS NULL AND i.label_attempts < $1) AS images \
         FROM cities c JOIN city_images ci ON ci.city_id = c.city_id JOIN images i ON i.image_id = ci.image_id \
         WHERE c.state IN ('crawling', 'labelling', 'training', 'live') AND i.review = 'accepted' \
         GROUP BY c.city_id, c.label_budget, c.label_calls, c.created_at \
         HAVING COUNT(*) FILTER (WHERE i.label_id IS NULL AND i.label_attempts < $1) > 0 \
         ORDER BY CASE WHEN COUNT(i.label_id) = 0 THEN c.created_at ELSE NULL END NULLS LAST, images DESC, c.city_id",
    )
    .bind(LABEL_ATTEMPTS)
    .all(&mut database.session().await?)
    .await?;
    rows.into_iter().map(Unlabelled::try_from).collect()
}

/// The jobs of a city that are not finished.
///
/// # Errors
/// When the database does not answer.
pub async fn live_jobs(transaction: &mut Transaction, city: CityId) -> Result<Vec<JobId>> {
    let rows: Vec<(String,)> = sql("SELECT job_id FROM jobs WHERE city_id = $1 ORDER BY job_id")
        .bind(city.to_string())
        .all(transaction)
        .await?;
    rows.iter().map(|(id,)| Error::read("job id", id)).collect()
}

/// Whether a city's newest finished job of this name failed for good. Then somebody has to look at it first; otherwise
/// the same would be tried, and paid for, for ever.
///
/// # Errors
/// When the database does not answer.
pub async fn is_given_up(database: &Database, city: CityId, job: &str) -> Result<bool> {
    let last: Option<(String,)> = sql("SELECT outcome FROM jobs_archive WHERE city_id = $1 AND name = $2 \
         ORDER BY finished_at DESC, job_id DESC LIMIT 1")
    .bind(city.to_string())
    .bind(job)
    .optional(&mut database.session().await?)
    .await?;
    Ok(last.is_some_and(|(outcome,)| outcome == "dead"))
}

#[derive(sqlx::FromRow)]
struct TrainableRow {
    city_id: String,
    labelled: i64,
    fresh: i64,
    version: Option<i64>,
}

/// Cities that are not being crawled and have labelled images, the one with most fresh ones first.
///
/// What a model has seen is its dataset; of a model without one (it was imported) only the number is known. Images that were
/// looked at and left out, because their sights have too few, are not fresh either: the number counts them.
///
/// # Errors
/// When the database does not answer.
pub async fn trainable(database: &Database) -> Result<Vec<Trainable>> {
    let rows: Vec<TrainableRow> = sql(
        "WITH latest AS ( \
             SELECT m.city_id, m.version, m.dataset_id, m.considered_images FROM models m \
             WHERE m.version = (SELECT MAX(n.version) FROM models n WHERE n.city_id = m.city_id \
                 AND n.state <> 'candidate' AND EXISTS ( \
                     SELECT 1 FROM models l WHERE l.city_id = n.city_id AND l.state = 'live'))), \
         labelled AS ( \
             SELECT ci.city_id, ci.image_id FROM city_images ci JOIN images i ON i.image_id = ci.image_id \
             JOIN labels l ON l.label_id = i.label_id \
             WHERE i.review = 'accepted' AND l.outcome = 'found'), \
         counted AS ( \
             SELECT c.city_id, latest.version, latest.dataset_id, \
                    COALESCE(latest.considered_images, 0) AS considered, COUNT(*) AS labelled, \
                    COUNT(di.image_id) AS seen \
             FROM cities c JOIN labelled ON labelled.city_id = c.city_id \
             LEFT JOIN latest ON latest.city_id = c.city_id \
             LEFT JOIN dataset_images di ON di.dataset_id = latest.dataset_id AND di.image_id = labelled.image_id \
             WHERE c.state IN ('labelling', 'live') \
             GROUP BY c.city_id, latest.version, latest.dataset_id, latest.considered_images) \
         SELECT city_id, labelled, version, \
                CASE WHEN dataset_id IS NULL OR considered > seen THEN labelled - considered \
                     ELSE labelled - seen END AS fresh \
         FROM counted ORDER BY fresh DESC, city_id",
    )
    .all(&mut database.session().await?)
    .await?;
    rows.into_iter().map(Trainable::try_from).collect()
}

impl TryFrom<UnlabelledRow> for Unlabelled {
    type Error = Error;

    fn try_from(row: UnlabelledRow) -> Result<Self> {
        let city = Error::read("city id", &row.city_id)?;
        Ok(Self { city, images: row.images, budget: row.label_budget, calls: row.label_calls })
    }
}

impl TryFrom<TrainableRow> for Trainable {
    type Error = Error;

    fn try_from(row: TrainableRow) -> Result<Self> {
        let city = Error::read("city id", &row.city_id)?;
        Ok(Self { city, labelled: row.labelled, fresh: row.fresh, version: row.version })
    }
}
