//! Sights: what there is to see in a city.

use sightscan_types::{CityId, SightId};

use crate::statement::sql;
use crate::{Error, Result, Transaction, marts};

/// Bytes of a sight's name: sights are found by it.
pub const LONGEST_NAME: usize = 500;

/// A sight that somebody knows of.
#[derive(Debug, Clone, Default, PartialEq)]
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
}

/// The sight of this name in a city, which is made where it is new. Names that differ in capitals and white space mean
/// the same sight.
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
    let wanted = SightId::new();
    let (id,): (String,) = sql(
        "INSERT INTO sights (sight_id, city_id, name, name_key, latitude, longitude, source, external_id, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (city_id, name_key) DO UPDATE SET \
             latitude = COALESCE(sights.latitude, excluded.latitude), \
             longitude = COALESCE(sights.longitude, excluded.longitude) \
         RETURNING sight_id",
    )
    .bind(wanted.to_string())
    .bind(city.to_string())
    .bind(&sight.name)
    .bind(folded(&sight.name))
    .bind(sight.latitude)
    .bind(sight.longitude)
    .bind(sight.source.as_deref())
    .bind(sight.external_id.as_deref())
    .bind(now)
    .one(transaction)
    .await?;
    let id = Error::read("sight id", &id)?;
    if id == wanted {
        marts::note_change(transaction, city).await?;
    }
    Ok(id)
}

fn folded(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}
