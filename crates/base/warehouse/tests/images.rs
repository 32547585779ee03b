//! Images: one for each content, with all its cities and sources.

use bytes::Bytes;
use futures_util::future::join_all;
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_types::{ProducerKind, Review};
use sightscan_warehouse::images::{self, Filter, Listed, NewImage};
use sightscan_warehouse::sights::{self, NewSight};

use crate::support::{TestWarehouse, crawled, donated};

on_both_engines![
    row_02_the_same_source_twice_is_one_image,
    w_c39_the_same_source_with_other_bytes_is_another_image,
    w_c39_the_same_bytes_belong_to_both_their_cities,
    an_image_that_many_send_at_once_is_stored_once,
    an_image_has_every_origin_in_order,
    a_rejected_image_stays_rejected_and_a_pending_one_is_accepted_with_a_better_origin,
    near_duplicates_are_found_by_their_bits,
    the_images_of_a_city_are_filtered,
    the_images_of_a_city_are_read_by_pages,
    w_p01_no_bytes_are_in_the_database,
    w_p02_images_of_new_cities_need_no_new_table,
];

async fn list(test: &TestWarehouse, city: &str, filter: Filter) -> Vec<Listed> {
    let city = test.city(city).await;
    images::list(test.database(), city.id, &filter, None, 100).await.unwrap()
}

async fn row_02_the_same_source_twice_is_one_image(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    let first = test.store(&berlin, "a gate", &crawled("https://example.org/gate.jpg")).await;
    let second = test.store(&berlin, "a gate", &crawled("https://example.org/gate.jpg")).await;
    assert!(first.new_image && first.new_in_city);
    assert!(!second.new_image && !second.new_in_city);
    assert_eq!(first.image, second.image);
    assert_eq!(images::origins(test.database(), first.image).await.unwrap().len(), 1);
    assert_eq!(list(&test, "Berlin", Filter::default()).await.len(), 1);
}

async fn w_c39_the_same_source_with_other_bytes_is_another_image(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    // The content that the source has now was known before the one that it had.
    let now = test.store(&berlin, "the gate by night", &crawled("elsewhere")).await;
    let before = test.store(&berlin, "the gate by day", &crawled("https://example.org/gate.jpg")).await;
    test.store(&berlin, "the gate by night", &crawled("https://example.org/gate.jpg")).await;
    let found = images::by_source(test.database(), "https://example.org/gate.jpg").await.unwrap();
    assert_eq!(found.iter().map(|image| image.id).collect::<Vec<_>>(), [now.image, before.image]);
}

async fn w_c39_the_same_bytes_belong_to_both_their_cities(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let (paris, rome) = (test.city("Paris").await, test.city("Rome").await);
    let first = test.store(&paris, "a tower", &crawled("one")).await;
    let second = test.store(&rome, "a tower", &crawled("one")).await;
    assert_eq!(first.image, second.image);
    assert!(!second.new_image && second.new_in_city);
    let mut both = [paris.id, rome.id];
    both.sort_unstable();
    assert_eq!(images::cities(test.database(), first.image).await.unwrap(), both);
    assert_eq!(list(&test, "Paris", Filter::default()).await.len(), 1);
    assert_eq!(list(&test, "Rome", Filter::default()).await.len(), 1);
}

async fn an_image_that_many_send_at_once_is_stored_once(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    let sources: Vec<NewImage> = (0..12).map(|number| crawled(&format!("source {}", number % 4))).collect();
    let stored = join_all(sources.iter().map(|image| test.store(&berlin, "a gate", image))).await;
    assert!(stored.iter().all(|each| each.image == stored[0].image));
    assert_eq!(stored.iter().filter(|each| each.new_image).count(), 1);
    assert_eq!(stored.iter().filter(|each| each.new_in_city).count(), 1);
    assert_eq!(images::origins(test.database(), stored[0].image).await.unwrap().len(), 4);
}

