//! Putting, reading, listing and deleting.

use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt};
use sightscan_types::Sha256;

use crate::error::{BlobError, Cause, Place, Result};
use crate::folder::{self, Folder};
use crate::listing::{Found, Listing, blocking, walk};
use crate::{Address, Reading, key};

/// A put that takes longer than this has died.
const UNFINISHED_AGE: Duration = Duration::from_hours(1);

/// What is known of a blob beside its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// Its length in bytes.
    pub size: u64,
    /// When it was last put, by the clock of the disk or of the service.
    pub modified: SystemTime,
}

/// The blobs of a folder or of a prefix in a bucket. Clones are cheap and share everything.
#[derive(Clone)]
pub struct Blobs(Arc<Inner>);

struct Inner {
    address: Arc<Address>,
    /// What every key begins with; empty for a folder.
    prefix: Path,
    objects: Box<dyn ObjectStore>,
    backend: Backend,
}

/// What differs. In a folder we write and list ourselves: `object_store` does not wait for a level of folders that another
/// task has just made to be on the disk, and its list ends at the first name or folder that it cannot read.
enum Backend {
    Folder(Arc<Folder>),
    #[cfg(feature = "cloud")]
    Cloud,
}

impl Blobs {
    /// Opens a folder (and makes it where it is missing) or a bucket, which is not asked for before the first use.
    ///
    /// For a bucket `variable` looks up the variables that Amazon's clients read, such as `AWS_REGION`,
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` (or `AWS_ACCESS_KEY`, as the original system called it),
    /// `AWS_ENDPOINT_URL` and `AWS_ALLOW_HTTP`. Empty ones count as unset.
    ///
    /// # Errors
    /// When the folder cannot be made or read, or when the variables cannot work.
    pub fn open(address: &Address, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let shared = Arc::new(address.clone());
        match address {
            Address::Folder(path) => open_folder(shared, path),
            Address::S3 { bucket, prefix } => open_bucket(shared, bucket, prefix, variable),
        }
        .map(|inner| Self(Arc::new(inner)))
    }

    /// Where these blobs are.
    pub fn address(&self) -> &Address {
        &self.0.address
    }

    /// Puts a content in and waits until it would survive a power cut. A content that is there already becomes as
    /// young as a new one.
    ///
    /// # Errors
    /// When the disk, the network or the service fails. No program ever sees it half-written under the hash; what a
    /// power cut has left there is written again by the next put.
    pub async fn put(&self, bytes: Bytes) -> Result<Sha256> {
        match &self.0.backend {
            Backend::Folder(folder) => self.put_into(Arc::clone(folder), bytes).await,
            #[cfg(feature = "cloud")]
            Backend::Cloud => self.upload(bytes).await,
        }
    }

    async fn put_into(&self, folder: Arc<Folder>, bytes: Bytes) -> Result<Sha256> {
        let work = move || {
            let hash = Sha256::of(&bytes);
            (hash, folder.put(&hash, &bytes))
        };
        let (hash, written) = tokio::task::spawn_blocking(work).await?;
        written.map(|()| hash).map_err(|error| self.failed("put", &hash, error))
    }

    #[cfg(feature = "cloud")]
    async fn upload(&self, bytes: Bytes) -> Result<Sha256> {
        let (hash, bytes) = hashed(bytes).await?;
        let sent = crate::cloud::put(self.0.objects.as_ref(), &self.key(&hash), bytes).await;
        sent.map(|()| hash).map_err(|error| self.failed("put", &hash, error))
    }

    /// A whole content, checked against its hash.
    ///
    /// # Errors
    /// [`BlobError::Missing`], [`BlobError::Damaged`], or when the disk, the network or the service fails.
    pub async fn get(&self, hash: &Sha256) -> Result<Bytes> {
        let result = self.0.objects.get(&self.key(hash)).await.map_err(|error| self.reading(hash, error))?;
        let bytes = result.bytes().await.map_err(|error| self.reading(hash, error))?;
        let (found, bytes) = hashed(bytes).await?;
        self.place(hash).check(found).map(|()| bytes)
    }

    /// Some of a content's bytes. As in HTTP, an end behind the content's means its end.
    ///
    /// # Errors
    /// [`BlobError::Missing`], [`BlobError::Range`] when the range begins behind the end or ends before it begins, or
    /// when the disk, the network or the service fails. Only where the range is the whole content it is checked.
    pub async fn range(&self, hash: &Sha256, range: Range<u64>) -> Result<Bytes> {
        let mut body = self.stream(hash, Some(range)).await?.body;
        let mut bytes = BytesMut::new();
        while let Some(piece) = body.try_next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    }

    /// A content, or some of its bytes as in [`Blobs::range`], piece by piece.
    ///
    /// # Errors
    /// As [`Blobs::range`]; what fails later is told by the stream.
    pub async fn stream(&self, hash: &Sha256, range: Option<Range<u64>>) -> Result<Reading> {
        if let Some(range) = range.clone().filter(Range::is_empty) {
            return self.nothing(hash, range).await;
        }
        let options = GetOptions { range: range.clone().map(GetRange::Bounded), ..GetOptions::default() };
        match (self.0.objects.get_opts(&self.key(hash), options).await, range) {
            (Ok(result), _) => Ok(Reading::new(self.place(hash), result)),
            (Err(error), None) => Err(self.reading(hash, error)),
            // Services tell in many ways that a range begins behind the end.
            (Err(error), Some(range)) => match self.head(hash).await? {
                Some(meta) if meta.size <= range.start => self.nothing(hash, range).await,
                _ => Err(self.reading(hash, error)),
            },
        }
    }

    async fn nothing(&self, hash: &Sha256, range: Range<u64>) -> Result<Reading> {
        let place = self.place(hash);
        let size = self.head(hash).await?.ok_or_else(|| BlobError::Missing(place.clone()))?.size;
        if range.start > range.end || range.start > size {
            return Err(BlobError::Range { place, range, size });
        }
        Ok(Reading::nothing(size, range.start))
    }

    /// Size and time of a content; none where it is missing.
    ///
    /// # Errors
    /// When the disk, the network or the service fails.
    pub async fn head(&self, hash: &Sha256) -> Result<Option<Meta>> {
        match self.0.objects.head(&self.key(hash)).await {
            Ok(meta) => Ok(Some(Meta { size: meta.size, modified: meta.last_modified.into() })),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("look at", hash, error)),
        }
    }

    /// Deletes a content; one that is missing is deleted already. A put of the same content at the same time may
    /// lose, so nothing that is young may be deleted.
    ///
    /// # Errors
    /// When the disk, the network or the service fails.
    pub async fn delete(&self, hash: &Sha256) -> Result<()> {
        match self.0.objects.delete(&self.key(hash)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("delete", hash, error)),
        }
    }

    /// All contents, in no order, and how many foreign files were passed over.
    pub fn list(&self) -> Listing {
        let address = Arc::clone(&self.0.address);
        match &self.0.backend {
            Backend::Folder(folder) => {
                let failed = move |error: Cause| BlobError::list(&address, error);
                Listing::new(walk(Arc::clone(folder)).map_err(failed).boxed())
            }
            #[cfg(feature = "cloud")]
            Backend::Cloud => {
                let prefix = self.0.prefix.clone();
                let found = self.0.objects.list(Some(&prefix)).map_ok(move |meta| found(&prefix, &meta));
                Listing::new(found.map_err(move |error| BlobError::list(&address, error)).boxed())
            }
        }
    }

    /// Removes what puts have left that died on their way more than an hour ago; tells how many there were. In a
    /// bucket nothing is left that can be seen: give it a rule that removes incomplete multipart uploads.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn sweep_unfinished(&self) -> Result<u64> {
        match &self.0.backend {
            Backend::Folder(folder) => {
                sweep(Arc::clone(folder)).await.map_err(|error| BlobError::list(&self.0.address, error))
            }
            #[cfg(feature = "cloud")]
            Backend::Cloud => Ok(0),
        }
    }

    fn key(&self, hash: &Sha256) -> Path {
        key::of(&self.0.prefix, hash)
    }

    fn place(&self, hash: &Sha256) -> Place {
        Place { address: Arc::clone(&self.0.address), hash: *hash }
    }

    fn reading(&self, hash: &Sha256, error: object_store::Error) -> BlobError {
        BlobError::reading(self.place(hash), error)
    }

    fn failed(&self, doing: &'static str, hash: &Sha256, error: impl Into<Cause>) -> BlobError {
        BlobError::failed(doing, self.place(hash), error)
    }
}

impl std::fmt::Debug for Blobs {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Blobs").field(&self.0.address).finish()
    }
}

fn open_folder(address: Arc<Address>, path: &FilePath) -> Result<Inner> {
    let failed = |source| BlobError::Open { address: Arc::clone(&address), source };
    let folder = Folder::open(path).map_err(failed)?;
    let objects = LocalFileSystem::new_with_prefix(folder.root())
        .map_err(|error| failed(std::io::Error::other(error)))?;
    let (prefix, backend) = (Path::default(), Backend::Folder(Arc::new(folder)));
    Ok(Inner { address, prefix, objects: Box::new(objects), backend })
}

#[cfg(feature = "cloud")]
fn open_bucket(
    address: Arc<Address>,
    bucket: &str,
    prefix: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Inner> {
    let failed = |reason| BlobError::Settings { address: Arc::clone(&address), reason };
    let objects = crate::cloud::open(bucket, variable).map_err(failed)?;
    Ok(Inner { address, prefix: Path::from(prefix), objects: Box::new(objects), backend: Backend::Cloud })
}

#[cfg(not(feature = "cloud"))]
fn open_bucket(
    address: Arc<Address>,
    _bucket: &str,
    _prefix: &str,
    _variable: impl Fn(&str) -> Option<String>,
) -> Result<Inner> {
    let reason = "this program was built without the feature `cloud`; give a folder".to_owned();
    Err(BlobError::Settings { address, reason })
}

#[cfg(feature = "cloud")]
fn found(prefix: &Path, meta: &object_store::ObjectMeta) -> Found {
    let known = Meta { size: meta.size, modified: meta.last_modified.into() };
    key::parse(prefix, &meta.location).map_or(Found::Foreign, |hash| Found::Blob(hash, known))
}

async fn sweep(folder: Arc<Folder>) -> std::result::Result<u64, Cause> {
    let before = SystemTime::now() - UNFINISHED_AGE;
    let mut found = std::pin::pin!(walk(folder));
    let mut swept = 0;
    while let Some(found) = found.try_next().await? {
        if let Found::Unfinished { path, modified } = found {
            swept += u64::from(blocking(move || folder::sweep(&path, modified, before)).await?);
        }
    }
    Ok(swept)
}

/// Hashes where it holds nobody up: a model has hundreds of megabytes.
async fn hashed(bytes: Bytes) -> Result<(Sha256, Bytes)> {
    Ok(tokio::task::spawn_blocking(move || (Sha256::of(&bytes), bytes)).await?)
}
