//! Collecting blobs: what a row names is there, what no row names goes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::future::join_all;
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_types::Sha256;
use sightscan_warehouse::cities::City;
use sightscan_warehouse::collection::{self, Collected};
use sightscan_warehouse::images;

use crate::support::{TestWarehouse, donated};

on_both_engines![
    blobs_that_nothing_names_go_and_the_others_stay,
    young_blobs_stay,
    no_blob_of_a_row_is_ever_collected,
];

/// Blobs are as old as they are.
const NO_GRACE: Duration = Duration::ZERO;
const ROUNDS: usize = 15;

async fn blobs(test: &TestWarehouse) -> Vec<Sha256> {
    let mut all: Vec<_> =
        test.warehouse.blobs.list().map_ok(|(sha256, _)| sha256).try_collect().await.unwrap();
    all.sort_unstable();
    all
}

async fn blobs_that_nothing_names_go_and_the_others_stay(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    test.fresh_image(&berlin).await;
    test.publish(&berlin, "a model", None).await;
    let kept = blobs(&test).await;
    // More than are judged at once.
    for number in 0..150 {
        test.warehouse.blobs.put(Bytes::from(format!("orphan {number:04}"))).await.unwrap();
    }
    let collected = collection::collect(&test.warehouse, NO_GRACE).await.unwrap();
    assert_eq!(collected, Collected { blobs: 150, bytes: 150 * 11 });
    assert_eq!(blobs(&test).await, kept);
    assert_eq!(collection::collect(&test.warehouse, NO_GRACE).await.unwrap(), Collected::default());
}

async fn young_blobs_stay(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let orphan = test.warehouse.blobs.put(Bytes::from_static(b"on its way")).await.unwrap();
    let day = Duration::from_secs(86_400);
    assert_eq!(collection::collect(&test.warehouse, day).await.unwrap(), Collected::default());
    assert_eq!(collection::collect_now(&test.warehouse, &[orphan]).await.unwrap().blobs, 1);
    assert!(blobs(&test).await.is_empty());
}

/// The same few contents are stored, withdrawn and published again and again, while everything that no row names is
/// collected at once.
async fn no_blob_of_a_row_is_ever_collected(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let (berlin, rome) = (test.city("Berlin").await, test.city("Rome").await);
    let is_over = AtomicBool::new(false);
    let collector = async {
        let mut collected = 0;
        while !is_over.load(Ordering::Relaxed) {
            collected += collection::collect(&test.warehouse, NO_GRACE).await.unwrap().blobs;
        }
        collected
    };
    let others =
        async {
            join_all((0..4).map(|number| {
                store_and_withdraw(&test, if number % 2 == 0 { &berlin } else { &rome }, number)
            }))
            .await;
            is_over.store(true, Ordering::Relaxed);
        };
    tokio::join!(collector, others);
    for sha256 in test.tool().await.texts("SELECT sha256 FROM images UNION SELECT sha256 FROM models").await {
        let blob = test.warehouse.blobs.get(&sha256.parse().unwrap()).await;
        assert!(blob.is_ok(), "{blob:?}");
    }
    collection::collect(&test.warehouse, NO_GRACE).await.unwrap();
    let named = test
        .count("SELECT COUNT(*) FROM (SELECT sha256 FROM images UNION SELECT sha256 FROM models) AS named");
    assert_eq!(i64::try_from(blobs(&test).await.len()).unwrap(), named.await);
}

async fn store_and_withdraw(test: &TestWarehouse, city: &City, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut consents = Vec::new();
    for round in 0..ROUNDS {
        let (image, consent) = donated();
        consents.push(consent);
        test.store(city, &format!("content {}", random.u8(..3)), &image).await;
        if random.u8(..3) > 0 {
            let consent = consents.swap_remove(random.usize(..consents.len()));
            images::withdraw(&test.warehouse, consent, "no more").await.unwrap();
        }
        if round % 5 == 0 {
            test.publish(city, &format!("model {seed} {round}"), None).await;
        }
    }
}
