//! Planning: which cities need labels, which a training.

use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_types::{CityState, ImageId, ProducerKind, Review};
use sightscan_warehouse::cities::{City, Step};
use sightscan_warehouse::images::NewImage;
use sightscan_warehouse::models::{self, NewModel};
use sightscan_warehouse::planning::{self, Trainable};

use crate::support::{BY, TestWarehouse, crawled, new_model};

on_both_engines![
    row_35_row_36_the_oldest_city_without_labels_is_first_then_the_one_with_most_to_label,
    what_is_not_to_be_labelled_is_not_planned,
    row_37_labelled_images_are_counted_for_training,
    row_38_images_are_fresh_that_the_newest_model_has_not_seen,
    a_rejected_first_model_does_not_keep_a_city_from_another_training,
    images_of_sparse_sights_are_not_fresh_for_ever,
    only_cities_at_work_are_trained_and_the_one_with_most_fresh_images_first,
];

impl TestWarehouse {
    async fn fill(&self, city: &City, count: usize) -> Vec<ImageId> {
        let mut images = Vec::new();
        for _ in 0..count {
            images.push(self.fresh_image(city).await);
        }
        images
    }

    async fn fill_labelled(&self, city: &City, count: usize) -> Vec<ImageId> {
        let images = self.fill(city, count).await;
        for image in &images {
            self.label(*image, ProducerKind::Vision, &["Gate"], 1).await;
        }
        images
    }

    async fn unlabelled(&self) -> Vec<(String, i64)> {
        let mut found = Vec::new();
        for each in planning::unlabelled(self.database()).await.unwrap() {
            let city = sightscan_warehouse::cities::by_id(self.database(), each.city).await.unwrap().unwrap();
            assert_eq!((each.budget, each.calls), (city.label_budget, city.label_calls));
            found.push((city.name, each.images));
        }
        found
    }

    async fn trainable(&self) -> Vec<Trainable> {
        planning::trainable(self.database()).await.unwrap()
    }
}

async fn row_35_row_36_the_oldest_city_without_labels_is_first_then_the_one_with_most_to_label(
    test: TestDatabase,
) {
    let test = TestWarehouse::new(test);
    for (name, since, labelled, unlabelled) in
        [("Few", 1, 1, 3), ("Younger", 5, 0, 9), ("Many", 3, 1, 5), ("Older", 4, 0, 1), ("Done", 2, 2, 0)]
    {
        let city = test.city_at_work(name, since).await;
        test.fill_labelled(&city, labelled).await;
        test.fill(&city, unlabelled).await;
    }
    let planned = test.unlabelled().await;
    let planned: Vec<_> = planned.iter().map(|(name, images)| (name.as_str(), *images)).collect();
    assert_eq!(planned, [("Older", 1), ("Younger", 9), ("Many", 5), ("Few", 3)]);
}

async fn what_is_not_to_be_labelled_is_not_planned(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city_at_work("Berlin", 1).await;
    test.store(&berlin, "a gift", &NewImage { review: Review::Pending, ..crawled("a gift") }).await;
    let hopeless = test.fresh_image(&berlin).await;
    for _ in 0..planning::LABEL_ATTEMPTS {
        assert_eq!(test.unlabelled().await.len(), 1, "it is tried again");
        test.fail_to_label(hopeless, "no answer").await;
    }
    let paused = test.city_at_work("Paused", 1).await;
    test.fill(&paused, 1).await;
    assert_eq!(test.unlabelled().await, [("Paused".to_owned(), 1)]);
    test.step(&paused, Step::Pause("too dear".to_owned())).await;
    test.fill(&test.city("Requested").await, 1).await;
    assert_eq!(test.unlabelled().await, []);
}

