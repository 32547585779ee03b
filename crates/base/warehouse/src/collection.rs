//! Collecting blobs that nothing refers to.
//!
//! A blob is written before its row, so a blob without a row may still be on its way. Two things keep it: it must be
//! older than a grace period, and whoever writes rows looks for its blob under a lock that the collector cannot share.

use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use futures_util::future::join_all;
use sightscan_types::Sha256;

use crate::statement::sql;
use crate::{Error, Result, Transaction, Warehouse};

/// So many blobs are judged under one lock.
const BATCH: usize = 100;

/// What was collected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Blobs that were deleted.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Deletes the blobs that nothing refers to and that are older than the grace period.
///
/// # Errors
/// When the database or the blobs do not answer; what was deleted until then stays deleted.
pub async fn collect(warehouse: &Warehouse, grace: Duration) -> Result<Collected> {
    let mut collected = Collected::default();
    let mut old = Box::pin(warehouse.blobs.list()).chunks(BATCH);
    while let Some(batch) = old.next().await {
        let mut candidates = Vec::new();
        for blob in batch {
            let (sha256, meta) = blob?;
            if is_older(meta.modified, grace) {
                candidates.push(sha256);
            }
        }
        collect_batch(warehouse, &candidates, grace, &mut collected).await?;
    }
    Ok(collected)
}

/// Deletes those of these blobs that nothing refers to, however young they are.
///
/// # Errors
/// As [`collect`].
pub async fn collect_now(warehouse: &Warehouse, blobs: &[Sha256]) -> Result<Collected> {
    let mut collected = Collected::default();
    collect_batch(warehouse, blobs, Duration::ZERO, &mut collected).await?;
    Ok(collected)
}

async fn collect_batch(
    warehouse: &Warehouse,
    candidates: &[Sha256],
    grace: Duration,
    collected: &mut Collected,
) -> Result<()> {
    if candidates.is_empty() {
        return Ok(());
    }
    let mut transaction = warehouse.database.begin().await?;
    if let Some(lock) = transaction.dialect().lock_blobs_for_collection() {
        sql(lock).execute(&mut transaction).await?;
    }
    for sha256 in candidates {
        let Some(meta) = warehouse.blobs.head(sha256).await? else { continue };
        // Somebody may have put it again meanwhile.
        if is_older(meta.modified, grace) && !is_referred_to(&mut transaction, sha256).await? {
            warehouse.blobs.delete(sha256).await?;
            collected.blobs += 1;
            collected.bytes += meta.size;
        }
    }
    transaction.commit().await
}

fn is_older(modified: SystemTime, grace: Duration) -> bool {
    grace.is_zero() || modified.elapsed().is_ok_and(|age| age > grace)
}

async fn is_referred_to(transaction: &mut Transaction, sha256: &Sha256) -> Result<bool> {
    let (count,): (i64,) = sql(
        "SELECT (SELECT COUNT(*) FROM images WHERE sha256 = $1) + (SELECT COUNT(*) FROM models WHERE sha256 = $1) \
              + (SELECT COUNT(*) FROM datasets WHERE manifest = $1)",
    )
    .bind(sha256.to_string())
    .one(transaction)
    .await?;
    Ok(count > 0)
}

/// Commits a transaction that wrote rows for these blobs and has held the collector off, unless one was collected
/// before. Whoever calls [`publish_in`](crate::models::publish_in) ends its transaction so.
///
/// # Errors
/// [`Error::BlobVanished`] when a blob is gone; then nothing was done, and it can be put and tried again.
pub async fn commit(warehouse: &Warehouse, transaction: Transaction, blobs: &[Sha256]) -> Result<()> {
    let heads = blobs.iter().map(async |sha256| (sha256, warehouse.blobs.head(sha256).await));
    for (sha256, head) in join_all(heads).await {
        if head?.is_none() {
            transaction.rollback().await?;
            return Err(Error::BlobVanished(*sha256));
        }
    }
    transaction.commit().await
}

/// Keeps the collector from deleting anything until the transaction ends.
pub(crate) async fn hold_off(transaction: &mut Transaction) -> Result<()> {
    if let Some(lock) = transaction.dialect().lock_blobs_against_collection() {
        sql(lock).execute(transaction).await?;
    }
    Ok(())
}
