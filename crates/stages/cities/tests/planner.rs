//! What there is to do: labelling, training, refreshing.

use reqwest::Method;
use serde_json::{Value, json};
use sightscan_cities::Config;
use sightscan_testkit::database::{TestDatabase, insert_arrival};
use sightscan_testkit::{on_both_engines, tiny};
use sightscan_types::{CityId, CityName, CityState, ImageId, Producer, ProducerKind, RelativeBox};
use sightscan_warehouse::cities::{self, Step};
use sightscan_warehouse::labels::{self, LabelledBox, NewLabel};

use crate::support::Site;

on_both_engines![
    row_35_the_oldest_city_without_any_label_is_labelled_first,
    row_36_then_the_city_with_most_unlabelled_images,
    row_37_training_needs_strictly_more_than_the_least_number,
    row_38_w_c5_a_hundred_and_one_new_labelled_images_ask_for_a_new_training,
    w_c6_a_city_that_is_being_crawled_is_labelled_too,
    w_c7_a_city_is_not_labelled_beyond_its_budget_nor_after_it_was_given_up,
    w_p3_refreshing_moves_arrivals_on_and_counts,
];

/// A city in this state, with so many images.
async fn city(site: &Site, name: &str, state: CityState, images: u32) -> (CityId, Vec<ImageId>) {
    let name = CityName::parse(name).unwrap();
    let city = site.city(&name).await;
    let mut stored = Vec::new();
    for number in 0..images {
        stored.push(image(site, &name, number).await);
    }
    let life = [CityState::Approved, CityState::Crawling, CityState::Labelling, CityState::Live];
    for next in life {
        let mut transaction = site.warehouse.database.begin().await.unwrap();
        let now = site.warehouse.database.now();
        cities::step(&mut transaction, city, &Step::To(next), "test", None, now).await.unwrap().unwrap();
        transaction.commit().await.unwrap();
        if next == state {
            break;
        }
    }
    (city, stored)
}

async fn image(site: &Site, city: &CityName, number: u32) -> ImageId {
    let bytes = format!("{city} {number}");
    site.store(city, bytes.into(), &format!("https://example.org/{city}/{number}"), None).await
}

