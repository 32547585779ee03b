//! What can go wrong with blobs.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use sightscan_types::Sha256;

use crate::{Address, AddressError};

/// Shorthand for what the functions of this crate return.
pub type Result<T> = std::result::Result<T, BlobError>;

/// What a disk, a network or a service says.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Which blob, and where it is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The folder or bucket.
    pub address: Arc<Address>,
    /// The blob.
    pub hash: Sha256,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} in {}", self.hash, self.address)
    }
}

/// Why blobs could not be put, read, listed or deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// The text does not say where the blobs are.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The variables do not fit the address.
    #[error("cannot use the blobs in {address}: {reason}")]
    Settings {
        /// The folder or bucket.
        address: Arc<Address>,
        /// What is wrong and what to set.
        reason: String,
    },
    /// The folder cannot be made or read.
    #[error("cannot use the blobs in {address}: {source}; make the folder or let this user make it")]
    Open {
        /// The folder.
        address: Arc<Address>,
        /// What the operating system says.
        source: io::Error,
    },
    /// No such blob.
    #[error("there is no blob {0}; it was never put there, or it was deleted because nothing named it")]
    Missing(Place),
    /// The blob is not what was put in.
    #[error(
        "blob {place} is damaged: its content has the SHA-256 {found}; \
         delete it and put it again from its source, and check the disk"
    )]
    Damaged {
        /// The blob.
        place: Place,
        /// The hash of what is there.
        found: Sha256,
    },
    /// The range is not in the blob.
    #[error("bytes {} to {} are not in blob {place}, which has {size}: ask for a range inside of it", range.start, range.end)]
    Range {
        /// The blob.
        place: Place,
        /// What was asked for, in bytes; the end is not part of it.
        range: Range<u64>,
        /// How large the blob is, in bytes.
        size: u64,
    },
    /// The disk, the network or the service failed.
    #[error("cannot {doing} blob {place}: {source}; {advice}")]
    Failed {
        /// What was tried, such as `put`.
        doing: &'static str,
        /// The blob.
        place: Place,
        /// What the disk, the network or the service says.
        source: Cause,
        /// What to do next.
        advice: &'static str,
    },
    /// The disk, the network or the service failed on an object that has a name.
    #[error("cannot {doing} the object `{name}` in {address}: {source}; {advice}")]
    Object {
        /// What was tried, such as `put`.
        doing: &'static str,
        /// The object.
        name: String,
        /// The folder or bucket.
        address: Arc<Address>,
        /// What the disk, the network or the service says.
        source: Cause,
        /// What to do next.
        advice: &'static str,
    },
    /// The disk, the network or the service failed while all blobs were looked at.
    #[error("cannot list the blobs in {address}: {source}; {advice}")]
    List {
        /// The folder or bucket.
        address: Arc<Address>,
        /// What the disk, the network or the service says.
        source: Cause,
        /// What to do next.
        advice: &'static str,
    },
    /// The program shuts down.
    #[error("a blob was not finished: {0}; try again")]
    Interrupted(#[from] tokio::task::JoinError),
}

impl BlobError {
    pub(crate) fn failed(doing: &'static str, place: Place, source: impl Into<Cause>) -> Self {
        let source = source.into();
        let advice = advice(&place.address, source.as_ref());
        Self::Failed { doing, place, source, advice }
    }

    pub(crate) fn object(
        doing: &'static str,
        address: &Arc<Address>,
        name: &str,
        source: object_store::Error,
    ) -> Self {
        let advice = advice(address, &source);
        let (address, name) = (Arc::clone(address), name.to_owned());
        Self::Object { doing, name, address, source: source.into(), advice }
    }

    pub(crate) fn list(address: &Arc<Address>, source: impl Into<Cause>) -> Self {
        let source = source.into();
        let advice = advice(address, source.as_ref());
        Self::List { address: Arc::clone(address), source, advice }
    }

    /// A failed reading: that the blob is missing is an error of its own.
    pub(crate) fn reading(place: Place, source: object_store::Error) -> Self {
        match source {
            object_store::Error::NotFound { .. } => Self::Missing(place),
            source => Self::failed("read", place, source),
        }
    }
}

fn advice(address: &Address, cause: &(dyn std::error::Error + 'static)) -> &'static str {
    match address {
        Address::Folder(_) if io_kind(cause) == Some(io::ErrorKind::StorageFull) => "make room on its disk",
        Address::Folder(_) => "check that this user may write to the folder and that its disk is sound",
        Address::S3 { .. } => advice_of_s3(cause.downcast_ref()),
    }
}

fn advice_of_s3(error: Option<&object_store::Error>) -> &'static str {
    use object_store::Error::{NotFound, PermissionDenied, Unauthenticated};
    match error {
        Some(PermissionDenied { .. } | Unauthenticated { .. }) => {
            "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and what the bucket's policy allows"
        }
        Some(NotFound { .. }) => "check that the bucket exists",
        // Listing tells neither of the two above by their kind, but its text does.
        _ => "check the bucket's name, the AWS_ variables and the network, then try again",
    }
}

fn io_kind(cause: &(dyn std::error::Error + 'static)) -> Option<io::ErrorKind> {
    std::iter::successors(Some(cause), |error| error.source())
        .find_map(|error| error.downcast_ref::<io::Error>())
        .map(io::Error::kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_where_why_and_what_to_do() {
        let place = Place { address: Arc::new("/blobs".parse().unwrap()), hash: Sha256::of(b"") };
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let text = BlobError::failed("put", place, full).to_string();
        assert!(text.starts_with("cannot put blob e3b0c442"), "{text}");
        assert!(text.contains(" in /blobs: ") && text.ends_with("; make room on its disk"), "{text}");
    }

    #[test]
    fn advice_fits_the_service() {
        let address: Arc<Address> = Arc::new("s3://sights/blobs".parse().unwrap());
        let denied = object_store::Error::PermissionDenied { path: String::new(), source: "no".into() };
        assert!(BlobError::list(&address, denied).to_string().contains("AWS_SECRET_ACCESS_KEY"));
        let bucket = object_store::Error::NotFound { path: String::new(), source: "no".into() };
        assert!(BlobError::list(&address, bucket).to_string().ends_with("check that the bucket exists"));
    }
}
