//! A blob, or a part of it, piece by piece.

use std::ops::Range;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use sha2::Digest;
use sightscan_types::Sha256;

use crate::error::{BlobError, Place, Result};

/// A blob, or a part of it, that arrives in pieces.
pub struct Reading {
    /// How large the whole blob is, in bytes.
    pub size: u64,
    /// Which of its bytes arrive; the end is not part of it.
    pub range: Range<u64>,
    /// The bytes. Where all of them were asked for, they are checked on their way: a damaged blob ends with
    /// [`BlobError::Damaged`] after its last byte.
    pub body: BoxStream<'static, Result<Bytes>>,
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = formatter.debug_struct("Reading");
        debug.field("size", &self.size).field("range", &self.range).finish_non_exhaustive()
    }
}

impl Reading {
    pub(crate) fn new(place: Place, result: object_store::GetResult) -> Self {
        let (size, range) = (result.meta.size, result.range.clone());
        let failing = place.clone();
        let body =
            result.into_stream().map_err(move |error| BlobError::reading(failing.clone(), error)).boxed();
        let body = if range == (0..size) { verified(place, body) } else { body };
        Self { size, range, body }
    }

    /// None of the bytes of a blob.
    pub(crate) fn nothing(size: u64, at: u64) -> Self {
        Self { size, range: at..at, body: stream::empty().boxed() }
    }
}

fn verified(place: Place, body: BoxStream<'static, Result<Bytes>>) -> BoxStream<'static, Result<Bytes>> {
    let start = (body, sha2::Sha256::new(), place);
    stream::try_unfold(start, |(mut body, mut hasher, place)| async move {
        match body.try_next().await? {
            Some(bytes) => {
                hasher.update(&bytes);
                Ok(Some((bytes, (body, hasher, place))))
            }
            None => place.check(Sha256::from_bytes(hasher.finalize().into())).map(|()| None),
        }
    })
    .boxed()
}

impl Place {
    /// Whether the content has the hash that it is named by.
    pub(crate) fn check(self, found: Sha256) -> Result<()> {
        if found == self.hash { Ok(()) } else { Err(BlobError::Damaged { place: self, found }) }
    }
}