/// Labels an image, as a person does.
async fn label(site: &Site, image: ImageId) {
    let area = RelativeBox { x: 0.1, y: 0.1, w: 0.5, h: 0.5 };
    let label = NewLabel {
        producer: Producer { kind: ProducerKind::Human, name: "test".to_owned() },
        boxes: vec![LabelledBox { label: "Reichstag".to_owned(), area, score: None, mid: None }],
    };
    let mut transaction = site.warehouse.database.begin().await.unwrap();
    labels::add(&mut transaction, image, &label, site.warehouse.database.now()).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn row_35_the_oldest_city_without_any_label_is_labelled_first(test: TestDatabase) {
    let site = Site::start(test).await;
    let (older, _) = city(&site, "Kyoto", CityState::Labelling, 1).await;
    let (younger, _) = city(&site, "Berlin", CityState::Labelling, 5).await;
    city(&site, "Rome", CityState::Labelling, 0).await;
    assert_eq!(site.cities.plan_labelling().await.unwrap(), [older, younger]);
    assert!(site.cities.plan_labelling().await.unwrap().is_empty(), "each has its job already");
    let jobs = site.jobs("?queue=label").await;
    assert_eq!(jobs.len(), 2);
    assert_eq!(jobs[1]["city"], older.to_string(), "it was enqueued first");
}

async fn row_36_then_the_city_with_most_unlabelled_images(test: TestDatabase) {
    let site = Site::start(test).await;
    let (few, images) = city(&site, "Berlin", CityState::Labelling, 3).await;
    label(&site, images[0]).await;
    let (many, images) = city(&site, "Kyoto", CityState::Live, 5).await;
    label(&site, images[0]).await;
    let (fresh, _) = city(&site, "Rome", CityState::Labelling, 1).await;
    let (done, images) = city(&site, "Oslo", CityState::Labelling, 1).await;
    label(&site, images[0]).await;
    let planned = site.cities.plan_labelling().await.unwrap();
    assert_eq!(planned, [fresh, many, few]);
    assert!(!planned.contains(&done));
}

async fn row_37_training_needs_strictly_more_than_the_least_number(test: TestDatabase) {
    let config = Config { min_labelled_images: 10, ..Config::default() };
    let site = Site::with(test, config).await;
    let (berlin, images) = city(&site, "Berlin", CityState::Labelling, 11).await;
    let (_, others) = city(&site, "Kyoto", CityState::Labelling, 9).await;
    for image in images[..10].iter().chain(&others) {
        label(&site, *image).await;
    }
    assert!(site.cities.plan_training().await.unwrap().is_empty(), "10 are not more than 10");
    label(&site, images[10]).await;
    assert_eq!(site.cities.plan_training().await.unwrap(), [berlin]);
    assert!(site.cities.plan_training().await.unwrap().is_empty());
    let jobs = site.jobs("?queue=train").await;
    assert_eq!((jobs.len(), &jobs[0]["city"]), (1, &berlin.to_string().into()));
    assert_eq!(jobs[0]["city_slug"], "berlin");
}

async fn row_38_w_c5_a_hundred_and_one_new_labelled_images_ask_for_a_new_training(test: TestDatabase) {
    let site = Site::start(test).await;
    let berlin = CityName::parse("Berlin").unwrap();
    let (id, images) = city(&site, "Berlin", CityState::Live, 106).await;
    for image in &images[..105] {
        label(&site, *image).await;
    }
    // The model has seen 5 of them: 100 are new, which is not more than 100.
    site.publish(&berlin, "onnx".into(), 5).await;
    assert!(site.cities.plan_training().await.unwrap().is_empty());
    label(&site, images[105]).await;
    assert_eq!(site.cities.plan_training().await.unwrap(), [id]);
    assert_eq!(site.publish(&berlin, "onnx 2".into(), 106).await, 2);
}

async fn w_c6_a_city_that_is_being_crawled_is_labelled_too(test: TestDatabase) {
    let site = Site::start(test).await;
    let (id, images) = city(&site, "Berlin", CityState::Crawling, 2).await;
    label(&site, images[0]).await;
    assert_eq!(site.cities.plan_labelling().await.unwrap(), [id]);
}

async fn w_c7_a_city_is_not_labelled_beyond_its_budget_nor_after_it_was_given_up(test: TestDatabase) {
    let site = Site::with(test, Config { max_label_calls_per_city: 0, ..Config::default() }).await;
    city(&site, "Berlin", CityState::Labelling, 2).await;
    assert!(site.cities.plan_labelling().await.unwrap().is_empty());

    let site = site.replica(Config::default()).await;
    let (kyoto, _) = city(&site, "Kyoto", CityState::Live, 2).await;
    assert_eq!(site.cities.plan_labelling().await.unwrap().len(), 2);
    let database = &site.warehouse.database;
    for _ in 0..2 {
        let claim =
            sightscan_warehouse::jobs::claim(database, &["label-city"], "w", 60_000).await.unwrap().unwrap();
        let mut transaction = database.begin().await.unwrap();
        let now = database.now();
        assert!(sightscan_warehouse::jobs::bury(&mut transaction, &claim.lease, "quota", now).await.unwrap());
        transaction.commit().await.unwrap();
    }
    assert!(site.cities.plan_labelling().await.unwrap().is_empty(), "somebody has to look at it first");
    let queues: Value = site.admin(Method::GET, "/v1/jobs/queues", None).await.json().await.unwrap();
    assert_eq!(queues, json!({"items": [{"queue": "label", "waiting": 0, "running": 0, "dead": 2}]}));
    let dead = site.jobs("?state=dead&city=kyoto").await;
    assert_eq!(dead[0]["city"], kyoto.to_string());
    site.decide(&format!("/v1/jobs/{}/retry", dead[0]["id"].as_str().unwrap())).await;
    assert_eq!(site.jobs("?state=waiting&city=kyoto").await.len(), 1);
}

async fn w_p3_refreshing_moves_arrivals_on_and_counts(test: TestDatabase) {
    let site = Site::start(test).await;
    let berlin = CityName::parse("Berlin").unwrap();
    site.city(&berlin).await;
    let picture = tiny::plain_picture([1, 2, 3], 640, 480);
    insert_arrival(site.url(), &picture, "Berlin", "https://example.org/a.png").await;
    insert_arrival(site.url(), b"no picture", "Berlin", "https://example.org/b.png").await;
    let refreshed = site.cities.refresh_marts(false).await.unwrap();
    assert_eq!((refreshed.moved.images, refreshed.moved.refused), (1, 1));
    let city = site.json("/v1/cities/berlin").await;
    assert_eq!(city["counts"]["images"], 1, "{city}");
    let image = &site.json("/v1/cities/berlin/images").await["items"][0];
    assert_eq!((&image["width"], &image["height"]), (&640.into(), &480.into()));
    let again = site.cities.refresh_marts(false).await.unwrap();
    assert_eq!((again.moved.images, again.moved.refused), (0, 0), "refused ones are not tried again");
}
