//! The time dimension, by the hour.

use std::sync::atomic::Ordering;

use chrono::{DateTime, Datelike, Timelike};

use crate::statement::sql;
use crate::{Database, Result, Transaction};

const MS_PER_HOUR: i64 = 3_600_000;

/// Makes sure that the hour of this moment is in the dimension; gives its id. An hour that this process knows to be
/// there costs no statement.
pub(crate) async fn add(database: &Database, transaction: &mut Transaction, at_ms: i64) -> Result<i64> {
    let hour = at_ms.div_euclid(MS_PER_HOUR);
    if database.known_hour().load(Ordering::Relaxed) == hour {
        return Ok(hour);
    }
    let at = DateTime::from_timestamp_millis(at_ms).unwrap_or_default();
    sql("INSERT INTO times (time_id, date, year, month, day, hour, weekday) VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (time_id) DO NOTHING")
    .bind(hour)
    .bind(format!("{:04}-{:02}-{:02}", at.year(), at.month(), at.day()))
    .bind(i64::from(at.year()))
    .bind(at.month())
    .bind(at.day())
    .bind(at.hour())
    .bind(at.weekday().number_from_monday())
    .execute(transaction)
    .await?;
    Ok(hour)
}

/// Remembers that the transaction which added the hour was committed.
pub(crate) fn committed(database: &Database, hour: i64) {
    database.known_hour().store(hour, Ordering::Relaxed);
}
