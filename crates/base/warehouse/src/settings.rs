//! Small facts about this installation, such as the hash of its admin token.

use crate::statement::sql;
use crate::{Database, Result};

/// A setting's value, where it is set.
///
/// # Errors
/// When the database does not answer.
pub async fn get(database: &Database, name: &str) -> Result<Option<String>> {
    let statement = sql("SELECT value FROM settings WHERE name = $1").bind(name);
    let row: Option<(String,)> = statement.optional(&mut database.session().await?).await?;
    Ok(row.map(|(value,)| value))
}

/// Sets a setting.
///
/// # Errors
/// When the database does not answer.
pub async fn set(database: &Database, name: &str, value: &str) -> Result<()> {
    let mut transaction = database.begin().await?;
    sql("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
        .bind(name)
        .bind(value)
        .execute(&mut transaction)
        .await?;
    transaction.commit().await
}

/// Sets a setting unless it is set; gives the value that holds, and whether it is this one. Of several processes
/// that start at once one wins.
///
/// # Errors
/// When the database does not answer.
pub async fn set_once(database: &Database, name: &str, value: &str) -> Result<(String, bool)> {
    let mut transaction = database.begin().await?;
    let inserted = sql("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
        .bind(name)
        .bind(value)
        .execute(&mut transaction)
        .await?;
    let (holds,): (String,) =
        sql("SELECT value FROM settings WHERE name = $1").bind(name).one(&mut transaction).await?;
    transaction.commit().await?;
    Ok((holds, inserted == 1))
}
