//! Datasets: frozen selections of labelled images that models are trained on.

use std::collections::HashMap;

use bytes::Bytes;
use sightscan_types::{CityId, DatasetId, ImageId, Sha256};

use crate::statement::sql;
use crate::tries::Tries;
use crate::{Database, Error, Result, Transaction, Warehouse, collection};

const WITHDRAWN_BEFORE: &str = "an image was withdrawn before the dataset was written down";

/// A dataset that is to be written down.
#[derive(Debug, Clone)]
pub struct NewDataset {
    /// The city.
    pub city: CityId,
    /// Its classes, in the order of their numbers.
    pub classes: Vec<String>,
    /// Its images with their split: `train`, `validation`, `test`.
    pub images: Vec<(ImageId, &'static str)>,
}

/// Writes a dataset down, with its manifest as a blob: what a program needs to know to have the same dataset again. It is
/// tainted from the start when one of its images was withdrawn since it was chosen.
///
/// # Errors
/// When the blobs or the database do not answer.
pub async fn store(warehouse: &Warehouse, new: &NewDataset, manifest: Bytes) -> Result<DatasetId> {
    let mut tries = Tries::default();
    loop {
        let sha256 = warehouse.blobs.put(manifest.clone()).await?;
        match try_to_store(warehouse, new, &sha256).await {
            Err(error) => tries.again(error).await?,
            done => return done,
        }
    }
}

async fn try_to_store(warehouse: &Warehouse, new: &NewDataset, manifest: &Sha256) -> Result<DatasetId> {
    let mut transaction = warehouse.database.begin_without_collection().await?;
    let id = create(&mut transaction, new, manifest, warehouse.database.now()).await?;
    collection::commit(warehouse, transaction, &[*manifest]).await?;
    Ok(id)
}

async fn create(
    transaction: &mut Transaction,
    new: &NewDataset,
    manifest: &Sha256,
    now: i64,
) -> Result<DatasetId> {
    let id = DatasetId::new();
    sql("INSERT INTO datasets (dataset_id, city_id, classes, manifest, created_at) VALUES ($1, $2, $3, $4, $5)")
        .bind(id.to_string())
        .bind(new.city.to_string())
        .bind(serde_json::Value::from(new.classes.as_slice()).to_string())
        .bind(manifest.to_string())
        .bind(now)
        .execute(transaction)
        .await?;
    for (image, split) in &new.images {
        sql("INSERT INTO dataset_images (dataset_id, image_id, split) VALUES ($1, $2, $3)")
            .bind(id.to_string())
            .bind(image.to_string())
            .bind(*split)
            .execute(transaction)
            .await?;
    }
    if lock_images(transaction, id).await? < new.images.len() as u64 {
        sql("UPDATE datasets SET tainted_at = $2, taint = $3 WHERE dataset_id = $1")
            .bind(id.to_string())
            .bind(now)
            .bind(WITHDRAWN_BEFORE)
            .execute(transaction)
            .await?;
    }
    Ok(id)
}

/// What the images of a city were for in its datasets, and whether that was testing: what a detector was tested with none may
/// learn from, and what one has learnt from none may be tested with. An image that was both was tested with.
///
/// # Errors
/// When the database does not answer.
pub async fn used(database: &Database, city: CityId) -> Result<HashMap<ImageId, bool>> {
    let rows: Vec<(String, i64)> =
        sql("SELECT i.image_id, COUNT(*) FILTER (WHERE i.split = 'test') FROM datasets d \
         JOIN dataset_images i ON i.dataset_id = d.dataset_id WHERE d.city_id = $1 GROUP BY i.image_id")
        .bind(city.to_string())
        .all(&mut database.session().await?)
        .await?;
    rows.iter().map(|(id, tested)| Ok((Error::read("image id", id)?, *tested > 0))).collect()
}

/// The blob that holds the manifest of a dataset; `None` where there is no such dataset.
///
/// # Errors
/// When the database does not answer.
pub async fn manifest(database: &Database, id: DatasetId) -> Result<Option<Sha256>> {
    let row: Option<(Option<String>,)> = sql("SELECT manifest FROM datasets WHERE dataset_id = $1")
        .bind(id.to_string())
        .optional(&mut database.session().await?)
        .await?;
    row.and_then(|(manifest,)| manifest).map(|text| Error::read("SHA-256", &text)).transpose()
}

/// Whoever withdraws one of the images from now on sees the dataset and taints it; how many are still there.
async fn lock_images(transaction: &mut Transaction, dataset: DatasetId) -> Result<u64> {
    sql("UPDATE images SET review = review \
         WHERE image_id IN (SELECT image_id FROM dataset_images WHERE dataset_id = $1)")
    .bind(dataset.to_string())
    .execute(transaction)
    .await
}

/// Keeps a dataset as it is until the transaction ends; when and why it was tainted.
pub(crate) async fn lock(
    transaction: &mut Transaction,
    dataset: DatasetId,
) -> Result<(Option<i64>, Option<String>)> {
    sql("UPDATE datasets SET tainted_at = tainted_at WHERE dataset_id = $1 RETURNING tainted_at, taint")
        .bind(dataset.to_string())
        .one(transaction)
        .await
}

/// Marks the datasets that hold an image, and the models that were trained on those; how many of each.
pub(crate) async fn taint(
    transaction: &mut Transaction,
    image: ImageId,
    why: &str,
    now: i64,
) -> Result<(u64, u64)> {
    let mut marked = [0; 2];
    for (count, statement) in marked.iter_mut().zip([
        "UPDATE datasets SET tainted_at = COALESCE(tainted_at, $2), taint = COALESCE(taint, $3) \
         WHERE dataset_id IN (SELECT dataset_id FROM dataset_images WHERE image_id = $1)",
        "UPDATE models SET tainted_at = COALESCE(tainted_at, $2), taint = COALESCE(taint, $3) \
         WHERE dataset_id IN (SELECT dataset_id FROM dataset_images WHERE image_id = $1)",
    ]) {
        *count = sql(statement).bind(image.to_string()).bind(now).bind(why).execute(transaction).await?;
    }
    Ok(marked.into())
}