async fn row_37_labelled_images_are_counted_for_training(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city_at_work("Berlin", 1).await;
    assert_eq!(test.trainable().await, []);
    let images = test.fill_labelled(&berlin, 4).await;
    let nothing = test.fresh_image(&berlin).await;
    test.label(nothing, ProducerKind::Vision, &[], 1).await;
    test.fail_to_label(test.fresh_image(&berlin).await, "quota").await;
    test.fill(&berlin, 2).await;
    test.review(images[0], Review::Rejected).await;
    let expected = Trainable { city: berlin.id, labelled: 3, fresh: 3, version: None };
    assert_eq!(test.trainable().await, [expected]);
}

async fn row_38_images_are_fresh_that_the_newest_model_has_not_seen(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city_at_work("Berlin", 1).await;
    let seen = test.fill_labelled(&berlin, 3).await;
    // Of a model that was imported only the number of its images is known.
    let imported = NewModel { considered_images: 2, ..new_model(&berlin) };
    models::publish(&test.warehouse, "imported".into(), &imported, BY).await.unwrap();
    let expected =
        |labelled, fresh, version| Trainable { city: berlin.id, labelled, fresh, version: Some(version) };
    assert_eq!(test.trainable().await, [expected(3, 1, 1)]);
    let images: Vec<_> = seen.iter().map(|image| (*image, "train")).collect();
    let dataset = test.dataset(&berlin, &images).await;
    test.publish(&berlin, "ours", Some(dataset)).await;
    assert_eq!(test.trainable().await, [expected(3, 0, 2)]);
    test.fill_labelled(&berlin, 2).await;
    assert_eq!(test.trainable().await, [expected(5, 2, 2)]);
    // What it has seen is not fresh, even if one of them does not count any more.
    test.review(seen[0], Review::Rejected).await;
    assert_eq!(test.trainable().await, [expected(4, 2, 2)]);
}

async fn a_rejected_first_model_does_not_keep_a_city_from_another_training(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city_at_work("Berlin", 1).await;
    test.fill_labelled(&berlin, 3).await;
    let model = NewModel { considered_images: 3, ..new_model(&berlin) };
    let candidate = models::register(&test.warehouse, "ours".into(), &model, BY).await.unwrap();
    let planned = async || test.trainable().await[0].clone();
    let none = Trainable { city: berlin.id, labelled: 3, fresh: 3, version: None };
    assert_eq!(planned().await, none);
    let mut transaction = test.database().begin().await.unwrap();
    models::reject(&mut transaction, &candidate, BY, 2).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(planned().await, none);
    // With a live model it is the newest that was judged that counts.
    test.publish(&berlin, "live", None).await;
    assert_eq!(planned().await.version, Some(2));
}

async fn images_of_sparse_sights_are_not_fresh_for_ever(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city_at_work("Berlin", 1).await;
    let images = test.fill_labelled(&berlin, 5).await;
    // Two of five were left out: their sights have too few images.
    let used: Vec<_> = images[..3].iter().map(|image| (*image, "train")).collect();
    let dataset = Some(test.dataset(&berlin, &used).await);
    let model = NewModel { considered_images: 5, dataset, ..new_model(&berlin) };
    models::publish(&test.warehouse, "ours".into(), &model, BY).await.unwrap();
    let fresh = async || test.trainable().await[0].fresh;
    assert_eq!(fresh().await, 0);
    test.fill_labelled(&berlin, 4).await;
    assert_eq!(fresh().await, 4);
}

async fn only_cities_at_work_are_trained_and_the_one_with_most_fresh_images_first(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let mut cities = Vec::new();
    for (name, count) in [("One", 1), ("Three", 3), ("Two", 2), ("Paused", 4), ("Training", 4)] {
        let city = test.city_at_work(name, 1).await;
        test.fill_labelled(&city, count).await;
        cities.push(city);
    }
    test.step(&cities[3], Step::Pause("too dear".to_owned())).await;
    test.step(&cities[4], Step::To(CityState::Training)).await;
    test.step(&cities[1], Step::To(CityState::Live)).await;
    test.fill_labelled(&test.city("Requested").await, 1).await;
    let planned: Vec<_> = test.trainable().await.iter().map(|each| each.city).collect();
    assert_eq!(planned, [cities[1].id, cities[2].id, cities[0].id]);
}
