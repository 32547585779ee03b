//! What holds wherever the blobs are.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sightscan_blobs::BlobError;
use sightscan_types::Sha256;

use crate::store::{Store, age, bytes, list};

macro_rules! contract {
    ($($name:ident)*) => {
        mod folder {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::store::Store::folder()).await;
            })*
        }

        #[cfg(feature = "cloud")]
        mod s3 {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::store::Store::s3().await).await;
            })*
        }
    };
}

contract! {
    what_is_put_is_there
    putting_twice_leaves_one_that_is_young
    eight_puts_at_once_leave_one
    what_is_missing_is_told
    a_damaged_blob_is_told_and_can_be_put_again
    a_short_blob_is_replaced
    ranges_end_where_the_blob_ends
    what_was_deleted_is_gone
    the_list_has_every_blob_and_nothing_else
    neighbours_do_not_see_each_other
    an_empty_blob_is_a_blob
    a_large_blob_is_streamed
    any_bytes_come_back
}

async fn what_is_put_is_there(store: Store) {
    let before = SystemTime::now() - Duration::from_secs(60);
    let hash = store.blobs.put(Bytes::from_static(b"abc")).await.unwrap();
    assert_eq!(hash, Sha256::of(b"abc"));
    assert_eq!(store.blobs.get(&hash).await.unwrap(), "abc");
    assert_eq!(fs_err::read(store.file(&hash)).unwrap(), b"abc");
    let meta = store.blobs.head(&hash).await.unwrap().unwrap();
    assert_eq!(meta.size, 3);
    assert!(meta.modified > before, "{meta:?}");
}

async fn putting_twice_leaves_one_that_is_young(store: Store) {
    let hash = store.blobs.put(Bytes::from_static(b"abc")).await.unwrap();
    age(&store.file(&hash), Duration::from_secs(1_000_000));
    let old = store.blobs.head(&hash).await.unwrap().unwrap();
    assert_eq!(store.blobs.put(Bytes::from_static(b"abc")).await.unwrap(), hash);
    let young = store.blobs.head(&hash).await.unwrap().unwrap();
    assert!(young.modified.duration_since(old.modified).unwrap() > Duration::from_secs(999_000));
    let (listed, _) = list(&store.blobs).await;
    // The times differ by less than a second: one is told in seconds, the other in fractions.
    let is_same = listed.iter().all(|(listed, meta)| *listed == hash && meta.modified > old.modified);
    assert!(is_same && listed.len() == 1, "{listed:?}");
}

async fn eight_puts_at_once_leave_one(store: Store) {
    let content = bytes(30_000);
    let puts = (0..8).map(|_| {
        let (blobs, content) = (store.blobs.clone(), content.clone());
        tokio::spawn(async move { blobs.put(content).await.unwrap() })
    });
    let hashes = try_join_all(puts).await.unwrap();
    assert_eq!(hashes, [Sha256::of(&content); 8]);
    assert_eq!(store.blobs.get(&hashes[0]).await.unwrap(), content);
    assert_eq!(list(&store.blobs).await.0.len(), 1);
    // The service keeps files of its own beside the bucket, so only the blob's folder is looked at.
    assert_eq!(fs_err::read_dir(store.file(&hashes[0]).parent().unwrap()).unwrap().count(), 1);
}

async fn what_is_missing_is_told(store: Store) {
    let hash = Sha256::of(b"never put");
    let error = store.blobs.get(&hash).await.unwrap_err();
    assert!(matches!(&error, BlobError::Missing(place) if place.hash == hash), "{error}");
    let text = error.to_string();
    assert!(text.contains(&hash.to_string()) && text.contains(&store.blobs.address().to_string()), "{text}");
    for range in [0..1, 0..0, 5..9] {
        let error = store.blobs.range(&hash, range).await.unwrap_err();
        assert!(matches!(error, BlobError::Missing(_)), "{error}");
    }
    assert!(matches!(store.blobs.stream(&hash, None).await, Err(BlobError::Missing(_))));
    assert_eq!(store.blobs.head(&hash).await.unwrap(), None);
}

async fn a_damaged_blob_is_told_and_can_be_put_again(store: Store) {
    let hash = store.blobs.put(Bytes::from_static(b"abc")).await.unwrap();
    fs_err::write(store.file(&hash), b"abd").unwrap();
    let is_damaged = |error: BlobError| matches!(&error, BlobError::Damaged { place, found } if place.hash == hash && *found == Sha256::of(b"abd"));
    assert!(is_damaged(store.blobs.get(&hash).await.unwrap_err()));
    assert!(is_damaged(store.blobs.range(&hash, 0..3).await.unwrap_err()));
    let reading = store.blobs.stream(&hash, None).await.unwrap();
    assert!(is_damaged(reading.body.try_collect::<Vec<Bytes>>().await.unwrap_err()));

    store.blobs.delete(&hash).await.unwrap();
    store.blobs.put(Bytes::from_static(b"abc")).await.unwrap();
    assert_eq!(store.blobs.get(&hash).await.unwrap(), "abc");
}

async fn a_short_blob_is_replaced(store: Store) {
    let hash = store.blobs.put(Bytes::from_static(b"abc")).await.unwrap();
    fs_err::write(store.file(&hash), b"ab").unwrap();
    store.blobs.put(Bytes::from_static(b"abc")).await.unwrap();
    assert_eq!(store.blobs.get(&hash).await.unwrap(), "abc");
}

