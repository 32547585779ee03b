//! Blobs in Amazon S3, or in a service that speaks its protocol.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt};

/// Larger blobs are sent in parts of this size, in bytes, because a request has half a minute. S3's least is 5 MiB.
const PART: usize = 8 << 20;

/// How many parts are under way at once.
const PARTS_AT_ONCE: usize = 4;

/// What the clients of Amazon read, as far as object storage needs it.
const VARIABLES: [&str; 16] = [
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ALLOW_HTTP",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

/// The client of a bucket, from the usual variables. Without keys and roles the machine's own role is asked for.
///
/// # Errors
/// What is wrong with the variables and what to set.
pub(crate) fn open(bucket: &str, variable: impl Fn(&str) -> Option<String>) -> Result<AmazonS3, String> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    check_endpoint(variable)?;
    builder(bucket, variable).build().map_err(|error| format!("{error}; check the AWS_ variables"))
}

fn builder(bucket: &str, variable: impl Fn(&str) -> Option<String>) -> AmazonS3Builder {
    let mut builder = AmazonS3Builder::new().with_bucket_name(bucket);
    // The original system's name for the secret key.
    if let Some(secret) = variable("AWS_ACCESS_KEY") {
        builder = builder.with_secret_access_key(secret);
    }
    for name in VARIABLES {
        let key = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>();
        if let (Ok(key), Some(value)) = (key, variable(name)) {
            builder = builder.with_config(key, value);
        }
    }
    builder
}

/// Says at once what would else be told at the first request, and less clearly.
fn check_endpoint(variable: impl Fn(&str) -> Option<String>) -> Result<(), String> {
    let endpoint = variable("AWS_ENDPOINT_URL_S3").or_else(|| variable("AWS_ENDPOINT_URL"));
    match endpoint {
        Some(url) if !url.starts_with("http://") && !url.starts_with("https://") => {
            Err("AWS_ENDPOINT_URL must begin with `https://` or `http://`".to_owned())
        }
        Some(url) if url.starts_with("http://") && variable("AWS_ALLOW_HTTP").is_none() => {
            Err("AWS_ENDPOINT_URL is not encrypted: use `https://`, or set AWS_ALLOW_HTTP=true".to_owned())
        }
        _ => Ok(()),
    }
}

/// Puts an object, also over an equal one: that costs one request, as looking would, and makes it young again.
pub(crate) async fn put(store: &dyn ObjectStore, key: &Path, bytes: Bytes) -> object_store::Result<()> {
    if bytes.len() <= PART {
        return store.put(key, bytes.into()).await.map(drop);
    }
    let mut upload = store.put_multipart(key).await?;
    let sent = send_parts(upload.as_mut(), &bytes).await;
    if sent.is_err() {
        // What cannot be removed now is left to the bucket's rule for incomplete uploads.
        let _ = upload.abort().await;
    }
    sent
}

async fn send_parts(upload: &mut dyn MultipartUpload, bytes: &Bytes) -> object_store::Result<()> {
    let starts = (0..bytes.len()).step_by(PART);
    let parts: Vec<_> = starts
        .map(|start| upload.put_part(bytes.slice(start..bytes.len().min(start + PART)).into()))
        .collect();
    stream::iter(parts).buffer_unordered(PARTS_AT_ONCE).try_collect::<()>().await?;
    upload.complete().await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(variables: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    fn value(variables: &'static [(&str, &str)], key: AmazonS3ConfigKey) -> Option<String> {
        builder("sights", lookup(variables)).get_config_value(&key)
    }

    #[test]
    fn every_variable_is_understood() {
        for name in VARIABLES {
            assert!(name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>().is_ok(), "{name}");
        }
    }

    #[test]
    fn the_originals_name_for_the_secret_key_is_read_where_the_usual_one_is_missing() {
        let key = AmazonS3ConfigKey::SecretAccessKey;
        assert_eq!(value(&[("AWS_ACCESS_KEY", "old")], key).as_deref(), Some("old"));
        let both = &[("AWS_ACCESS_KEY", "old"), ("AWS_SECRET_ACCESS_KEY", "new")];
        assert_eq!(value(both, key).as_deref(), Some("new"));
    }

    #[test]
    fn the_region_wins_over_the_default_region() {
        let both = &[("AWS_DEFAULT_REGION", "eu-west-1"), ("AWS_REGION", "eu-north-1")];
        assert_eq!(value(both, AmazonS3ConfigKey::Region).as_deref(), Some("eu-north-1"));
    }

    #[test]
    fn settings_that_cannot_work_are_refused_and_secrets_are_not_shown() {
        let open = |variables| open("sights", lookup(variables)).unwrap_err();
        assert!(open(&[("AWS_ENDPOINT_URL", "http://localhost:9000")]).contains("AWS_ALLOW_HTTP=true"));
        assert!(open(&[("AWS_ENDPOINT_URL", "localhost:9000")]).contains("must begin with"));
        let half = open(&[("AWS_SECRET_ACCESS_KEY", "hidden"), ("AWS_ACCESS_KEY_ID", "")]);
        assert!(half.contains("AWS_") && !half.contains("hidden"), "{half}");
    }
}
