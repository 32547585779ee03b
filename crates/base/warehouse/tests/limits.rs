//! Texts that are longer than the keys of a database may be. They do not compress, so that nothing hides their length.

use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_types::{ProducerKind, Sha256};
use sightscan_warehouse::{Error, images, marts};

use crate::support::{TestWarehouse, crawled, picture};

on_both_engines![
    w_c10_a_long_label_does_not_stop_the_refresh,
    a_long_source_is_refused,
    a_long_source_that_arrives_hinders_nobody,
];

fn noise(characters: usize) -> String {
    let mut text: String =
        (0..characters as u64 / 64 + 1).map(|number| Sha256::of(&number.to_le_bytes()).to_string()).collect();
    text.truncate(characters);
    text
}

async fn w_c10_a_long_label_does_not_stop_the_refresh(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    let (image, label) = (test.fresh_image(&berlin).await, noise(5000));
    test.label(image, ProducerKind::Vision, &[&label, "Gate"], 1).await;
    marts::refresh(test.database(), false).await.unwrap();
    let statistics = marts::label_statistics(test.database(), berlin.id).await.unwrap();
    assert_eq!(statistics.len(), 2);
    assert!(statistics.iter().any(|row| row.label == label));
}

async fn a_long_source_is_refused(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    let long = crawled(&format!("data:image/jpeg;base64,{}", noise(20_000)));
    let refused = images::store(&test.warehouse, berlin.id, "a".into(), &long).await;
    assert!(matches!(refused, Err(Error::TooLong { .. })), "{refused:?}");
    test.store(&berlin, "a", &crawled(&noise(images::LONGEST_SOURCE))).await;
}

async fn a_long_source_that_arrives_hinders_nobody(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let mut tool = test.tool().await;
    tool.send_image(&picture(4, 3, "a"), "Berlin", &noise(20_000)).await;
    tool.send_image(&picture(4, 3, "b"), "Berlin", "here").await;
    let moved = test.move_on().await;
    assert_eq!((moved.images, moved.refused), (1, 1));
    assert_eq!(images::by_source(test.database(), "here").await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn w_p04_statements_share_connections() {
    let test = TestWarehouse::new(TestDatabase::postgres().await);
    for number in 0..100 {
        test.city(&format!("City {number}")).await;
    }
    let sessions = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()";
    let sessions = test.count(sessions).await;
    assert!(sessions <= 20, "{sessions} connections for 100 cities");
}