async fn ranges_end_where_the_blob_ends(store: Store) {
    let hash = store.blobs.put(Bytes::from_static(b"0123456789")).await.unwrap();
    let inside = [(0..10, "0123456789"), (0..1, "0"), (9..10, "9"), (3..7, "3456"), (8..u64::MAX / 2, "89")];
    for (range, expected) in inside.into_iter().chain([(4..4, ""), (10..10, ""), (10..12, "")]) {
        assert_eq!(store.blobs.range(&hash, range.clone()).await.unwrap(), expected, "{range:?}");
    }
    for range in [11..12, 11..11, Range { start: 5, end: 4 }] {
        let error = store.blobs.range(&hash, range.clone()).await.unwrap_err();
        assert!(
            matches!(&error, BlobError::Range { range: told, size: 10, .. } if *told == range),
            "{error}"
        );
    }
    let reading = store.blobs.stream(&hash, Some(8..20)).await.unwrap();
    assert_eq!((reading.size, reading.range), (10, 8..10));
}

async fn what_was_deleted_is_gone(store: Store) {
    let hash = store.blobs.put(Bytes::from_static(b"abc")).await.unwrap();
    store.blobs.delete(&hash).await.unwrap();
    assert_eq!(store.blobs.head(&hash).await.unwrap(), None);
    store.blobs.delete(&hash).await.unwrap();
    assert_eq!(list(&store.blobs).await, (vec![], 0));
    assert_eq!(store.blobs.put(Bytes::from_static(b"abc")).await.unwrap(), hash);
    assert_eq!(store.blobs.get(&hash).await.unwrap(), "abc");
}

async fn the_list_has_every_blob_and_nothing_else(store: Store) {
    let mut hashes = try_join_all((0..20_u8).map(|byte| store.blobs.put(vec![byte].into()))).await.unwrap();
    hashes.sort();
    let misplaced = format!("00/00/{}", hashes[19]);
    for path in ["README", "ab/notes.txt", &misplaced, "ab/cd/picture.jpg"] {
        store.foreign(path);
    }
    let (blobs, foreign) = list(&store.blobs).await;
    assert_eq!(foreign, 4);
    assert_eq!(blobs.iter().map(|(hash, _)| *hash).collect::<Vec<_>>(), hashes);
    assert!(blobs.iter().all(|(_, meta)| meta.size == 1));
    assert_eq!(store.blobs.sweep_unfinished().await.unwrap(), 0);
    assert_eq!(list(&store.blobs).await, (blobs, 4));
}

async fn neighbours_do_not_see_each_other(store: Store) {
    let ours = store.blobs.put(Bytes::from_static(b"ours")).await.unwrap();
    let theirs = store.neighbour.put(Bytes::from_static(b"theirs")).await.unwrap();
    assert_eq!(store.blobs.head(&theirs).await.unwrap(), None);
    assert!(matches!(store.neighbour.get(&ours).await, Err(BlobError::Missing(_))));
    store.neighbour.delete(&ours).await.unwrap();
    for (blobs, hash) in [(&store.blobs, ours), (&store.neighbour, theirs)] {
        let (listed, foreign) = list(blobs).await;
        assert_eq!((listed.len(), listed[0].0, foreign), (1, hash, 0));
    }
}

async fn an_empty_blob_is_a_blob(store: Store) {
    let hash = store.blobs.put(Bytes::new()).await.unwrap();
    assert_eq!(store.blobs.get(&hash).await.unwrap(), "");
    assert_eq!(store.blobs.range(&hash, 0..5).await.unwrap(), "");
    assert_eq!(store.blobs.head(&hash).await.unwrap().unwrap().size, 0);
    let reading = store.blobs.stream(&hash, None).await.unwrap();
    assert_eq!((reading.size, reading.range.clone()), (0, 0..0));
    assert!(reading.body.try_collect::<Vec<Bytes>>().await.unwrap().concat().is_empty());
    assert_eq!(list(&store.blobs).await.0.len(), 1);
}

async fn a_large_blob_is_streamed(store: Store) {
    let content = bytes(5_000_000);
    let hash = store.blobs.put(content.clone()).await.unwrap();
    let reading = store.blobs.stream(&hash, None).await.unwrap();
    assert_eq!((reading.size, reading.range.clone()), (5_000_000, 0..5_000_000));
    let pieces: Vec<Bytes> = reading.body.try_collect().await.unwrap();
    assert!(pieces.len() > 1 && pieces.concat() == content);
    let middle = store.blobs.range(&hash, 2_000_000..3_000_000).await.unwrap();
    assert!(middle == content[2_000_000..3_000_000]);
}

async fn any_bytes_come_back(store: Store) {
    let config = ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() };
    let contents = (proptest::collection::vec(any::<u8>(), 0..3000), 0..3000_usize, 0..3000_usize);
    let runtime = tokio::runtime::Handle::current();
    let outcome = tokio::task::block_in_place(|| {
        TestRunner::new(config).run(&contents, |(content, one, other)| {
            let (start, end) = (one.min(other).min(content.len()), one.max(other));
            let expected = content[start..end.min(content.len())].to_vec();
            let (whole, part) = runtime.block_on(async {
                let hash = store.blobs.put(content.clone().into()).await.unwrap();
                let range = store.blobs.range(&hash, start as u64..end as u64).await.unwrap();
                (store.blobs.get(&hash).await.unwrap(), range)
            });
            prop_assert_eq!(whole, content);
            prop_assert_eq!(part, expected);
            Ok(())
        })
    });
    outcome.unwrap();
}
