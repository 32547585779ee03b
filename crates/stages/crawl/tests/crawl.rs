//! Crawls of a city against a fake of Wikimedia with real pictures.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sightscan_crawl::fetch::FetchConfig;
use sightscan_crawl::{Error, Order};
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::upstreams::world::{Licence, Sight};
use sightscan_testkit::upstreams::{Fault, Seen, World};
use sightscan_testkit::{on_both_engines, scale};
use sightscan_types::Review;
use sightscan_types::Sha256;
use sightscan_warehouse::{crawls, images, sights};

use crate::support::{Site, quietly};

on_both_engines![
    row_09_row_17_a_city_has_its_sights_with_licensed_pictures,
    row_14_w_c22_limits_are_of_what_is_stored,
    row_15_w_c21_nothing_is_fetched_twice,
    w_l1_what_is_not_free_is_quarantined,
    faulty_upstreams_and_kills_change_nothing,
];

/// Where the fake of Wikimedia has its pictures.
const PICTURES: &str = "/wikipedia/commons/";

/// What is in the warehouse: the sources and hashes of the images.
async fn stored(site: &Site) -> BTreeSet<(String, Sha256)> {
    site.images().await.into_iter().map(|image| (image.source, image.sha256)).collect()
}

async fn row_09_row_17_a_city_has_its_sights_with_licensed_pictures(test: TestDatabase) {
    let Some(world) = World::of_sights() else { return };
    let site = Site::new(test, world).await;
    let report = site.crawl(site.order()).await.unwrap();
    assert_eq!(report.sights.len(), 5);
    assert!(report.kept() >= 150, "{report}");
    let images = site.images().await;
    assert_eq!(images.len(), report.kept());
    let world = site.wikimedia.world();
    for image in &images {
        assert_eq!(image.review, Review::Accepted);
        assert!(image.licence.is_some() && image.sight.is_some(), "{image:?}");
        let [origin] = &images::origins(&site.warehouse.database, image.id).await.unwrap()[..] else {
            panic!("one origin")
        };
        assert!(origin.provenance.author.is_some() && origin.provenance.page_url.is_some(), "{origin:?}");
        let bytes = site.warehouse.blobs.get(&image.sha256).await.unwrap();
        assert!(world.pictures.iter().any(|picture| picture.bytes == bytes), "the file is stored as it was");
    }
    let sights = sights::list(&site.warehouse.database, site.city).await.unwrap();
    assert!(sights.iter().all(|sight| sight.known.wikidata.is_some() && sight.crawled_at.is_some()));
    assert!(sights.iter().all(|sight| sight.known.latitude.is_some()), "w_c44: coordinates are kept");
}

async fn row_14_w_c22_limits_are_of_what_is_stored(test: TestDatabase) {
    let Some(world) = World::of_sights() else { return };
    let site = Site::new(test, world).await;
    let order = Order { max_sights: 3, max_pictures: 10, ..site.order() };
    let report = site.crawl(order).await.unwrap();
    assert_eq!(report.sights.iter().map(|sight| sight.kept).collect::<Vec<_>>(), [10, 10, 10]);
    assert_eq!(site.images().await.len(), 30);
    let looked_at: usize =
        report.sights.iter().map(|sight| sight.kept + sight.set_aside.values().sum::<usize>()).sum();
    assert_eq!(site.wikimedia.pictures_asked_for(), looked_at, "nothing is fetched beyond the limit");
}

async fn row_15_w_c21_nothing_is_fetched_twice(test: TestDatabase) {
    let Some(world) = World::of_sights() else { return };
    let site = Site::new(test, world).await;
    let few = Order { max_pictures: 5, ..site.order() };
    site.crawl(few).await.unwrap();
    let asked = site.wikimedia.pictures_asked_for();
    for skip in [true, false] {
        let report = site.crawl(Order { skip, ..few }).await.unwrap();
        assert_eq!((report.sights.len(), report.kept()), (5, 25), "sights of several words, too");
        assert_eq!(site.wikimedia.pictures_asked_for(), asked);
    }
    // A higher limit fetches what is missing, and nothing else.
    let report = site.crawl(Order { max_pictures: 8, ..few }).await.unwrap();
    assert_eq!(report.kept(), 40);
    let all = site.wikimedia.upstream.log().requests_to(PICTURES);
    let different: BTreeSet<&str> = all.iter().map(|seen| seen.address.as_str()).collect();
    assert_eq!(all.len(), different.len());
}

