//! What happens to a city: steps in its life, progress and remarks, each an event with a number.

use sightscan_types::{CityId, Stage};

use super::{CHANNEL, City, NotNow, Progress, Step, lock, save};
use crate::statement::sql;
use crate::{Database, Result, Transaction};

/// Something that happened to a city.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Event {
    /// Counts from 1 for each city.
    pub number: i64,
    /// When.
    pub at: i64,
    /// `state`, `progress`, `epoch` or `log`.
    pub kind: String,
    /// Who.
    pub actor: String,
    /// The state before a change.
    pub from_state: Option<String>,
    /// The state after a change.
    pub state: Option<String>,
    /// The stage that it is about.
    pub stage: Option<String>,
    /// Progress: units that are done.
    pub done: Option<i64>,
    /// Progress: units there are.
    pub total: Option<i64>,
    /// Why, or what is being done; of an epoch, its numbers as JSON.
    pub message: Option<String>,
}

/// The kind of events that tell of an epoch.
const EPOCH: &str = "epoch";

impl Event {
    /// The numbers of the epoch that it tells of: a JSON object.
    pub fn epoch(&self) -> Option<&str> {
        self.message.as_deref().filter(|_| self.kind == EPOCH)
    }
}

/// Takes a step in a city's life, writes it into the history and tells those who follow the city. The row of the
/// city stays locked until the end of the transaction, so that of two who decide at once one comes second.
///
/// # Errors
/// When the database does not answer or there is no such city.
pub async fn step(
    transaction: &mut Transaction,
    city: CityId,
    step: &Step,
    actor: &str,
    why: Option<&str>,
    now: i64,
) -> Result<std::result::Result<City, NotNow>> {
    let before = lock(transaction, city).await?;
    let Some(next) = before.next(step) else { return Ok(Err(NotNow { state: before.state })) };
    let mut after = before.clone();
    after.enter(next, step, now);
    save(transaction, &after).await?;
    let event = Event {
        number: after.last_event,
        at: now,
        kind: "state".to_owned(),
        actor: actor.to_owned(),
        from_state: Some(before.state.to_string()),
        state: Some(after.state.to_string()),
        stage: after.failed_stage.map(|stage| stage.to_string()),
        done: None,
        total: None,
        message: why.map(str::to_owned).or_else(|| after.reason.clone()),
    };
    insert_event(transaction, city, &event).await?;
    Ok(Ok(after))
}

/// Writes down how far the stage is that works for a city.
///
/// # Errors
/// When the database does not answer or there is no such city.
pub async fn note_progress(
    transaction: &mut Transaction,
    city: CityId,
    stage: Stage,
    actor: &str,
    progress: &Progress,
    now: i64,
) -> Result<()> {
    let mut after = lock(transaction, city).await?;
    after.last_event += 1;
    after.progress = progress.clone();
    save(transaction, &after).await?;
    let event = Event {
        number: after.last_event,
        at: now,
        kind: "progress".to_owned(),
        actor: actor.to_owned(),
        from_state: None,
        state: Some(after.state.to_string()),
        stage: Some(stage.to_string()),
        done: Some(progress.done),
        total: progress.total,
        message: progress.message.clone(),
    };
    insert_event(transaction, city, &event).await
}

/// Writes a remark into a city's history.
///
/// # Errors
/// When the database does not answer or there is no such city.
pub async fn remark(
    transaction: &mut Transaction,
    city: CityId,
    actor: &str,
    message: &str,
    now: i64,
) -> Result<()> {
    say(transaction, city, "log", actor, message, now).await
}

/// Tells those who follow a city that an epoch of its training has ended; `numbers` are a JSON object.
///
/// # Errors
/// When the database does not answer or there is no such city.
pub async fn note_epoch(
    transaction: &mut Transaction,
    city: CityId,
    actor: &str,
    numbers: &str,
    now: i64,
) -> Result<()> {
    say(transaction, city, EPOCH, actor, numbers, now).await
}

async fn say(
    transaction: &mut Transaction,
    city: CityId,
    kind: &str,
    actor: &str,
    message: &str,
    now: i64,
) -> Result<()> {
    let mut after = lock(transaction, city).await?;
    after.last_event += 1;
    save(transaction, &after).await?;
    let event = Event {
        number: after.last_event,
        at: now,
        kind: kind.to_owned(),
        actor: actor.to_owned(),
        from_state: None,
        state: Some(after.state.to_string()),
        stage: None,
        done: None,
        total: None,
        message: Some(message.to_owned()),
    };
    insert_event(transaction, city, &event).await
}

/// A city's events behind a number, in order.
///
/// # Errors
/// When the database does not answer.
pub async fn events(database: &Database, city: CityId, after: i64, limit: u32) -> Result<Vec<Event>> {
    sql("SELECT number, at, kind, actor, from_state, state, stage, done, total, message FROM city_events \
         WHERE city_id = $1 AND number > $2 ORDER BY number LIMIT $3")
    .bind(city.to_string())
    .bind(after)
    .bind(limit)
    .all(&mut database.session().await?)
    .await
}

/// A city's changes of state behind a number, in order.
///
/// # Errors
/// When the database does not answer.
pub async fn history(database: &Database, city: CityId, after: i64, limit: u32) -> Result<Vec<Event>> {
    sql("SELECT number, at, kind, actor, from_state, state, stage, done, total, message FROM city_events \
         WHERE city_id = $1 AND number > $2 AND kind = 'state' ORDER BY number LIMIT $3")
    .bind(city.to_string())
    .bind(after)
    .bind(limit)
    .all(&mut database.session().await?)
    .await
}

/// Deletes events of progress and of epochs that are older than `before`; the history of states stays.
///
/// # Errors
/// When the database does not answer.
pub async fn forget_progress(database: &Database, before: i64) -> Result<u64> {
    let mut transaction = database.begin().await?;
    let forgotten = sql("DELETE FROM city_events WHERE kind IN ('progress', 'epoch') AND at < $1")
        .bind(before)
        .execute(&mut transaction)
        .await?;
    transaction.commit().await?;
    Ok(forgotten)
}

async fn insert_event(transaction: &mut Transaction, city: CityId, event: &Event) -> Result<()> {
    sql("INSERT INTO city_events (city_id, number, at, kind, actor, from_state, state, stage, done, total, message) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)")
    .bind(city.to_string())
    .bind(event.number)
    .bind(event.at)
    .bind(&event.kind)
    .bind(&event.actor)
    .bind(event.from_state.as_deref())
    .bind(event.state.as_deref())
    .bind(event.stage.as_deref())
    .bind(event.done)
    .bind(event.total)
    .bind(event.message.as_deref())
    .execute(transaction)
    .await?;
    transaction.notify(CHANNEL).await
}
