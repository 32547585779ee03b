//! Sights: what there is to see in a city.

use sightscan_types::{CityId, SightId};

use crate::statement::sql;
use crate::{Database, Error, Result, Transaction, marts};

/// Bytes of a sight's name: sights are found by it.
pub const LONGEST_NAME: usize = 500;

/// A sight that somebody knows of.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow)]
pub struct NewSight {
    /// Its name.
    pub name: String,
    /// Degrees north, WGS 84.
    pub latitude: Option<f64>,
    /// Degrees east, WGS 84.
    pub longitude: Option<f64>,
    /// Which service knew it.
    pub source: Option<String>,
    /// Its id there.
    pub external_id: Option<String>,
    /// Its item in Wikidata.
    pub wikidata: Option<String>,
    /// Its category in Wikimedia Commons, without `Category:`.
    pub commons_category: Option<String>,
}

/// A sight of a city.
#[derive(Debug, Clone, PartialEq)]
pub struct Sight {
    /// Its id.
    pub id: SightId,
    /// What is known of it.
    pub known: NewSight,
    /// When its crawl was last finished.
    pub crawled_at: Option<i64>,
}

/// The sight of this name in a city, which is made where it is new. Names that differ in capitals and white space mean
/// the same sight, and so does the same item of Wikidata. What was not known of it before is added.
///
/// # Errors
/// When its name is longer than [`LONGEST_NAME`], or the database does not answer.
pub async fn find_or_create(
    transaction: &mut Transaction,
    city: CityId,
    sight: &NewSight,
    now: i64,
) -> Result<SightId> {
    Error::limit("name of the sight", &sight.name, LONGEST_NAME)?;
    let key = match &sight.wikidata {
        Some(item) => key_of(transaction, city, item).await?,
        None => None,
    };
    let wanted = SightId::new();
    let (id,): (String,) = sql(
        "INSERT INTO sights (sight_id, city_id, name, name_key, latitude, longitude, source, external_id, wikidata, \
                             commons_category, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
         ON CONFLICT (city_id, name_key) DO UPDATE SET \
             latitude = COALESCE(sights.latitude, excluded.latitude), \
             longitude = COALESCE(sights.longitude, excluded.longitude), \
             source = COALESCE(sights.source, excluded.source), \
             external_id = COALESCE(sights.external_id, excluded.external_id), \
             wikidata = COALESCE(sights.wikidata, excluded.wikidata), \
             commons_category = COALESCE(sights.commons_category, excluded.commons_category) \
         RETURNING sight_id",
    )
    .bind(wanted.to_string())
    .bind(city.to_string())
    .bind(&sight.name)
    .bind(key.unwrap_or_else(|| folded(&sight.name)))
    .bind(sight.latitude)
    .bind(sight.longitude)
    .bind(sight.source.as_deref())
    .bind(sight.external_id.as_deref())
    .bind(sight.wikidata.as_deref())
    .bind(sight.commons_category.as_deref())
    .bind(now)
    .one(transaction)
    .await?;
    let id = Error::read("sight id", &id)?;
    if id == wanted {
        marts::note_change(transaction, city).await?;
    }
    Ok(id)
}

/// The key of the sight with this item of Wikidata.
async fn key_of(transaction: &mut Transaction, city: CityId, wikidata: &str) -> Result<Option<String>> {
    let key: Option<(String,)> =
        sql("SELECT name_key FROM sights WHERE city_id = $1 AND wikidata = $2 ORDER BY created_at, sight_id LIMIT 1")
            .bind(city.to_string())
            .bind(wikidata)
            .optional(transaction)
            .await?;
    Ok(key.map(|(key,)| key))
}

/// The sights of a city, those that were found first first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(database: &Database, city: CityId) -> Result<Vec<Sight>> {
    let rows: Vec<Row> = sql(
        "SELECT sight_id, name, latitude, longitude, source, external_id, wikidata, commons_category, crawled_at \
         FROM sights WHERE city_id = $1 ORDER BY created_at, sight_id",
    )
    .bind(city.to_string())
    .all(&mut database.session().await?)
    .await?;
    rows.into_iter().map(Sight::try_from).collect()
}

/// Writes down that the crawl of a sight is finished.
///
/// # Errors
/// When the database does not answer.
pub async fn finish_crawl(transaction: &mut Transaction, sight: SightId, now: i64) -> Result<()> {
    sql("UPDATE sights SET crawled_at = $2 WHERE sight_id = $1")
        .bind(sight.to_string())
        .bind(now)
        .execute(transaction)
        .await
        .map(drop)
}

#[derive(sqlx::FromRow)]
struct Row {
    sight_id: String,
    #[sqlx(flatten)]
    known: NewSight,
    crawled_at: Option<i64>,
}

impl TryFrom<Row> for Sight {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let id = Error::read("sight id", &row.sight_id)?;
        Ok(Self { id, known: row.known, crawled_at: row.crawled_at })
    }
}

fn folded(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}
