//! Taking back what was given with a consent.

use sightscan_types::{ConsentId, ImageId, Sha256};

use crate::models::details;
use crate::statement::sql;
use crate::tries::Tries;
use crate::{Database, Error, Result, Transaction, Warehouse, collection, consents, datasets, marts};

/// What was withdrawn with a consent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Withdrawn {
    /// Images that are gone.
    pub images: Vec<ImageId>,
    /// Datasets that they were part of.
    pub tainted_datasets: u64,
    /// Models that were trained on those.
    pub tainted_models: u64,
}

/// Takes back what was given with a consent. An image that came from elsewhere as well stays; all others are gone with
/// their labels and their blobs, and the datasets and models that were made of them are marked.
///
/// # Errors
/// When the database does not answer: then nothing was done. When the blobs do not answer: then the rows are gone, and
/// the blobs go with the next [`collection::collect`].
pub async fn withdraw(warehouse: &Warehouse, consent: ConsentId, why: &str) -> Result<Withdrawn> {
    let mut tries = Tries::default();
    loop {
        match try_to_withdraw(&warehouse.database, consent, why).await {
            Err(error) => tries.again(error).await?,
            Ok((withdrawn, blobs)) => {
                collection::collect_now(warehouse, &blobs).await?;
                return Ok(withdrawn);
            }
        }
    }
}

/// Gives the blobs that are to be collected, too.
async fn try_to_withdraw(
    database: &Database,
    consent: ConsentId,
    why: &str,
) -> Result<(Withdrawn, Vec<Sha256>)> {
    let now = database.now();
    let mut transaction = database.begin().await?;
    consents::revoke(&mut transaction, consent, now).await?;
    let mut withdrawn = Withdrawn::default();
    let mut blobs = Vec::new();
    for image in of_consent(&mut transaction, consent).await? {
        lock(&mut transaction, image).await?;
        sql("DELETE FROM image_origins WHERE image_id = $1 AND consent_id = $2")
            .bind(image.to_string())
            .bind(consent.to_string())
            .execute(&mut transaction)
            .await?;
        if has_origin(&mut transaction, image).await? {
            marts::note_changes_of(&mut transaction, image).await?;
            continue;
        }
        let (datasets, models) = datasets::taint(&mut transaction, image, why, now).await?;
        withdrawn.tainted_datasets += datasets;
        withdrawn.tainted_models += models;
        let sha256 = delete(&mut transaction, image).await?;
        details::forget(&mut transaction, &sha256).await?;
        blobs.push(sha256);
        withdrawn.images.push(image);
    }
    transaction.commit().await?;
    Ok((withdrawn, blobs))
}

/// Keeps others from labelling an image or adding an origin to it until the transaction ends: what is read of it
/// afterwards is all there is.
async fn lock(transaction: &mut Transaction, image: ImageId) -> Result<()> {
    sql("UPDATE images SET review = review WHERE image_id = $1")
        .bind(image.to_string())
        .execute(transaction)
        .await?;
    Ok(())
}

async fn of_consent(transaction: &mut Transaction, consent: ConsentId) -> Result<Vec<ImageId>> {
    let statement = sql("SELECT image_id FROM image_origins WHERE consent_id = $1 ORDER BY image_id");
    let rows: Vec<(String,)> = statement.bind(consent.to_string()).all(transaction).await?;
    rows.iter().map(|(id,)| Error::read("image id", id)).collect()
}

async fn has_origin(transaction: &mut Transaction, image: ImageId) -> Result<bool> {
    let statement = sql("SELECT COUNT(*) FROM image_origins WHERE image_id = $1").bind(image.to_string());
    let (count,): (i64,) = statement.one(transaction).await?;
    Ok(count > 0)
}

/// Deletes all rows of an image and gives the blob that held it.
async fn delete(transaction: &mut Transaction, image: ImageId) -> Result<Sha256> {
    marts::note_changes_of(transaction, image).await?;
    let id = image.to_string();
    for statement in [
        "DELETE FROM label_reviews WHERE image_id = $1",
        "DELETE FROM label_assignments WHERE image_id = $1",
        "DELETE FROM boxes WHERE label_id IN (SELECT label_id FROM labels WHERE image_id = $1)",
        "DELETE FROM labels WHERE image_id = $1",
        "DELETE FROM city_images WHERE image_id = $1",
    ] {
        sql(statement).bind(&id).execute(transaction).await?;
    }
    let statement = sql("DELETE FROM images WHERE image_id = $1 RETURNING sha256").bind(&id);
    let (sha256,): (String,) = statement.one(transaction).await?;
    Error::read("SHA-256", &sha256)
}