async fn w_l1_what_is_not_free_is_quarantined(test: TestDatabase) {
    let Some(mut world) = World::of_sights() else { return };
    for picture in world.pictures.iter_mut().step_by(2) {
        picture.licence = Licence::new("by-nc", "4.0");
    }
    let site = Site::new(test, world).await;
    site.crawl(Order { max_pictures: 10, ..site.order() }).await.unwrap();
    let images = site.images().await;
    let is_free =
        |licence: &Option<String>| licence.as_deref().is_some_and(|licence| !licence.contains("NC"));
    for image in &images {
        let expected = if is_free(&image.licence) { Review::Accepted } else { Review::Quarantined };
        assert_eq!(image.review, expected, "{:?}", image.licence);
    }
    assert!(images.iter().any(|image| image.review == Review::Quarantined));
    assert!(images.iter().any(|image| image.review == Review::Accepted));
}

async fn faulty_upstreams_and_kills_change_nothing(test: TestDatabase) {
    let Some(world) = World::of_sights() else { return };
    let calm = Site::new(TestDatabase::sqlite().await, world.clone()).await;
    let site = Site::new(test, world).await;
    let order = Order { max_pictures: if scale() < 1.0 { 8 } else { 25 }, ..site.order() };
    let expected = calm.crawl(Order { city: calm.city, ..order }).await.unwrap();
    let faults = [
        Fault::TooMany { retry_after: 0 },
        Fault::ServerError,
        Fault::Truncated,
        Fault::WrongType,
        Fault::Slow(Duration::from_millis(20)),
        Fault::RedirectLoop,
    ];
    site.wikimedia.upstream.faults().set(0.3, &faults);
    for kill in 0..10 {
        let crawl = site.crawler();
        let running = tokio::spawn(async move { crawl.crawl(order, quietly()).await });
        // Somewhere in the middle: after so many more answers.
        let until = site.wikimedia.upstream.log().total() + 7 + 5 * kill;
        while site.wikimedia.upstream.log().total() < until && !running.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        running.abort();
        // What it had begun has ended before the next one begins.
        let _ = running.await;
    }
    let mut report = site.crawl(order).await;
    for _ in 0..50 {
        match &report {
            Err(error) if error.is_transient() => report = site.crawl(order).await,
            _ => break,
        }
    }
    let report = report.unwrap();
    assert_eq!(stored(&site).await, stored_in(&calm, &site).await);
    assert_eq!(report.kept(), expected.kept());
    assert!(site.wikimedia.upstream.log().most_in_flight() <= 3);
    let fates = crawls::fates(&site.warehouse.database, site.city).await.unwrap();
    assert!(!fates.iter().any(|fate| fate.reason.as_deref() == Some("could not be fetched")), "{fates:?}");
}

/// What is stored in one, with the addresses of the other one's upstream.
async fn stored_in(calm: &Site, site: &Site) -> BTreeSet<(String, Sha256)> {
    let (from, to) = (calm.wikimedia.upstream.url(), site.wikimedia.upstream.url());
    stored(calm).await.into_iter().map(|(source, hash)| (source.replace(from, to), hash)).collect()
}

#[tokio::test]
async fn row_13_so_many_sights_are_crawled_at_once() {
    let Some(world) = World::of_sights() else { return };
    for threads in [1, 4] {
        let site = Site::new(TestDatabase::sqlite().await, world.clone()).await;
        let slow = std::iter::repeat_n(Fault::Slow(Duration::from_millis(300)), world.pictures.len());
        site.wikimedia.upstream.faults().next(PICTURES, slow);
        let order = Order { threads, max_pictures: 8, ..site.order() };
        // All pictures come from one host here, which must not be what limits it.
        let fetching = FetchConfig { per_host: 100, ..site.fetching() };
        site.crawler_that_fetches(fetching).crawl(order, quietly()).await.unwrap();
        let pictures = site.wikimedia.upstream.log().requests_to(PICTURES);
        assert_eq!(most_sights_at_once(&pictures, &world), threads);
    }
}

/// The most sights whose pictures were being fetched at one moment.
fn most_sights_at_once(pictures: &[Seen], world: &World) -> usize {
    let sight_of = |seen: &Seen| {
        let is_of = |sight: &&Sight| seen.address.contains(&sight.name.replace(' ', "_"));
        world.sights.iter().find(is_of).map(|sight| sight.name.as_str()).unwrap()
    };
    let at = |moment: Instant| {
        let in_flight = pictures.iter().filter(|seen| seen.begun <= moment && moment < seen.ended.unwrap());
        in_flight.map(sight_of).collect::<BTreeSet<_>>().len()
    };
    pictures.iter().map(|seen| at(seen.begun)).max().unwrap()
}

#[tokio::test]
async fn a_city_without_sights_is_told() {
    let Some(mut world) = World::of_sights() else { return };
    world.sights.clear();
    let site = Site::new(TestDatabase::sqlite().await, world).await;
    let error = site.crawl(site.order()).await.unwrap_err();
    assert!(matches!(&error, Error::NoSights { .. }) && !error.is_transient(), "{error}");
    assert!(error.to_string().contains("Paris") && error.to_string().contains("--sights"), "{error}");
}
