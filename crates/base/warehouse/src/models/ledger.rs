//! Which model of a city is live, and the ledger of what was live when and why.
//!
//! Whoever changes it holds the city's row locked, so that entries are numbered without gaps and no reader ever sees two
//! live models of a city, or none in between.

use sightscan_types::{CityId, ModelAction, ModelId, ModelState};

use super::{Model, Row, of_id};
use crate::statement::sql;
use crate::{Database, Error, Result, Transaction, cities, marts};

/// Who does something with a model, and why.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    /// Who.
    pub actor: &'a str,
    /// Why.
    pub why: &'a str,
}

/// A line of a city's ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Counts from 1 for each city.
    pub number: i64,
    /// The model's version.
    pub version: i64,
    /// The version that was live until then, where another one becomes live.
    pub replaced: Option<i64>,
    /// What was done with the model.
    pub action: ModelAction,
    /// Who did it.
    pub actor: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: i64,
}

/// What came of a promotion.
#[derive(Debug, Clone, PartialEq)]
pub enum Promoted {
    /// The model is live now.
    Now(Box<Model>),
    /// It was live already; there is no new entry.
    Before,
    /// There is no such version.
    Unknown,
}

/// Makes a version the city's live model.
///
/// # Errors
/// When the database does not answer, or there is no such city.
pub async fn promote(
    transaction: &mut Transaction,
    city: CityId,
    version: i64,
    by: By<'_>,
    now: i64,
) -> Result<Promoted> {
    cities::lock(transaction, city).await?;
    let row: Option<Row> = select!("WHERE m.city_id = $1 AND m.version = $2")
        .bind(city.to_string())
        .bind(version)
        .optional(transaction)
        .await?;
    let Some(model) = row.map(Model::try_from).transpose()? else { return Ok(Promoted::Unknown) };
    if model.state == ModelState::Live {
        return Ok(Promoted::Before);
    }
    go_live(transaction, city, model.id, (ModelAction::Promoted, by), now)
        .await
        .map(|model| Promoted::Now(Box::new(model)))
}

/// Makes the model live again that the live one has replaced; `None` where there is none.
///
/// # Errors
/// As [`promote`].
pub async fn roll_back(
    transaction: &mut Transaction,
    city: CityId,
    by: By<'_>,
    now: i64,
) -> Result<Option<Model>> {
    cities::lock(transaction, city).await?;
    let Some(live) = live(transaction, city).await? else { return Ok(None) };
    let before: Option<(Option<String>,)> = sql("SELECT replaced_id FROM model_ledger \
         WHERE city_id = $1 AND model_id = $2 AND action = 'promoted' ORDER BY number DESC LIMIT 1")
    .bind(city.to_string())
    .bind(live.to_string())
    .optional(transaction)
    .await?;
    let Some((Some(before),)) = before else { return Ok(None) };
    let before = Error::read("model id", &before)?;
    go_live(transaction, city, before, (ModelAction::RolledBack, by), now).await.map(Some)
}

/// Keeps a candidate as one that is not good enough.
///
/// # Errors
/// As [`promote`].
pub async fn reject(transaction: &mut Transaction, model: &Model, by: By<'_>, now: i64) -> Result<Model> {
    cities::lock(transaction, model.city).await?;
    set_state(transaction, model.id, ModelState::Rejected).await?;
    write(transaction, model.city, (model.id, None), (ModelAction::Rejected, by), now).await?;
    of_id(transaction, model.id).await
}

/// The ledger of a city, the newest entry first, those with a smaller number than `before` only.
///
/// # Errors
/// When the database does not answer.
pub async fn history(
    database: &Database,
    city: CityId,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<LedgerEntry>> {
    let rows: Vec<EntryRow> = sql(
        "SELECT l.number, m.version, r.version AS replaced, l.action, l.actor, l.why, l.at FROM model_ledger l \
         JOIN models m ON m.model_id = l.model_id LEFT JOIN models r ON r.model_id = l.replaced_id \
         WHERE l.city_id = $1 AND ($2 IS NULL OR l.number < $2) ORDER BY l.number DESC LIMIT $3",
    )
    .bind(city.to_string())
    .bind(before)
    .bind(limit)
    .all(&mut database.session().await?)
    .await?;
    rows.into_iter().map(LedgerEntry::try_from).collect()
}

/// Makes a model of a locked city the live one.
pub(super) async fn go_live(
    transaction: &mut Transaction,
    city: CityId,
    model: ModelId,
    (action, by): (ModelAction, By<'_>),
    now: i64,
) -> Result<Model> {
    let replaced = live(transaction, city).await?;
    if let Some(replaced) = replaced {
        set_state(transaction, replaced, ModelState::Retired).await?;
    }
    set_state(transaction, model, ModelState::Live).await?;
    write(transaction, city, (model, replaced), (action, by), now).await?;
    marts::note_change(transaction, city).await?;
    of_id(transaction, model).await
}

/// The live model of a city, which stays so until the transaction ends.
///
/// # Errors
/// As [`promote`].
pub async fn live(transaction: &mut Transaction, city: CityId) -> Result<Option<ModelId>> {
    cities::lock(transaction, city).await?;
    let row: Option<(String,)> = sql("SELECT model_id FROM models WHERE city_id = $1 AND state = 'live'")
        .bind(city.to_string())
        .optional(transaction)
        .await?;
    row.map(|(id,)| Error::read("model id", &id)).transpose()
}

async fn set_state(transaction: &mut Transaction, model: ModelId, state: ModelState) -> Result<()> {
    sql("UPDATE models SET state = $2 WHERE model_id = $1")
        .bind(model.to_string())
        .bind(state.as_str())
        .execute(transaction)
        .await?;
    Ok(())
}

/// Adds an entry to the ledger of a locked city.
pub(super) async fn write(
    transaction: &mut Transaction,
    city: CityId,
    (model, replaced): (ModelId, Option<ModelId>),
    (action, by): (ModelAction, By<'_>),
    now: i64,
) -> Result<()> {
    sql("INSERT INTO model_ledger (city_id, number, model_id, replaced_id, action, actor, why, at) \
         SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3, $4, $5, $6, $7 FROM model_ledger WHERE city_id = $1")
    .bind(city.to_string())
    .bind(model.to_string())
    .bind(replaced.map(|model| model.to_string()))
    .bind(action.as_str())
    .bind(by.actor)
    .bind(by.why)
    .bind(now)
    .execute(transaction)
    .await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct EntryRow {
    number: i64,
    version: i64,
    replaced: Option<i64>,
    action: String,
    actor: String,
    why: String,
    at: i64,
}

impl TryFrom<EntryRow> for LedgerEntry {
    type Error = Error;

    fn try_from(row: EntryRow) -> Result<Self> {
        Ok(Self {
            number: row.number,
            version: row.version,
            replaced: row.replaced,
            action: Error::read("action", &row.action)?,
            actor: row.actor,
            why: row.why,
            at: row.at,
        })
    }
}
