//! A real S3 service on a free port of the loopback, and what only S3 has.

use std::path::Path;

use bytes::Bytes;
use futures_util::TryStreamExt;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use sightscan_blobs::{BlobError, Blobs};
use tokio::net::TcpListener;

use crate::store::{Store, bytes};

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "not-a-real-secret";

/// Serves the folders below this one as buckets until the test ends; gives the endpoint.
pub(crate) async fn serve(buckets: &Path) -> String {
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(buckets).unwrap());
    builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
    let service = builder.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service.clone()));
        }
    });
    endpoint
}

/// The secret key has the name that the original system used.
pub(crate) fn open(address: &str, endpoint: &str) -> Blobs {
    open_with(address, endpoint, SECRET)
}

fn open_with(address: &str, endpoint: &str, secret: &str) -> Blobs {
    let variable = |name: &str| {
        let value = match name {
            "AWS_ENDPOINT_URL" => endpoint,
            "AWS_ALLOW_HTTP" => "true",
            "AWS_ACCESS_KEY_ID" => KEY,
            "AWS_ACCESS_KEY" => secret,
            _ => return None,
        };
        Some(value.to_owned())
    };
    Blobs::open(&address.parse().unwrap(), variable).unwrap()
}

#[tokio::test]
async fn a_large_blob_is_sent_in_parts() {
    let store = Store::s3().await;
    let content = bytes((8 << 20) + 1);
    let hash = store.blobs.put(content.clone()).await.unwrap();
    assert!(store.blobs.get(&hash).await.unwrap() == content);
}

#[tokio::test]
async fn a_wrong_secret_is_told_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir(folder.path().join("sights")).unwrap();
    let endpoint = serve(folder.path()).await;
    let blobs = open_with("s3://sights", &endpoint, "wrong-secret");
    let error = blobs.put(Bytes::from_static(b"abc")).await.unwrap_err();
    assert!(matches!(error, BlobError::Failed { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("s3://sights") && text.contains("check AWS_ACCESS_KEY_ID"), "{text}");
    assert!(!format!("{text}{error:?}{blobs:?}").contains("wrong-secret"));
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = open("s3://nowhere", &serve(folder.path()).await);
    let text = blobs.list().try_next().await.unwrap_err().to_string();
    assert!(text.starts_with("cannot list the blobs in s3://nowhere: "), "{text}");
    assert!(text.contains("NoSuchBucket") && text.contains("check the bucket's name"), "{text}");
}
