//! Models: the detectors of cities, numbered from 1 for each city. At most one of them is live.

use bytes::Bytes;
use sightscan_types::names::Slug;
use sightscan_types::{CityId, DatasetId, ModelAction, ModelId, ModelState, Sha256};

pub use details::{Details, Seen, SeenBox, with_details};
pub use ledger::{By, LedgerEntry, Promoted, history, live, promote, reject, roll_back};

use crate::statement::{Statement, sql};
use crate::tries::Tries;
use crate::{Database, Error, Result, Transaction, Warehouse, cities, collection, datasets, marts};

/// A model that is to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewModel {
    /// Whose sights it detects.
    pub city: CityId,
    /// Its `model.toml`.
    pub specification: String,
    /// What it was trained on.
    pub dataset: Option<DatasetId>,
    /// The model whose weights its training started from.
    pub parent: Option<ModelId>,
    /// Labelled images of the city that it was trained on.
    pub considered_images: i64,
    /// JSON object.
    pub metrics: String,
}

/// A model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Its id.
    pub id: ModelId,
    /// Whose sights it detects.
    pub city: CityId,
    /// Counts from 1 for each city.
    pub version: i64,
    /// Whether it answers for the city.
    pub state: ModelState,
    /// The blob that holds the ONNX file.
    pub sha256: Sha256,
    /// Bytes of the file.
    pub size: i64,
    /// Its `model.toml`.
    pub specification: String,
    /// What it was trained on.
    pub dataset: Option<DatasetId>,
    /// The model whose weights its training started from.
    pub parent: Option<ModelId>,
    /// Labelled images of the city that it was trained on.
    pub considered_images: i64,
    /// JSON object.
    pub metrics: String,
    /// When it was stored.
    pub created_at: i64,
    /// When an image that it was trained on was withdrawn.
    pub tainted_at: Option<i64>,
    /// Why.
    pub taint: Option<String>,
}

/// A statement that reads models; the columns are those of [`Row`].
macro_rules! select {
    ($tail:literal) => {
        sql(concat!(
            "SELECT m.model_id, m.city_id, m.version, m.state, m.sha256, m.size, m.specification, m.dataset_id, \
             m.parent_id, m.considered_images, m.metrics, m.created_at, m.tainted_at, m.taint FROM models m ",
            $tail
        ))
    };
}

pub(crate) mod details;
// After the macro, which it uses.
mod ledger;

impl Model {
    /// Its metrics, and apart from them what is too long for lists.
    ///
    /// # Errors
    /// When the database holds what this program never writes.
    pub fn measured(&self) -> Result<(serde_json::Value, Details)> {
        details::split(&self.metrics)
    }
}

/// Stores an ONNX file as a candidate. The same file of the same dataset is stored once, so that a training that is tried
/// again does not leave a second one.
///
/// # Errors
/// When the blobs or the database do not answer, or there is no such city.
pub async fn register(warehouse: &Warehouse, bytes: Bytes, model: &NewModel, by: By<'_>) -> Result<Model> {
    put(warehouse, bytes, model, by, false).await
}

/// Stores an ONNX file and makes it the city's live model, visible at once.
///
/// # Errors
/// As [`register`].
pub async fn publish(warehouse: &Warehouse, bytes: Bytes, model: &NewModel, by: By<'_>) -> Result<Model> {
    put(warehouse, bytes, model, by, true).await
}

async fn put(
    warehouse: &Warehouse,
    bytes: Bytes,
    model: &NewModel,
    by: By<'_>,
    is_live: bool,
) -> Result<Model> {
    let mut tries = Tries::default();
    loop {
        let sha256 = warehouse.blobs.put(bytes.clone()).await?;
        match try_to_put(warehouse, (&sha256, bytes.len()), model, by, is_live).await {
            Err(error) => tries.again(error).await?,
            done => return done,
        }
    }
}

async fn try_to_put(
    warehouse: &Warehouse,
    (sha256, size): (&Sha256, usize),
    model: &NewModel,
    by: By<'_>,
    is_live: bool,
) -> Result<Model> {
    let mut transaction = warehouse.database.begin().await?;
    let now = warehouse.database.now();
    let stored = if is_live {
        publish_in(&mut transaction, sha256, size, model, by, now).await?
    } else {
        register_in(&mut transaction, sha256, size, model, by, now).await?
    };
    collection::commit(warehouse, transaction, &[*sha256]).await?;
    Ok(stored)
}

/// As [`publish`], in the caller's transaction. The blob has just been put, so that the collector's grace keeps it. A model
/// of a tainted dataset is tainted.
///
/// # Errors
/// As [`publish`].
pub async fn publish_in(
    transaction: &mut Transaction,
    sha256: &Sha256,
    size: usize,
    model: &NewModel,
    by: By<'_>,
    now: i64,
) -> Result<Model> {
    collection::hold_off(transaction).await?;
    cities::lock(transaction, model.city).await?;
    let id = insert(transaction, sha256, size, model, now).await?;
    ledger::go_live(transaction, model.city, id, (ModelAction::Promoted, by), now).await
}

