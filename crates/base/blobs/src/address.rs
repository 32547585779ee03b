//! Where the blobs are.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A folder, or a prefix in an S3 bucket. It holds no secrets: those come from variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A folder; it is made where it is missing.
    Folder(PathBuf),
    /// A bucket of Amazon S3 or of a service that speaks its protocol.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// What every key begins with: names with `/` between them, or nothing.
        prefix: String,
    },
}

/// Why a text does not say where the blobs are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// There is no text.
    #[error("the address of the blobs is empty: give a folder or `s3://bucket/prefix`")]
    Empty,
    /// Another scheme than `s3`.
    #[error("blobs cannot be kept in `{0}://`: give a folder or `s3://bucket/prefix`")]
    Scheme(String),
    /// The bucket's name breaks Amazon's rules. It is not shown, because a secret may have slipped into it.
    #[error(
        "`s3://` must be followed by the bucket's name, which has 3 to 63 lower-case letters, digits, `.` and `-`; \
         credentials belong in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )]
    Bucket,
    /// The prefix has a part that some services treat in their own ways.
    #[error("`{0}` cannot be a part of the prefix: use letters, digits, `.`, `_` and `-`")]
    Prefix(String),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once("://") {
            None if text.is_empty() => Err(AddressError::Empty),
            None => Ok(Self::Folder(PathBuf::from(text))),
            Some(("s3", rest)) => s3(rest),
            Some((scheme, _)) => Err(AddressError::Scheme(scheme.to_owned())),
        }
    }
}

fn s3(rest: &str) -> Result<Address, AddressError> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if !is_bucket(bucket) {
        return Err(AddressError::Bucket);
    }
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    match prefix.split('/').find(|part| !prefix.is_empty() && !is_part(part)) {
        Some(part) => Err(AddressError::Prefix(part.to_owned())),
        None => Ok(Address::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() }),
    }
}

/// The rules for general purpose buckets in Amazon's user guide, as far as they concern characters.
fn is_bucket(name: &str) -> bool {
    let is_end =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| is_end(Some(byte)) || matches!(byte, b'.' | b'-'))
        && is_end(bytes.first())
        && is_end(bytes.last())
}

fn is_part(part: &str) -> bool {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !matches!(part, "" | "." | "..") && part.bytes().all(is_safe)
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(formatter),
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(formatter, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(formatter, "s3://{bucket}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn folders_and_buckets_are_told_apart() {
        assert_eq!("data/blobs".parse(), Ok(Address::Folder("data/blobs".into())));
        assert_eq!("/s3:/x".parse(), Ok(Address::Folder("/s3:/x".into())));
        let bucket =
            |prefix: &str| Ok(Address::S3 { bucket: "sights".to_owned(), prefix: prefix.to_owned() });
        assert_eq!("s3://sights".parse::<Address>(), bucket(""));
        assert_eq!("s3://sights/".parse::<Address>(), bucket(""));
        assert_eq!("s3://sights/a/b.c/".parse::<Address>(), bucket("a/b.c"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert_eq!("".parse::<Address>(), Err(AddressError::Empty));
        assert_eq!("gs://sights".parse::<Address>(), Err(AddressError::Scheme("gs".to_owned())));
        for bucket in ["", "ab", "Sights", "-sights", "sights-", "a_b_c", "user:secret@sights"] {
            let error = format!("s3://{bucket}/x").parse::<Address>().unwrap_err();
            assert_eq!(error, AddressError::Bucket);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        for (prefix, part) in [("a//b", ""), ("../x", ".."), ("a/b c", "b c")] {
            let error = format!("s3://sights/{prefix}").parse::<Address>();
            assert_eq!(error, Err(AddressError::Prefix(part.to_owned())), "{prefix}");
        }
    }

    proptest! {
        #[test]
        fn an_address_is_its_text(text in "s3://[a-z]{3}(/[a-z.]{1,3}){0,3}/?|[a-z/ ]{1,9}") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
            }
        }
    }
}
