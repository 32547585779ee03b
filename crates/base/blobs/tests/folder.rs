//! What only folders have.

use std::time::Duration;

use bytes::Bytes;
use sightscan_blobs::{Address, BlobError, Blobs};
use sightscan_types::Sha256;

use crate::store::{Store, age, list};

const UNFINISHED: &str = ".put-0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn what_a_crash_left_is_no_blob_and_is_removed_when_it_is_old() {
    let store = Store::folder();
    let hash = Sha256::of(b"abc");
    let (old, young) =
        (store.file(&hash).with_file_name(UNFINISHED), store.file(&hash).with_file_name(".put-young"));
    store.foreign(&old);
    store.foreign(&young);
    age(&old, Duration::from_secs(3700));
    assert_eq!(store.blobs.head(&hash).await.unwrap(), None);
    assert_eq!(list(&store.blobs).await, (vec![], 0));

    assert_eq!(store.blobs.sweep_unfinished().await.unwrap(), 1);
    assert!(!old.exists() && young.exists());
    assert_eq!(store.blobs.sweep_unfinished().await.unwrap(), 0);
    assert_eq!(store.blobs.put(Bytes::from_static(b"abc")).await.unwrap(), hash);
    assert_eq!(store.blobs.get(&hash).await.unwrap(), "abc");
}

#[cfg(unix)]
#[tokio::test]
async fn names_that_no_other_program_can_read_do_not_end_the_list() {
    use std::os::unix::ffi::OsStrExt;
    let store = Store::folder();
    let hash = store.blobs.put(Bytes::from_static(b"abc")).await.unwrap();
    store.foreign(std::ffi::OsStr::from_bytes(b"ba/\xff\n"));
    store.foreign(std::ffi::OsStr::from_bytes(b"\xff/x"));
    let (blobs, foreign) = list(&store.blobs).await;
    assert_eq!((blobs.len(), blobs[0].0, foreign), (1, hash, 2));
}

#[tokio::test]
async fn two_programs_share_a_folder() {
    let store = Store::folder();
    let other = Blobs::open(store.blobs.address(), |_| None).unwrap();
    let hash = store.blobs.put(Bytes::from_static(b"abc")).await.unwrap();
    assert_eq!(other.put(Bytes::from_static(b"abc")).await.unwrap(), hash);
    other.delete(&hash).await.unwrap();
    assert!(matches!(store.blobs.get(&hash).await, Err(BlobError::Missing(_))));
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_told() {
    let temporary = tempfile::tempdir().unwrap();
    let file = temporary.path().join("file");
    fs_err::write(&file, b"").unwrap();
    let error = Blobs::open(&Address::Folder(file.join("blobs")), |_| None).unwrap_err();
    assert!(matches!(error, BlobError::Open { .. }), "{error}");
    assert!(error.to_string().contains("file/blobs"), "{error}");
}
