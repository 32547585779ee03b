//! Marts, for readers.
//!
//! The current models and the images of cities are views of the core tables. Counts are tables that [`refresh`] makes anew,
//! for the cities that changed since the last one: a count that every writer kept up to date would make all writers of a
//! city wait for each other.

use sightscan_types::names::Slug;
use sightscan_types::{CityId, ImageId, ModelId, Sha256};

use crate::statement::sql;
use crate::{Database, Error, Result, Transaction};

/// The live model of a city.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentModel {
    /// The city's name in URLs.
    pub slug: Slug,
    /// The city's name.
    pub name: String,
    /// The city's name on the original's routes.
    pub legacy_name: String,
    /// The model.
    pub model: ModelId,
    /// Counts from 1.
    pub version: i64,
    /// The blob that holds it.
    pub sha256: Sha256,
    /// Bytes.
    pub size: i64,
    /// When it was stored.
    pub created_at: i64,
}

/// How far a city is.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Progress {
    /// The city's name in URLs.
    pub slug: String,
    /// Its images.
    pub images: i64,
    /// Those whose current labelling has at least one box.
    pub labelled: i64,
    /// Those that were looked at and have nothing in them.
    pub empty: i64,
    /// Those that nobody has labelled.
    pub unlabelled: i64,
    /// Those that came from donors.
    pub donated: i64,
    /// Current boxes.
    pub boxes: i64,
    /// Its sights.
    pub sights: i64,
    /// Its models.
    pub models: i64,
    /// When this was counted.
    pub refreshed_at: i64,
}

/// How often a label occurs in a city.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct LabelStatistics {
    /// The label as its producers wrote it.
    pub label: String,
    /// Images with a current box of it.
    pub images: i64,
    /// Current boxes of it.
    pub boxes: i64,
    /// Those of people.
    pub human_boxes: i64,
    /// Mean score of those that have one.
    pub mean_score: Option<f64>,
}

/// What a refresh has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// Cities that were counted anew.
    pub cities: usize,
}

/// Counts the cities that changed since the last refresh, or `everything` anew. One transaction: readers see all of it
/// or nothing.
///
/// # Errors
/// When the database does not answer.
pub async fn refresh(database: &Database, everything: bool) -> Result<Refreshed> {
    let now = database.now();
    let mut transaction = database.begin().await?;
    if let Some(lock) = transaction.dialect().lock_marts() {
        sql(lock).execute(&mut transaction).await?;
    }
    let changed: Vec<(String,)> =
        sql("DELETE FROM mart_changes RETURNING city_id").all(&mut transaction).await?;
    if everything {
        sql("DELETE FROM mart_city_progress").execute(&mut transaction).await?;
    }
    // Cities that are new, or all of them when there are no counts any more.
    let uncounted: Vec<(String,)> =
        sql("SELECT city_id FROM cities WHERE city_id NOT IN (SELECT city_id FROM mart_city_progress)")
            .all(&mut transaction)
            .await?;
    let mut cities: Vec<String> = changed.into_iter().chain(uncounted).map(|(city,)| city).collect();
    cities.sort_unstable();
    cities.dedup();
    for city in &cities {
        count(&mut transaction, city, now).await?;
    }
    transaction.commit().await?;
    Ok(Refreshed { cities: cities.len() })
}

/// Notes that the counts of a city have to be made anew.
pub(crate) async fn note_change(transaction: &mut Transaction, city: CityId) -> Result<()> {
    sql("INSERT INTO mart_changes (city_id) VALUES ($1)").bind(city.to_string()).execute(transaction).await?;
    Ok(())
}

/// Notes it for all cities of an image.
pub(crate) async fn note_changes_of(transaction: &mut Transaction, image: ImageId) -> Result<()> {
    let statement = sql("SELECT city_id FROM city_images WHERE image_id = $1 ORDER BY city_id");
    let cities: Vec<(String,)> = statement.bind(image.to_string()).all(transaction).await?;
    for (city,) in cities {
        note_change(transaction, Error::read("city id", &city)?).await?;
    }
    Ok(())
}

