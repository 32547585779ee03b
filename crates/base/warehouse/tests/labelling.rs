//! Labelling: what there is to label, the budget, and names that mean the same.

use futures_util::future::join_all;
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_types::{CityId, ProducerKind, Review};
use sightscan_warehouse::labelling::{self, Merge};

use crate::support::TestWarehouse;

on_both_engines![
    row_21_only_images_without_a_label_are_to_be_labelled,
    row_20_w_c15_a_budget_is_never_exceeded_by_many_at_once,
    names_are_merged_and_a_merge_can_be_undone,
];

impl TestWarehouse {
    async fn reserve(&self, city: CityId, wanted: u32, cap: u32) -> u32 {
        let mut transaction = self.database().begin().await.unwrap();
        let granted = labelling::reserve_calls(&mut transaction, city, wanted, cap).await.unwrap();
        transaction.commit().await.unwrap();
        granted
    }
}

async fn row_21_only_images_without_a_label_are_to_be_labelled(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let city = test.city("Berlin").await;
    let (fresh, labelled) = (test.fresh_image(&city).await, test.fresh_image(&city).await);
    let (empty, hopeless, pending) =
        (test.fresh_image(&city).await, test.fresh_image(&city).await, test.fresh_image(&city).await);
    test.label(labelled, ProducerKind::Vision, &["Gate"], 1).await;
    test.label(empty, ProducerKind::Vision, &[], 1).await;
    for _ in 0..3 {
        test.fail_to_label(hopeless, "not a picture").await;
    }
    test.review(pending, Review::Quarantined).await;
    test.fresh_image(&test.city("Rome").await).await;
    let to_label = labelling::unlabelled(test.database(), city.id).await.unwrap();
    assert_eq!(to_label.iter().map(|image| image.id).collect::<Vec<_>>(), [fresh]);
}

async fn row_20_w_c15_a_budget_is_never_exceeded_by_many_at_once(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let city = test.city("Berlin").await.id;
    let granted: Vec<u32> = join_all((0..10).map(|_| test.reserve(city, 7, 50))).await;
    assert_eq!(granted.iter().sum::<u32>(), 50);
    assert_eq!(test.reserve(city, 1, 50).await, 0);
    let mut transaction = test.database().begin().await.unwrap();
    labelling::refund_calls(&mut transaction, city, 3).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(test.reserve(city, 7, 50).await, 3);
    assert_eq!(test.reserve(city, 7, 40).await, 0, "a cap that is lowered takes nothing back");
    assert_eq!(test.reserve(test.city("Rome").await.id, 7, 5).await, 5, "each city has its own");
}

async fn names_are_merged_and_a_merge_can_be_undone(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let city = test.city("Berlin").await;
    let merge = |label: &str| Merge {
        label: label.to_owned(),
        canonical: "Gate".to_owned(),
        sight: None,
        reason: "nearly the same".to_owned(),
        is_undone: false,
    };
    let replace = async |merges: &[Merge]| {
        let mut transaction = test.database().begin().await.unwrap();
        labelling::replace_merges(&mut transaction, city.id, merges, 1).await.unwrap();
        transaction.commit().await.unwrap();
    };
    replace(&[merge("Gates"), merge("The Gate")]).await;
    let undo = async || {
        let mut transaction = test.database().begin().await.unwrap();
        let pair = ("The Gate", "Gate");
        let undone = labelling::undo_merge(&mut transaction, city.id, pair, "ada", 2).await.unwrap();
        transaction.commit().await.unwrap();
        undone
    };
    assert!(undo().await);
    assert!(!undo().await);
    replace(&[merge("Gate 1")]).await;
    let merges = labelling::merges(test.database(), city.id).await.unwrap();
    let undone = Merge { is_undone: true, ..merge("The Gate") };
    assert_eq!(merges, [undone, merge("Gate 1")], "what was undone is remembered");
    test.label(test.fresh_image(&city).await, ProducerKind::Vision, &["Gate", "Gate", "Tower"], 1).await;
    let names = labelling::names(test.database(), city.id).await.unwrap();
    assert_eq!(names, [("Gate".to_owned(), None, 1), ("Tower".to_owned(), None, 1)]);
}
