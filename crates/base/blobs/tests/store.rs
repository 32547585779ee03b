//! Where the tests keep blobs: both kinds lie in files in the end, which a test may spoil.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::TryStreamExt;
use sightscan_blobs::{Address, Blobs, Meta};
use sightscan_types::Sha256;
use tempfile::TempDir;

/// Blobs, and the folder in which their files lie.
pub(crate) struct Store {
    pub(crate) blobs: Blobs,
    pub(crate) files: PathBuf,
    /// Other blobs beside these, whose address begins with the same letters.
    pub(crate) neighbour: Blobs,
    _temporary: TempDir,
}

impl Store {
    pub(crate) fn folder() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let files = temporary.path().join("blobs");
        let open = |path: &Path| Blobs::open(&Address::Folder(path.to_owned()), |_| None).unwrap();
        let (blobs, neighbour) = (open(&files), open(&temporary.path().join("blobs2")));
        Self { blobs, files, neighbour, _temporary: temporary }
    }

    #[cfg(feature = "cloud")]
    pub(crate) async fn s3() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let files = temporary.path().join("sights/blobs");
        fs_err::create_dir(temporary.path().join("sights")).unwrap();
        let endpoint = crate::wire::serve(temporary.path()).await;
        let open = |address| crate::wire::open(address, &endpoint);
        let (blobs, neighbour) = (open("s3://sights/blobs"), open("s3://sights/blobs2"));
        Self { blobs, files, neighbour, _temporary: temporary }
    }

    /// The file of a blob.
    pub(crate) fn file(&self, hash: &Sha256) -> PathBuf {
        let name = hash.to_string();
        self.files.join(&name[..2]).join(name)
    }

    /// Puts a foreign file beside the blobs.
    pub(crate) fn foreign(&self, path: impl AsRef<Path>) {
        let path = self.files.join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, b"foreign").unwrap();
    }
}

/// Every blob, sorted, and the number of foreign files.
pub(crate) async fn list(blobs: &Blobs) -> (Vec<(Sha256, Meta)>, u64) {
    let mut listing = blobs.list();
    let mut all = Vec::new();
    while let Some(blob) = listing.try_next().await.unwrap() {
        all.push(blob);
    }
    all.sort_by_key(|(hash, _)| *hash);
    (all, listing.foreign())
}

/// Makes a file look this old.
pub(crate) fn age(file: &Path, age: Duration) {
    let file = fs_err::OpenOptions::new().write(true).open(file).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

/// Bytes that do not repeat soon.
pub(crate) fn bytes(length: usize) -> Bytes {
    (0..length as u64).map(|index| (index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}
