//! All blobs of a folder or prefix.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt, TryStreamExt};
use sightscan_types::Sha256;

use crate::error::Cause;
use crate::folder::Folder;
use crate::{Meta, Result};

/// What lies in a folder or below a prefix.
#[derive(Clone)]
pub(crate) enum Found {
    /// A blob.
    Blob(Sha256, Meta),
    /// What is still being written, or what a crash has left.
    Unfinished {
        /// The file.
        path: PathBuf,
        /// When it was last written to.
        modified: SystemTime,
    },
    /// What was not put here by us.
    Foreign,
}

/// A stream of all blobs, in no order. Blobs that are put or deleted meanwhile may or may not be in it.
pub struct Listing {
    found: BoxStream<'static, Result<Found>>,
    foreign: u64,
}

impl Listing {
    pub(crate) fn new(found: BoxStream<'static, Result<Found>>) -> Self {
        Self { found, foreign: 0 }
    }

    /// How many files, folders or objects were passed over until now, because they are not blobs.
    pub const fn foreign(&self) -> u64 {
        self.foreign
    }
}

impl Stream for Listing {
    type Item = Result<(Sha256, Meta)>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(self.found.poll_next_unpin(context)).transpose()? {
                Some(Found::Blob(hash, meta)) => return Poll::Ready(Some(Ok((hash, meta)))),
                Some(Found::Foreign) => self.foreign += 1,
                Some(Found::Unfinished { .. }) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}

impl std::fmt::Debug for Listing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Listing").field("foreign", &self.foreign).finish_non_exhaustive()
    }
}

/// Everything in a folder, which is read in 256 pieces.
pub(crate) fn walk(folder: Arc<Folder>) -> impl Stream<Item = std::result::Result<Found, Cause>> {
    let root = Arc::clone(&folder);
    let folders = async move { blocking(move || root.folders()).await };
    stream::once(folders)
        .map_ok(move |(folders, foreign)| {
            let beside = stream::iter(std::iter::repeat_n(Found::Foreign, foreign)).map(Ok);
            beside.chain(scan_each(folder.clone(), folders))
        })
        .try_flatten()
}

fn scan_each(
    folder: Arc<Folder>,
    folders: Vec<PathBuf>,
) -> impl Stream<Item = std::result::Result<Found, Cause>> {
    stream::iter(folders)
        .then(move |each| {
            let folder = Arc::clone(&folder);
            blocking(move || folder.scan(&each))
        })
        .map_ok(|found| stream::iter(found).map(Ok))
        .try_flatten()
}

/// Runs what waits for a disk where it holds nobody up.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::result::Result<T, Cause> {
    Ok(tokio::task::spawn_blocking(work).await??)
}
