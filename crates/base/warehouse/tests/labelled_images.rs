//! What data sets are made of.

use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_types::{CityId, ProducerKind, Review};
use sightscan_warehouse::labelled_images::{self, LabelledImage, Labelling};

use crate::support::{TestWarehouse, crawled, labelled};

on_both_engines![
    row_27_pages_hold_every_usable_image_once_with_what_counts,
    an_image_is_used_under_the_first_origin_with_a_licence,
];

/// All images of a city, read in pages of this many.
async fn all(test: &TestWarehouse, city: CityId, limit: u32) -> Vec<LabelledImage> {
    let mut images: Vec<LabelledImage> = Vec::new();
    loop {
        let after = images.last().map(|image| image.id);
        let page = labelled_images::page(test.database(), city, after, limit).await.unwrap();
        assert!(page.len() <= limit as usize);
        if page.is_empty() {
            return images;
        }
        images.extend(page);
    }
}

async fn row_27_pages_hold_every_usable_image_once_with_what_counts(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let city = test.city("Berlin").await;
    let (human, machine) = (test.fresh_image(&city).await, test.fresh_image(&city).await);
    let (negative, quarantined) = (test.fresh_image(&city).await, test.fresh_image(&city).await);
    let (failed, fresh) = (test.fresh_image(&city).await, test.fresh_image(&city).await);
    test.fresh_image(&test.city("Rome").await).await;
    test.label(human, ProducerKind::Human, &["Gate", "Tower"], 1).await;
    test.label(human, ProducerKind::Vision, &["Dome"], 2).await;
    test.label(machine, ProducerKind::Model, &["Gate"], 1).await;
    test.label(negative, ProducerKind::Human, &[], 1).await;
    test.label(quarantined, ProducerKind::Human, &["Gate"], 1).await;
    test.review(quarantined, Review::Quarantined).await;
    test.fail_to_label(failed, "too dark").await;
    let labelling = |producer, names: &[&str]| {
        Some(Labelling { producer, boxes: names.iter().map(|name| labelled(name)).collect() })
    };
    let expected = [
        (human, labelling(ProducerKind::Human, &["Gate", "Tower"])),
        (machine, labelling(ProducerKind::Model, &["Gate"])),
        (negative, labelling(ProducerKind::Human, &[])),
        (failed, None),
        (fresh, None),
    ];
    for limit in [1, 2, 100] {
        let images = all(&test, city.id, limit).await;
        let found: Vec<_> = images.into_iter().map(|image| (image.id, image.labelling)).collect();
        assert_eq!(found, expected, "{limit}");
    }
}

async fn an_image_is_used_under_the_first_origin_with_a_licence(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let city = test.city("Berlin").await;
    for (source, licence) in [("https://a", None), ("https://b", Some("CC0-1.0")), ("https://c", Some("MIT"))]
    {
        let mut image = crawled(source);
        image.provenance.licence = licence.map(str::to_owned);
        image.provenance.author = Some(format!("author of {source}"));
        image.perceptual_hash = Some(u64::MAX);
        test.store(&city, "one picture", &image).await;
    }
    let images = all(&test, city.id, 10).await;
    let [image] = images.as_slice() else { panic!("{images:?}") };
    let provenance = &image.provenance;
    assert_eq!((provenance.source.as_str(), provenance.licence.as_deref()), ("https://b", Some("CC0-1.0")));
    assert_eq!(provenance.author.as_deref(), Some("author of https://b"));
    assert_eq!((image.width, image.height, image.perceptual_hash), (640, 480, Some(u64::MAX)));
    assert_eq!(image.media_type, "image/jpeg");
}
