//! Objects under names.

use std::path::Path;

use bytes::Bytes;
use sightscan_blobs::{Address, Bucket};

fn open(folder: &Path) -> Bucket {
    Bucket::open(&Address::Folder(folder.join("in")), |_| None).unwrap()
}

#[tokio::test]
async fn an_object_lies_under_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let bucket = open(folder.path());
    assert!(bucket.put_new("test_0.JPEG", Bytes::from("one")).await.unwrap());
    assert_eq!(fs_err::read(folder.path().join("in/test_0.JPEG")).unwrap(), b"one");
    assert_eq!(bucket.get("test_0.JPEG").await.unwrap().unwrap(), "one");
    assert_eq!(bucket.get("test_1.JPEG").await.unwrap(), None);
    bucket.delete("test_0.JPEG").await.unwrap();
    bucket.delete("test_0.JPEG").await.unwrap();
    assert_eq!(bucket.keys().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_name_that_is_taken_is_not_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let bucket = open(folder.path());
    assert!(bucket.put_new("a", Bytes::from("first")).await.unwrap());
    assert!(!bucket.put_new("a", Bytes::from("second")).await.unwrap());
    assert_eq!(bucket.get("a").await.unwrap().unwrap(), "first");
    bucket.put("a", Bytes::from("third")).await.unwrap();
    assert_eq!(bucket.get("a").await.unwrap().unwrap(), "third");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_put_at_once_one_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let bucket = open(folder.path());
    let puts = (0..16).map(|number| {
        let bucket = bucket.clone();
        tokio::spawn(async move { bucket.put_new("a", Bytes::from(format!("{number}"))).await.unwrap() })
    });
    let won =
        futures_util::future::join_all(puts).await.into_iter().filter(|won| *won.as_ref().unwrap()).count();
    assert_eq!(won, 1);
    assert_eq!(bucket.keys().await.unwrap(), ["a"]);
}

#[tokio::test]
async fn no_name_leads_out_of_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let bucket = open(folder.path());
    let names = [
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
    for name in names {
        assert!(bucket.put_new(name, Bytes::from(name)).await.unwrap(), "{name}");
    }
    for name in names {
        assert_eq!(bucket.get(name).await.unwrap().unwrap(), name, "{name}");
    }
    assert_eq!(bucket.keys().await.unwrap().len(), names.len());
    assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1, "nothing is beside the bucket");
}
