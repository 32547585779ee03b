//! SightScan's warehouse.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sightscan_blobs::Blobs;
use sightscan_testkit::database::new_database;
use sightscan_types::names::CityName;
use sightscan_types::{CityId, OriginKind, Provenance, Review};
use sightscan_warehouse::images::{self, NewImage, Stored};
use sightscan_warehouse::{Database, Warehouse, cities};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

use super::picture::{HEIGHT, Picture, WIDTH};
use crate::postgres::database_size;

/// A warehouse with a city; the blobs are in a folder.
pub(super) struct Ours {
    warehouse: Warehouse,
    city: CityId,
    url: String,
    folder: TempDir,
}

impl Ours {
    /// Makes it.
    pub(super) async fn open(server: &str, city: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = sightscan_blobs::Address::Folder(folder.path().join("blobs"));
        let blobs = Blobs::open(&address, |_| None)?;
        let url = new_database(server).await;
        let database = Database::open(&url.parse()?).await?;
        let city = found(&database, city).await?;
        Ok(Self { warehouse: Warehouse { database, blobs }, city, url, folder })
    }

    /// Stores a picture as the crawler does.
    pub(super) async fn store(&self, picture: &Picture) -> Result<Stored> {
        let image = NewImage {
            media_type: "image/jpeg".to_owned(),
            width: WIDTH,
            height: HEIGHT,
            perceptual_hash: Some(fastrand::u64(..)),
            review: Review::Accepted,
            provenance: provenance(picture, self.warehouse.database.now()),
            consent: None,
            sight: None,
        };
        Ok(images::store(&self.warehouse, self.city, picture.bytes.clone(), &image).await?)
    }

    /// How long a picture takes, from the beginning of its storing, until somebody else reads it in the mart.
    pub(super) async fn until_seen(&self, picture: &Picture) -> Result<Duration> {
        let mut reader = PgConnection::connect(&self.url).await?;
        let start = Instant::now();
        let stored = self.store(picture).await?;
        let (seen,): (bool,) = sqlx::query_as(
            "SELECT EXISTS (SELECT 1 FROM mart_city_images WHERE city_id = $1 AND image_id = $2)",
        )
        .bind(self.city.to_string())
        .bind(stored.image.to_string())
        .fetch_one(&mut reader)
        .await?;
        ensure!(seen, "the mart does not show what was stored");
        Ok(start.elapsed())
    }

    /// How many pictures there are.
    pub(super) async fn count(&self) -> Result<i64> {
        let mut reader = PgConnection::connect(&self.url).await?;
        let (count,) = sqlx::query_as("SELECT COUNT(*) FROM mart_city_images").fetch_one(&mut reader).await?;
        Ok(count)
    }

    /// Bytes of the database and of the blobs on the disk.
    pub(super) async fn size(&self) -> Result<u64> {
        Ok(database_size(&self.url).await? + size_on_disk(self.folder.path())?)
    }
}

async fn found(database: &Database, city: &str) -> Result<CityId> {
    let mut transaction = database.begin().await?;
    let name = CityName::parse(city)?;
    let (city, _) = cities::find_or_create(&mut transaction, &name, None, database.now()).await?;
    transaction.commit().await?;
    Ok(city.id)
}

fn provenance(picture: &Picture, now: i64) -> Provenance {
    Provenance {
        kind: OriginKind::Crawl,
        source: picture.source.clone(),
        page_url: Some("https://pictures.example/page".to_owned()),
        author: Some("Somebody".to_owned()),
        licence: Some("CC-BY-4.0".to_owned()),
        licence_url: Some("https://creativecommons.org/licenses/by/4.0/".to_owned()),
        retrieved_at: now,
    }
}

/// Bytes of a file or of all that is in a folder, in whole blocks as the disk gives them.
fn size_on_disk(path: &Path) -> Result<u64> {
    let metadata = fs_err::symlink_metadata(path)?;
    let mut size = metadata.blocks() * 512;
    if metadata.is_dir() {
        for entry in fs_err::read_dir(path)? {
            size += size_on_disk(&entry?.path())?;
        }
    }
    Ok(size)
}