async fn an_image_has_every_origin_in_order(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    let mut first = crawled("https://example.org/gate.jpg");
    first.provenance.author = Some("Ada".to_owned());
    first.provenance.page_url = Some("https://example.org/gate".to_owned());
    first.provenance.licence_url = Some("https://creativecommons.org/licenses/by/4.0/".to_owned());
    let (second, consent) = donated();
    let id = test.store(&berlin, "a gate", &first).await.image;
    test.store(&berlin, "a gate", &second).await;
    let origins = images::origins(test.database(), id).await.unwrap();
    assert_eq!(origins[0].provenance, first.provenance);
    assert_eq!((&origins[1].provenance, origins[1].consent), (&second.provenance, Some(consent)));
    let image = images::get(test.database(), id).await.unwrap().unwrap();
    assert_eq!((image.size, image.label, image.review), (6, None, Review::Accepted));
    let blob = test.warehouse.blobs.get(&image.sha256).await.unwrap();
    assert_eq!(blob, "a gate");
}

async fn a_rejected_image_stays_rejected_and_a_pending_one_is_accepted_with_a_better_origin(
    test: TestDatabase,
) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    let review = async |id| images::get(test.database(), id).await.unwrap().unwrap().review;
    let pending = NewImage { review: Review::Pending, ..crawled("a donor") };
    let id = test.store(&berlin, "a gate", &pending).await.image;
    assert_eq!(review(id).await, Review::Pending);
    test.store(&berlin, "a gate", &crawled("a catalogue")).await;
    assert_eq!(review(id).await, Review::Accepted);
    test.store(&berlin, "a gate", &pending).await;
    assert_eq!(review(id).await, Review::Accepted);
    test.review(id, Review::Rejected).await;
    test.store(&berlin, "a gate", &crawled("another catalogue")).await;
    assert_eq!(review(id).await, Review::Rejected);
    assert_eq!(list(&test, "Berlin", Filter::default()).await[0].review, Review::Rejected);
}

async fn near_duplicates_are_found_by_their_bits(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    let store = async |hash: Option<u64>| {
        let name = format!("{hash:?}");
        test.store(&berlin, &name, &NewImage { perceptual_hash: hash, ..crawled(&name) }).await.image
    };
    let same = store(Some(0)).await;
    let top = store(Some(1 << 63)).await;
    let three = store(Some(0b111)).await;
    store(Some(u64::MAX)).await;
    store(None).await;
    let near = images::near_duplicates(test.database(), 0, 3).await.unwrap();
    assert_eq!(near, [(same, 0), (top, 1), (three, 3)]);
    assert_eq!(images::get(test.database(), top).await.unwrap().unwrap().perceptual_hash, Some(1 << 63));
    assert_eq!(images::near_duplicates(test.database(), 0, 2).await.unwrap().len(), 2);
}

