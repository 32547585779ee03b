//! Who asks for a city.

use sightscan_types::CityId;

use crate::statement::{Linked, sql};
use crate::{Database, Result, Transaction};

/// How often a city was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Requests {
    /// Every request.
    pub posts: i64,
    /// Different requesters.
    pub requesters: i64,
}

/// Counts a request of somebody for a city and says how often it was asked for now.
///
/// # Errors
/// When the database does not answer.
pub async fn count_request(
    transaction: &mut Transaction,
    city: CityId,
    requester: &str,
    now: i64,
) -> Result<Requests> {
    sql("INSERT INTO city_requesters (city_id, requester, requests, first_at, last_at) VALUES ($1, $2, 1, $3, $3) \
         ON CONFLICT (city_id, requester) \
         DO UPDATE SET requests = city_requesters.requests + 1, last_at = excluded.last_at")
    .bind(city.to_string())
    .bind(requester)
    .bind(now)
    .execute(transaction)
    .await?;
    counted(city, transaction).await
}

/// How often a city was asked for.
///
/// # Errors
/// When the database does not answer.
pub async fn requests(database: &Database, city: CityId) -> Result<Requests> {
    counted(city, &mut database.session().await?).await
}

async fn counted(city: CityId, on: &mut impl Linked) -> Result<Requests> {
    sql("SELECT CAST(COALESCE(SUM(requests), 0) AS BIGINT) AS posts, COUNT(*) AS requesters \
         FROM city_requesters WHERE city_id = $1")
    .bind(city.to_string())
    .one(on)
    .await
}