async fn count(transaction: &mut Transaction, city: &str, now: i64) -> Result<()> {
    sql("INSERT INTO mart_city_progress (city_id, slug, images, labelled, empty, unlabelled, donated, boxes, sights, \
                                         models, refreshed_at) \
         SELECT c.city_id, c.slug, COUNT(i.image_id), \
                COUNT(i.image_id) FILTER (WHERE l.outcome = 'found'), \
                COUNT(i.image_id) FILTER (WHERE l.outcome = 'nothing'), \
                COUNT(i.image_id) FILTER (WHERE i.label_id IS NULL), \
                COUNT(i.image_id) FILTER (WHERE EXISTS ( \
                    SELECT 1 FROM image_origins o WHERE o.image_id = i.image_id AND o.kind = 'donation')), \
                (SELECT COUNT(*) FROM city_images g JOIN images j ON j.image_id = g.image_id \
                 JOIN boxes b ON b.label_id = j.label_id WHERE g.city_id = $1), \
                (SELECT COUNT(*) FROM sights s WHERE s.city_id = $1), \
                (SELECT COUNT(*) FROM models m WHERE m.city_id = $1), $2 \
         FROM cities c LEFT JOIN city_images f ON f.city_id = c.city_id \
         LEFT JOIN images i ON i.image_id = f.image_id LEFT JOIN labels l ON l.label_id = i.label_id \
         WHERE c.city_id = $1 GROUP BY c.city_id, c.slug \
         ON CONFLICT (city_id) DO UPDATE SET \
             images = excluded.images, labelled = excluded.labelled, empty = excluded.empty, \
             unlabelled = excluded.unlabelled, donated = excluded.donated, boxes = excluded.boxes, \
             sights = excluded.sights, models = excluded.models, refreshed_at = excluded.refreshed_at")
    .bind(city)
    .bind(now)
    .execute(transaction)
    .await?;
    sql("DELETE FROM mart_label_statistics WHERE city_id = $1").bind(city).execute(transaction).await?;
    sql("INSERT INTO mart_label_statistics (city_id, label, images, boxes, human_boxes, mean_score, refreshed_at) \
         SELECT f.city_id, b.label, COUNT(DISTINCT i.image_id), COUNT(*), \
                COUNT(*) FILTER (WHERE l.producer_kind = 'human'), AVG(b.score), $2 \
         FROM city_images f JOIN images i ON i.image_id = f.image_id JOIN labels l ON l.label_id = i.label_id \
         JOIN boxes b ON b.label_id = l.label_id WHERE f.city_id = $1 GROUP BY f.city_id, b.label")
    .bind(city)
    .bind(now)
    .execute(transaction)
    .await?;
    Ok(())
}

/// The live model of each city that has one, by slug.
///
/// # Errors
/// When the database does not answer.
pub async fn current_models(database: &Database) -> Result<Vec<CurrentModel>> {
    let rows: Vec<CurrentModelRow> = sql(
        "SELECT slug, name, legacy_name, model_id, version, sha256, size, created_at FROM mart_current_models \
         ORDER BY slug",
    )
    .all(&mut database.session().await?)
    .await?;
    rows.into_iter().map(CurrentModel::try_from).collect()
}

/// How far a city was at the last refresh; `None` where there was none since it began.
///
/// # Errors
/// When the database does not answer.
pub async fn progress(database: &Database, city: &Slug) -> Result<Option<Progress>> {
    sql("SELECT slug, images, labelled, empty, unlabelled, donated, boxes, sights, models, refreshed_at \
         FROM mart_city_progress WHERE slug = $1")
    .bind(city.as_str())
    .optional(&mut database.session().await?)
    .await
}

/// The labels of a city, the most frequent first.
///
/// # Errors
/// When the database does not answer.
pub async fn label_statistics(database: &Database, city: CityId) -> Result<Vec<LabelStatistics>> {
    sql("SELECT label, images, boxes, human_boxes, mean_score FROM mart_label_statistics WHERE city_id = $1 \
         ORDER BY images DESC, label")
    .bind(city.to_string())
    .all(&mut database.session().await?)
    .await
}

#[derive(sqlx::FromRow)]
struct CurrentModelRow {
    slug: String,
    name: String,
    legacy_name: String,
    model_id: String,
    version: i64,
    sha256: String,
    size: i64,
    created_at: i64,
}

impl TryFrom<CurrentModelRow> for CurrentModel {
    type Error = Error;

    fn try_from(row: CurrentModelRow) -> Result<Self> {
        Ok(Self {
            slug: Error::read("slug", &row.slug)?,
            name: row.name,
            legacy_name: row.legacy_name,
            model: Error::read("model id", &row.model_id)?,
            version: row.version,
            sha256: Error::read("SHA-256", &row.sha256)?,
            size: row.size,
            created_at: row.created_at,
        })
    }
}