async fn register_in(
    transaction: &mut Transaction,
    sha256: &Sha256,
    size: usize,
    model: &NewModel,
    by: By<'_>,
    now: i64,
) -> Result<Model> {
    collection::hold_off(transaction).await?;
    cities::lock(transaction, model.city).await?;
    let before: Option<Row> =
        select!("WHERE m.city_id = $1 AND m.sha256 = $2 AND m.dataset_id = $3 AND m.state = 'candidate'")
            .bind(model.city.to_string())
            .bind(sha256.to_string())
            .bind(model.dataset.map(|dataset| dataset.to_string()))
            .optional(transaction)
            .await?;
    if let Some(row) = before {
        return row.try_into();
    }
    let id = insert(transaction, sha256, size, model, now).await?;
    ledger::write(transaction, model.city, (id, None), (ModelAction::Registered, by), now).await?;
    of_id(transaction, id).await
}

/// A candidate of a city that is locked: of two that are stored at once the second one gets the next number.
async fn insert(
    transaction: &mut Transaction,
    sha256: &Sha256,
    size: usize,
    model: &NewModel,
    now: i64,
) -> Result<ModelId> {
    let (tainted_at, taint) = match model.dataset {
        Some(dataset) => datasets::lock(transaction, dataset).await?,
        None => (None, None),
    };
    let id = ModelId::new();
    sql("INSERT INTO models (model_id, city_id, version, state, sha256, size, specification, dataset_id, parent_id, \
                             considered_images, metrics, created_at, tainted_at, taint) \
         SELECT $1, $2, COALESCE(MAX(version), 0) + 1, 'candidate', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 \
         FROM models WHERE city_id = $2")
    .bind(id.to_string())
    .bind(model.city.to_string())
    .bind(sha256.to_string())
    .bind(i64::try_from(size).unwrap_or(i64::MAX))
    .bind(&model.specification)
    .bind(model.dataset.map(|dataset| dataset.to_string()))
    .bind(model.parent.map(|parent| parent.to_string()))
    .bind(model.considered_images)
    .bind(&model.metrics)
    .bind(now)
    .bind(tainted_at)
    .bind(taint)
    .execute(transaction)
    .await?;
    marts::note_change(transaction, model.city).await?;
    Ok(id)
}

async fn of_id(transaction: &mut Transaction, id: ModelId) -> Result<Model> {
    let row: Row = select!("WHERE m.model_id = $1").bind(id.to_string()).one(transaction).await?;
    row.try_into()
}

/// The live model of a city.
///
/// # Errors
/// When the database does not answer.
pub async fn current(database: &Database, city: &Slug) -> Result<Option<Model>> {
    let statement = select!("JOIN mart_current_models c ON c.model_id = m.model_id WHERE c.slug = $1")
        .bind(city.as_str());
    find(database, statement).await
}

/// The model of this id.
///
/// # Errors
/// When the database does not answer.
pub async fn by_id(database: &Database, id: ModelId) -> Result<Option<Model>> {
    find(database, select!("WHERE m.model_id = $1").bind(id.to_string())).await
}

/// One version of a city's models.
///
/// # Errors
/// When the database does not answer.
pub async fn get(database: &Database, city: CityId, version: i64) -> Result<Option<Model>> {
    let statement = select!("WHERE m.city_id = $1 AND m.version = $2").bind(city.to_string()).bind(version);
    find(database, statement).await
}

/// A city's models, the newest first, those with a smaller version than `before` only.
///
/// # Errors
/// When the database does not answer.
pub async fn list(database: &Database, city: CityId, before: Option<i64>, limit: u32) -> Result<Vec<Model>> {
    let rows: Vec<Row> =
        select!("WHERE m.city_id = $1 AND ($2 IS NULL OR m.version < $2) ORDER BY m.version DESC LIMIT $3")
            .bind(city.to_string())
            .bind(before)
            .bind(limit)
            .all(&mut database.session().await?)
            .await?;
    rows.into_iter().map(Model::try_from).collect()
}

async fn find(database: &Database, statement: Statement) -> Result<Option<Model>> {
    let row: Option<Row> = statement.optional(&mut database.session().await?).await?;
    row.map(Model::try_from).transpose()
}

#[derive(sqlx::FromRow)]
struct Row {
    model_id: String,
    city_id: String,
    version: i64,
    state: String,
    sha256: String,
    size: i64,
    specification: String,
    dataset_id: Option<String>,
    parent_id: Option<String>,
    considered_images: i64,
    metrics: String,
    created_at: i64,
    tainted_at: Option<i64>,
    taint: Option<String>,
}

impl TryFrom<Row> for Model {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: Error::read("model id", &row.model_id)?,
            city: Error::read("city id", &row.city_id)?,
            version: row.version,
            state: Error::read("model state", &row.state)?,
            sha256: Error::read("SHA-256", &row.sha256)?,
            size: row.size,
            specification: row.specification,
            dataset: row.dataset_id.as_deref().map(|id| Error::read("dataset id", id)).transpose()?,
            parent: row.parent_id.as_deref().map(|id| Error::read("model id", id)).transpose()?,
            considered_images: row.considered_images,
            metrics: row.metrics,
            created_at: row.created_at,
            tainted_at: row.tainted_at,
            taint: row.taint,
        })
    }
}
