//! Objects under names, in a folder and in S3.

use bytes::Bytes;
use sightscan_blobs::{Address, Bucket};
use tempfile::TempDir;

macro_rules! contract {
    ($($name:ident)*) => {
        mod folder {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let (bucket, _folder) = super::in_folder();
                super::$name(bucket).await;
            })*
        }

        #[cfg(feature = "cloud")]
        mod s3 {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let (bucket, _moto) = super::in_s3();
                super::$name(bucket).await;
            })*
        }
    };
}

contract! {
    an_object_is_there_until_it_is_deleted
    a_name_that_is_taken_is_not_taken_away
    any_name_is_a_name_of_its_own
}

fn in_folder() -> (Bucket, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Bucket::open(&Address::Folder(folder.path().join("in")), |_| None).unwrap(), folder)
}

#[cfg(feature = "cloud")]
fn in_s3() -> (Bucket, sightscan_testkit::services::Moto) {
    let moto = sightscan_testkit::services::Moto::start();
    moto.make_bucket("sights");
    let variables = moto.variables();
    let variable =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    let address: Address = "s3://sights/in".parse().unwrap();
    (Bucket::open(&address, variable).unwrap(), moto)
}

async fn an_object_is_there_until_it_is_deleted(bucket: Bucket) {
    assert!(bucket.put_new("test_0.JPEG", Bytes::from("one")).await.unwrap());
    assert_eq!(bucket.get("test_0.JPEG").await.unwrap().unwrap(), "one");
    assert_eq!(bucket.get("test_1.JPEG").await.unwrap(), None);
    assert_eq!(bucket.keys().await.unwrap(), ["test_0.JPEG"]);
    bucket.delete("test_0.JPEG").await.unwrap();
    bucket.delete("test_0.JPEG").await.unwrap();
    assert_eq!(bucket.keys().await.unwrap(), [""; 0]);
}

async fn a_name_that_is_taken_is_not_taken_away(bucket: Bucket) {
    assert!(bucket.put_new("a", Bytes::from("first")).await.unwrap());
    assert!(!bucket.put_new("a", Bytes::from("second")).await.unwrap());
    assert_eq!(bucket.get("a").await.unwrap().unwrap(), "first");
    bucket.put("a", Bytes::from("third")).await.unwrap();
    assert_eq!(bucket.get("a").await.unwrap().unwrap(), "third");
}

/// Not of S3: its own promise is one header, and the server that stands for it here does not keep it, because it looks and
/// stores in two steps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_put_into_a_folder_at_once_one_succeeds() {
    let (bucket, _folder) = in_folder();
    let puts = (0..16).map(|number| {
        let bucket = bucket.clone();
        tokio::spawn(async move { bucket.put_new("a", Bytes::from(format!("{number}"))).await.unwrap() })
    });
    let won = futures_util::future::join_all(puts).await;
    assert_eq!(won.into_iter().filter(|won| *won.as_ref().unwrap()).count(), 1);
    assert_eq!(bucket.keys().await.unwrap(), ["a"]);
}

const NAMES: [&str; 11] = [
    "..",
    ".",
    "../../etc/passwd",
    "a/b",
    "a\\b",
    "Brandenburger Tor (1).jpg",
    "日本.png",
    "a#1",
    "%2F",
    "~",
    "*?",
];

async fn any_name_is_a_name_of_its_own(bucket: Bucket) {
    for name in NAMES {
        assert!(bucket.put_new(name, Bytes::from(name)).await.unwrap(), "{name}");
    }
    for name in NAMES {
        assert_eq!(bucket.get(name).await.unwrap().unwrap(), name, "{name}");
    }
    assert_eq!(bucket.keys().await.unwrap().len(), NAMES.len());
}

#[tokio::test]
async fn i08_an_object_lies_under_its_name_and_none_outside_of_the_folder() {
    let (bucket, folder) = in_folder();
    for name in NAMES.into_iter().chain(["test_0.JPEG"]) {
        bucket.put_new(name, Bytes::from("one")).await.unwrap();
    }
    assert_eq!(fs_err::read(folder.path().join("in/test_0.JPEG")).unwrap(), b"one");
    assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1, "nothing is beside the bucket");
}
