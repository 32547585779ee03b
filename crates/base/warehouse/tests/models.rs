//! Models: numbered without gaps, the newest one served at once.

use bytes::Bytes;
use futures_util::future::join_all;
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_types::{CityId, Sha256};
use sightscan_warehouse::marts;
use sightscan_warehouse::models::{self, NewModel};

use crate::support::{TestWarehouse, new_model};

on_both_engines![
    row_05_models_of_a_city_count_from_1_and_the_newest_is_served,
    w_c40_ten_who_publish_at_once_get_ten_versions,
    row_06_w_p03_the_mart_has_the_highest_version_of_each_city_at_once,
    a_model_is_kept_as_it_was_published,
    a_city_that_is_not_there_has_no_model,
];

async fn row_05_models_of_a_city_count_from_1_and_the_newest_is_served(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let (berlin, rome) = (test.city("Berlin").await, test.city("Rome").await);
    assert_eq!(models::current(test.database(), &berlin.slug).await.unwrap(), None);
    let first = test.publish(&berlin, "first", None).await;
    let second = test.publish(&berlin, "second", None).await;
    let other = test.publish(&rome, "first", None).await;
    assert_eq!([first.version, second.version, other.version], [1, 2, 1]);
    assert_eq!(models::current(test.database(), &berlin.slug).await.unwrap().unwrap(), second);
    assert_eq!(models::get(test.database(), berlin.id, 1).await.unwrap().unwrap(), first);
    assert_eq!(models::get(test.database(), berlin.id, 3).await.unwrap(), None);
    let page = models::list(test.database(), berlin.id, None, 1).await.unwrap();
    assert_eq!(page, [second]);
    let next = models::list(test.database(), berlin.id, Some(page[0].version), 10).await.unwrap();
    assert_eq!(next, [first]);
}

async fn w_c40_ten_who_publish_at_once_get_ten_versions(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    let contents: Vec<_> = (0..10).map(|number| format!("model {number}")).collect();
    let published = join_all(contents.iter().map(|content| test.publish(&berlin, content, None))).await;
    let mut versions: Vec<_> = published.iter().map(|model| model.version).collect();
    versions.sort_unstable();
    assert_eq!(versions, (1..=10).collect::<Vec<_>>());
    assert_eq!(models::current(test.database(), &berlin.slug).await.unwrap().unwrap().version, 10);
}

async fn row_06_w_p03_the_mart_has_the_highest_version_of_each_city_at_once(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let (berlin, york) = (test.city("Berlin").await, test.city("new_york").await);
    test.city("Rome").await;
    for content in ["one", "two", "three"] {
        let published = test.publish(&york, content, None).await;
        // Nothing is refreshed in between.
        let shown = marts::current_models(test.database()).await.unwrap();
        assert_eq!(shown.len(), 1);
        assert_eq!((shown[0].model, shown[0].version), (published.id, published.version));
        assert_eq!((shown[0].sha256, shown[0].size), (published.sha256, published.size));
    }
    test.publish(&berlin, "four", None).await;
    let shown = marts::current_models(test.database()).await.unwrap();
    let shown: Vec<_> = shown.iter().map(|each| (each.legacy_name.as_str(), each.version)).collect();
    assert_eq!(shown, [("BERLIN", 1), ("NEW_YORK", 3)]);
}

async fn a_model_is_kept_as_it_was_published(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let model = NewModel {
        considered_images: 123,
        metrics: r#"{"map50": 0.5}"#.to_owned(),
        ..new_model(&test.city("Berlin").await)
    };
    let published = models::publish(&test.warehouse, Bytes::from_static(b"onnx"), &model).await.unwrap();
    assert_eq!((published.city, published.considered_images), (model.city, 123));
    assert_eq!((&published.metrics, &published.specification), (&model.metrics, &model.specification));
    assert_eq!((published.size, published.sha256), (4, Sha256::of(b"onnx")));
    assert_eq!((published.tainted_at, published.taint), (None, None));
    assert_eq!(test.warehouse.blobs.get(&published.sha256).await.unwrap(), "onnx");
}

async fn a_city_that_is_not_there_has_no_model(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let model = NewModel { city: CityId::new(), ..new_model(&test.city("Berlin").await) };
    assert!(models::publish(&test.warehouse, Bytes::from_static(b"onnx"), &model).await.is_err());
    assert_eq!(test.count("SELECT COUNT(*) FROM models").await, 0);
}
