//! Labellings: kept for ever, one of them counts.

use futures_util::future::join_all;
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_types::{ImageId, Outcome, ProducerKind};
use sightscan_warehouse::{Error, labels};

use crate::support::{TestWarehouse, labelled};

on_both_engines![
    a_person_counts_more_than_a_program_and_the_newer_more_than_the_older,
    of_many_who_label_at_once_the_person_counts,
    a_failure_is_counted_and_never_the_current_labelling,
    an_image_without_anything_is_labelled_too,
    an_image_that_is_not_there_cannot_be_labelled,
    w_c10_a_label_is_any_text,
];

async fn a_person_counts_more_than_a_program_and_the_newer_more_than_the_older(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let image = test.fresh_image(&test.city("Berlin").await).await;
    let current = async || labels::current(test.database(), image).await.unwrap().map(|label| label.id);
    assert_eq!(current().await, None);
    let vision = test.label(image, ProducerKind::Vision, &["Gate"], 10).await;
    assert_eq!(current().await, Some(vision));
    test.label(image, ProducerKind::Import, &["Old"], 5).await;
    assert_eq!(current().await, Some(vision), "an older one that comes later does not count");
    let model = test.label(image, ProducerKind::Model, &["Gate"], 20).await;
    assert_eq!(current().await, Some(model));
    let human = test.label(image, ProducerKind::Human, &["Brandenburger Tor"], 15).await;
    assert_eq!(current().await, Some(human), "a person counts more than a newer program");
    test.label(image, ProducerKind::Vision, &["Gate"], 30).await;
    assert_eq!(current().await, Some(human));
    let second = test.label(image, ProducerKind::Human, &[], 40).await;
    assert_eq!(current().await, Some(second));
    let history = labels::history(test.database(), image).await.unwrap();
    assert_eq!(history.iter().map(|label| label.made_at).collect::<Vec<_>>(), [40, 30, 20, 15, 10, 5]);
    assert_eq!(history[3].boxes, [labelled("Brandenburger Tor")], "nothing is overwritten");
}

async fn of_many_who_label_at_once_the_person_counts(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let image = test.fresh_image(&test.city("Berlin").await).await;
    let kinds = (0..12_i64)
        .map(|number| (number, if number == 5 { ProducerKind::Human } else { ProducerKind::Vision }));
    join_all(kinds.map(|(number, kind)| test.label(image, kind, &["Gate"], number))).await;
    assert_eq!(labels::history(test.database(), image).await.unwrap().len(), 12);
    let current = labels::current(test.database(), image).await.unwrap().unwrap();
    assert_eq!((current.producer.kind, current.made_at), (ProducerKind::Human, 5));
    let shown = test.tool().await.texts("SELECT label_producer FROM mart_city_images").await;
    assert_eq!(shown, ["human"]);
}

async fn a_failure_is_counted_and_never_the_current_labelling(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let image = test.fresh_image(&test.city("Berlin").await).await;
    test.fail_to_label(image, "quota").await;
    test.fail_to_label(image, "bad image").await;
    assert_eq!(labels::current(test.database(), image).await.unwrap(), None);
    assert_eq!(test.count("SELECT label_attempts FROM images").await, 2);
    let history = labels::history(test.database(), image).await.unwrap();
    assert_eq!(history[0].outcome, Outcome::Failed);
    assert_eq!(history[0].reason.as_deref(), Some("bad image"));
    let found = test.label(image, ProducerKind::Vision, &["Gate"], 1).await;
    test.fail_to_label(image, "quota").await;
    assert_eq!(labels::current(test.database(), image).await.unwrap().unwrap().id, found);
}

async fn an_image_without_anything_is_labelled_too(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let image = test.fresh_image(&test.city("Berlin").await).await;
    test.label(image, ProducerKind::Vision, &[], 1).await;
    let current = labels::current(test.database(), image).await.unwrap().unwrap();
    assert_eq!((current.outcome, current.boxes.len()), (Outcome::Nothing, 0));
}

async fn an_image_that_is_not_there_cannot_be_labelled(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let label = labels::NewLabel { producer: crate::support::producer(ProducerKind::Human), boxes: vec![] };
    let image = test.fresh_image(&test.city("Berlin").await).await;
    let mut transaction = test.database().begin().await.unwrap();
    let added = labels::add(&mut transaction, ImageId::new(), &label, 1).await;
    assert!(matches!(added, Err(Error::NoImage(_))), "{added:?}");
    labels::add(&mut transaction, image, &label, 1).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(test.count("SELECT COUNT(*) FROM labels").await, 1, "the others are labelled all the same");
}

async fn w_c10_a_label_is_any_text(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let image = test.fresh_image(&test.city("Berlin").await).await;
    let long = "Völkerschlachtdenkmal ".repeat(230)[..5_000].to_owned();
    let names =
        ["St. Peter's, Basilica (Rome)", "\"quoted\", \\\"twice\\\"", "{a,b},(1,2)", "'; --", "", &long];
    test.label(image, ProducerKind::Vision, &names, 1).await;
    let current = labels::current(test.database(), image).await.unwrap().unwrap();
    assert_eq!(current.boxes, names.map(labelled));
    let [shown] = &test.tool().await.texts("SELECT labels FROM mart_city_images").await[..] else {
        panic!("one row")
    };
    let shown: Vec<serde_json::Value> = serde_json::from_str(shown).unwrap();
    assert_eq!(shown.iter().map(|each| each["label"].as_str().unwrap()).collect::<Vec<_>>(), names);
}
