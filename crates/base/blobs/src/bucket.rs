//! Objects under names that people know.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::{Path, PathPart};
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use crate::Address;
use crate::error::{BlobError, Result};

/// Objects under names, in a folder or below a prefix of an S3 bucket. Clones are cheap and share everything.
///
/// A name is one part of a path: what would lead elsewhere or what services treat in their own ways is percent-encoded.
#[derive(Clone)]
pub struct Bucket {
    address: Arc<Address>,
    prefix: Path,
    objects: Arc<dyn ObjectStore>,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Bucket").field(&self.address).finish()
    }
}

impl Bucket {
    /// Opens a folder (and makes it where it is missing) or a bucket, which is not asked for before the first use; `variable`
    /// is as in [`Blobs::open`](crate::Blobs::open).
    ///
    /// # Errors
    /// When the folder cannot be made or read, or when the variables cannot work.
    pub fn open(address: &Address, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let shared = Arc::new(address.clone());
        let (prefix, objects) = match address {
            Address::Folder(path) => (Path::default(), folder(&shared, path)?),
            Address::S3 { bucket, prefix } => (Path::from(prefix.as_str()), s3(&shared, bucket, variable)?),
        };
        Ok(Self { address: shared, prefix, objects })
    }

    /// Where these objects are.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Puts an object under a name that is free, and waits until it would survive a power cut; `false` where the name is
    /// taken, and then what is there stays. Of several that put at once under one name one succeeds.
    ///
    /// # Errors
    /// When the disk, the network or the service fails.
    pub async fn put_new(&self, name: &str, bytes: Bytes) -> Result<bool> {
        match self.put_as(name, bytes, PutMode::Create).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Ok(false)
            }
            Err(error) => Err(self.failed("put", name, error)),
        }
    }

    /// Puts an object under a name, also in the place of another one, and waits until it would survive a power cut.
    ///
    /// # Errors
    /// When the disk, the network or the service fails.
    pub async fn put(&self, name: &str, bytes: Bytes) -> Result<()> {
        self.put_as(name, bytes, PutMode::Overwrite).await.map_err(|error| self.failed("put", name, error))
    }

    async fn put_as(&self, name: &str, bytes: Bytes, mode: PutMode) -> object_store::Result<()> {
        let options = PutOptions { mode, ..PutOptions::default() };
        self.objects.put_opts(&self.key(name), bytes.into(), options).await.map(drop)
    }

    /// The object of this name; none where it is missing.
    ///
    /// # Errors
    /// When the disk, the network or the service fails.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>> {
        match self.objects.get(&self.key(name)).await {
            Ok(found) => found.bytes().await.map(Some).map_err(|error| self.failed("read", name, error)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("read", name, error)),
        }
    }

    /// Deletes an object; one that is missing is deleted already.
    ///
    /// # Errors
    /// When the disk, the network or the service fails.
    pub async fn delete(&self, name: &str) -> Result<()> {
        match self.objects.delete(&self.key(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("delete", name, error)),
        }
    }

    /// The keys of all objects as they are stored, below the prefix, in no order.
    ///
    /// # Errors
    /// When the disk, the network or the service fails.
    pub async fn keys(&self) -> Result<Vec<String>> {
        let found = self.objects.list(Some(&self.prefix));
        let names = found.map(|meta| Ok(meta?.location.filename().unwrap_or_default().to_owned()));
        names.try_collect().await.map_err(|error: object_store::Error| BlobError::list(&self.address, error))
    }

    fn key(&self, name: &str) -> Path {
        self.prefix.parts().chain([PathPart::from(name)]).collect()
    }

    fn failed(&self, doing: &'static str, name: &str, error: object_store::Error) -> BlobError {
        BlobError::object(doing, &self.address, name, error)
    }
}

fn folder(address: &Arc<Address>, path: &std::path::Path) -> Result<Arc<dyn ObjectStore>> {
    let failed = |source| BlobError::Open { address: Arc::clone(address), source };
    fs_err::create_dir_all(path).map_err(failed)?;
    let objects =
        LocalFileSystem::new_with_prefix(path).map_err(|error| failed(std::io::Error::other(error)))?;
    Ok(Arc::new(objects.with_fsync(true)))
}

#[cfg(feature = "cloud")]
fn s3(
    address: &Arc<Address>,
    bucket: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Arc<dyn ObjectStore>> {
    let failed = |reason| BlobError::Settings { address: Arc::clone(address), reason };
    Ok(Arc::new(crate::cloud::open(bucket, variable).map_err(failed)?))
}

#[cfg(not(feature = "cloud"))]
fn s3(
    address: &Arc<Address>,
    _bucket: &str,
    _variable: impl Fn(&str) -> Option<String>,
) -> Result<Arc<dyn ObjectStore>> {
    let reason = "this program was built without the feature `cloud`; give a folder".to_owned();
    Err(BlobError::Settings { address: Arc::clone(address), reason })
}