async fn the_images_of_a_city_are_filtered(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    let mut transaction = test.database().begin().await.unwrap();
    let gate = NewSight { name: "Brandenburger Tor".to_owned(), ..NewSight::default() };
    let shouted = NewSight { name: " BRANDENBURGER  tor".to_owned(), ..NewSight::default() };
    let sight = sights::find_or_create(&mut transaction, berlin.id, &gate, 1).await.unwrap();
    assert_eq!(sights::find_or_create(&mut transaction, berlin.id, &shouted, 1).await.unwrap(), sight);
    transaction.commit().await.unwrap();

    let of_sight = test.store(&berlin, "one", &NewImage { sight: Some(sight), ..crawled("1") }).await.image;
    let mut free = crawled("2");
    free.provenance.licence = Some("CC0-1.0".to_owned());
    let of_licence = test.store(&berlin, "two", &free).await.image;
    let pending = NewImage { review: Review::Pending, ..crawled("3") };
    let of_review = test.store(&berlin, "three", &pending).await.image;
    let of_label = test.fresh_image(&berlin).await;
    test.label(of_label, ProducerKind::Vision, &["Reichstag"], 1).await;
    let empty = test.fresh_image(&berlin).await;
    test.label(empty, ProducerKind::Human, &[], 1).await;

    let ids =
        async |filter| list(&test, "Berlin", filter).await.iter().map(|each| each.id).collect::<Vec<_>>();
    let text = |text: &str| Some(text.to_owned());
    let by_sight = Filter { sight: text("Brandenburger Tor"), ..Filter::default() };
    assert_eq!(list(&test, "Berlin", by_sight.clone()).await[0].sight, by_sight.sight);
    assert_eq!(ids(by_sight).await, [of_sight]);
    assert_eq!(ids(Filter { licence: text("CC0-1.0"), ..Filter::default() }).await, [of_licence]);
    assert_eq!(ids(Filter { review: Some(Review::Pending), ..Filter::default() }).await, [of_review]);
    assert_eq!(ids(Filter { label: text("Reichstag"), ..Filter::default() }).await, [of_label]);
    assert_eq!(ids(Filter { labelled: Some(true), ..Filter::default() }).await, [of_label, empty]);
    assert_eq!(
        ids(Filter { labelled: Some(false), ..Filter::default() }).await,
        [of_sight, of_licence, of_review]
    );
    let both = Filter { label: text("Reichstag"), licence: text("CC0-1.0"), ..Filter::default() };
    assert!(ids(both).await.is_empty());
    // What a label was is not what it is.
    test.label(of_label, ProducerKind::Human, &["Siegessäule"], 2).await;
    assert!(ids(Filter { label: text("Reichstag"), ..Filter::default() }).await.is_empty());
    let [shown] =
        &list(&test, "Berlin", Filter { label: text("Siegessäule"), ..Filter::default() }).await[..]
    else {
        panic!("one image")
    };
    let boxes: serde_json::Value = serde_json::from_str(&shown.labels).unwrap();
    let expected = serde_json::json!(
        [{"label": "Siegessäule", "x": 0.25, "y": 0.5, "w": 0.125, "h": 0.25, "score": 0.75}]
    );
    assert_eq!((boxes, shown.label_producer), (expected, Some(ProducerKind::Human)));
}

async fn the_images_of_a_city_are_read_by_pages(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let (berlin, rome) = (test.city("Berlin").await, test.city("Rome").await);
    let mut stored = Vec::new();
    for _ in 0..5 {
        stored.push(test.fresh_image(&berlin).await);
        test.fresh_image(&rome).await;
    }
    let mut read = Vec::new();
    loop {
        let after = read.last().copied();
        let page = images::list(test.database(), berlin.id, &Filter::default(), after, 2).await.unwrap();
        read.extend(page.iter().map(|image| image.id));
        if page.len() < 2 {
            break;
        }
    }
    assert_eq!(read, stored);
}

async fn w_p01_no_bytes_are_in_the_database(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let (berlin, rome) = (test.city("Berlin").await, test.city("Rome").await);
    // Each table and index takes its first page.
    test.store(&berlin, "small", &crawled("small")).await;
    let before = test.tool().await.size().await;
    let mut random = fastrand::Rng::with_seed(1);
    let bytes: Bytes = (0..1_000_000).map(|_| random.u8(..)).collect();
    for city in [&berlin, &rome] {
        images::store(&test.warehouse, city.id, bytes.clone(), &crawled("large")).await.unwrap();
    }
    let growth = test.tool().await.size().await - before;
    assert!(growth < 100_000, "the database grew by {growth} bytes");
    let [image] = &images::by_source(test.database(), "large").await.unwrap()[..] else {
        panic!("one image")
    };
    assert_eq!(test.warehouse.blobs.get(&image.sha256).await.unwrap(), bytes);
}

async fn w_p02_images_of_new_cities_need_no_new_table(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let before = test.tool().await.relations().await;
    for name in ["Köln", "Xi'an", "Stratford-upon-Avon"] {
        test.fresh_image(&test.city(name).await).await;
    }
    assert_eq!(test.tool().await.relations().await, before);
    assert!(before.iter().any(|name| name == "mart_city_images"));
}
