//! Who leads: of several processes with the same role one acts, and another takes over when it is gone.

use crate::statement::sql;
use crate::{Database, Result};

/// Asks to lead a role, or to go on leading it, for `ttl_ms` from now; whether `holder` leads.
///
/// # Errors
/// When the database does not answer; then nobody knows, and the asker must not act.
pub async fn lead(database: &Database, role: &str, holder: &str, ttl_ms: i64) -> Result<bool> {
    let now = database.now();
    let mut transaction = database.begin().await?;
    let taken = sql("INSERT INTO leaderships (role, holder, until) VALUES ($1, $2, $3) \
         ON CONFLICT (role) DO UPDATE SET holder = excluded.holder, until = excluded.until \
         WHERE leaderships.holder = excluded.holder OR leaderships.until <= $4")
    .bind(role)
    .bind(holder)
    .bind(now + ttl_ms)
    .bind(now)
    .execute(&mut transaction)
    .await?;
    transaction.commit().await?;
    Ok(taken == 1)
}

/// Stops leading, so that another need not wait.
///
/// # Errors
/// When the database does not answer; then another takes over once the time is up.
pub async fn resign(database: &Database, role: &str, holder: &str) -> Result<()> {
    let mut transaction = database.begin().await?;
    sql("DELETE FROM leaderships WHERE role = $1 AND holder = $2")
        .bind(role)
        .bind(holder)
        .execute(&mut transaction)
        .await?;
    transaction.commit().await
}
