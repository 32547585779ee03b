//! Datasets: frozen selections of labelled images that models are trained on.

use sightscan_types::{CityId, DatasetId, ImageId};

use crate::statement::sql;
use crate::{Result, Transaction};

const WITHDRAWN_BEFORE: &str = "an image was withdrawn before the dataset was written down";

/// Writes a dataset down: its classes in the order of their numbers, its images with their split (`train`,
/// `validation`, `test`). A dataset is tainted from the start when one of its images was withdrawn since it was chosen.
///
/// # Errors
/// When the database does not answer.
pub async fn create(
    transaction: &mut Transaction,
    city: CityId,
    classes: &[String],
    images: &[(ImageId, &str)],
    now: i64,
) -> Result<DatasetId> {
    let id = DatasetId::new();
    sql("INSERT INTO datasets (dataset_id, city_id, classes, created_at) VALUES ($1, $2, $3, $4)")
        .bind(id.to_string())
        .bind(city.to_string())
        .bind(serde_json::Value::from(classes).to_string())
        .bind(now)
        .execute(transaction)
        .await?;
    for (image, split) in images {
        sql("INSERT INTO dataset_images (dataset_id, image_id, split) VALUES ($1, $2, $3)")
            .bind(id.to_string())
            .bind(image.to_string())
            .bind(*split)
            .execute(transaction)
            .await?;
    }
    if lock_images(transaction, id).await? < images.len() as u64 {
        sql("UPDATE datasets SET tainted_at = $2, taint = $3 WHERE dataset_id = $1")
            .bind(id.to_string())
            .bind(now)
            .bind(WITHDRAWN_BEFORE)
            .execute(transaction)
            .await?;
    }
    Ok(id)
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
