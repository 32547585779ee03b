//! Crawls: sights by their item, and what became of pictures.

use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_types::{Review, Sha256, SightId};
use sightscan_warehouse::cities::City;
use sightscan_warehouse::crawls::{self, Decision, Deed, Fate, Judged, Yield};
use sightscan_warehouse::images::{self, Filter, NewImage};
use sightscan_warehouse::sights::{self, NewSight};

use crate::support::{TestWarehouse, crawled};

on_both_engines![
    w_c44_a_sight_keeps_what_is_known_of_it,
    what_became_of_a_picture_is_kept,
    licences_are_counted_with_what_reviews_have_said,
    images_of_another_city_are_taken_over_with_the_sight,
    a_quarantined_image_is_accepted_with_a_free_origin,
];

impl TestWarehouse {
    async fn sight(&self, city: &City, sight: NewSight) -> SightId {
        let mut transaction = self.database().begin().await.unwrap();
        let id = sights::find_or_create(&mut transaction, city.id, &sight, 1).await.unwrap();
        transaction.commit().await.unwrap();
        id
    }
}

fn gate() -> NewSight {
    NewSight {
        name: "Brandenburg Gate".to_owned(),
        wikidata: Some("Q82425".to_owned()),
        ..NewSight::default()
    }
}

fn judged(source: &str, deed: Deed) -> Judged {
    Judged { source: source.to_owned(), found_by: "commons", deed }
}

async fn w_c44_a_sight_keeps_what_is_known_of_it(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let (berlin, rome) = (test.city("Berlin").await, test.city("Rome").await);
    let named =
        test.sight(&berlin, NewSight { name: "brandenburg gate".to_owned(), ..NewSight::default() }).await;
    let more = NewSight { latitude: Some(52.516), longitude: Some(13.378), ..gate() };
    assert_eq!(test.sight(&berlin, more).await, named);
    let german = NewSight {
        name: "Brandenburger Tor".to_owned(),
        commons_category: Some("Gate".to_owned()),
        ..gate()
    };
    assert_eq!(test.sight(&berlin, german).await, named, "the same item is the same sight");
    assert_ne!(test.sight(&rome, gate()).await, named);
    let [sight] = &sights::list(test.database(), berlin.id).await.unwrap()[..] else { panic!("one sight") };
    assert_eq!(
        (sight.known.name.as_str(), sight.known.wikidata.as_deref()),
        ("brandenburg gate", Some("Q82425"))
    );
    assert_eq!((sight.known.latitude, sight.known.commons_category.as_deref()), (Some(52.516), Some("Gate")));
    assert_eq!(sight.crawled_at, None);
    let mut transaction = test.database().begin().await.unwrap();
    sights::finish_crawl(&mut transaction, named, 7).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(sights::list(test.database(), berlin.id).await.unwrap()[0].crawled_at, Some(7));
}

async fn what_became_of_a_picture_is_kept(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let city = test.city("Berlin").await;
    let sight = test.sight(&city, gate()).await;
    let image = NewImage { perceptual_hash: Some(u64::MAX), ..crawled("one") };
    let set_aside = |source| judged(source, Deed::SetAside("too small".to_owned()));
    let keep = judged("one", Deed::Keep("a gate".into(), Box::new(image)));
    let kept = crawls::settle(&test.warehouse, city.id, sight, &[keep, set_aside("two")]).await.unwrap();
    let [kept @ Decision::Kept(_), small] = &kept[..] else { panic!("{kept:?}") };
    // What was decided stays.
    let again = ["one", "two", "three"].map(set_aside);
    crawls::settle(&test.warehouse, city.id, sight, &again).await.unwrap();
    let decided = crawls::decided(test.database(), sight).await.unwrap();
    assert_eq!(decided.len(), 3);
    assert_eq!((&decided["one"], &decided["two"]), (kept, small));
    let fate = |reason: Option<&str>, pictures| Fate {
        found_by: "commons".to_owned(),
        reason: reason.map(str::to_owned),
        pictures,
    };
    let fates = crawls::fates(test.database(), city.id).await.unwrap();
    assert_eq!(fates, [fate(Some("too small"), 2), fate(None, 1)]);
    let yields = crawls::yields(test.database(), city.id).await.unwrap();
    assert_eq!(yields, [(sight, Yield { kept: 1, set_aside: 2 })].into());
    assert_eq!(crawls::hashes(test.database(), sight).await.unwrap(), [u64::MAX]);
}

async fn licences_are_counted_with_what_reviews_have_said(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let city = test.city("Berlin").await;
    let first = test.store(&city, "a gate", &crawled("one")).await.image;
    test.store(&city, "a tower", &crawled("two")).await;
    let quarantined = NewImage { review: Review::Quarantined, ..crawled("three") };
    test.store(&city, "a dome", &quarantined).await;
    test.store(&test.city("Potsdam").await, "a palace", &crawled("four")).await;
    let counts = images::licences(test.database(), city.id).await.unwrap();
    let counted: Vec<(&str, i64)> =
        counts.iter().map(|count| (count.review.as_str(), count.images)).collect();
    assert_eq!(counted, [("accepted", 2), ("quarantined", 1)]);
    assert_eq!(counts[0].licence, crawled("one").provenance.licence);
    let image = images::get(test.database(), first).await.unwrap().unwrap();
    assert_eq!(images::of_file(test.database(), &image.sha256).await.unwrap(), Some(first));
    assert_eq!(images::of_file(test.database(), &Sha256::of(b"another file")).await.unwrap(), None);
}

async fn images_of_another_city_are_taken_over_with_the_sight(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let (berlin, potsdam) = (test.city("Berlin").await, test.city("Potsdam").await);
    let sight = test.sight(&potsdam, gate()).await;
    let image = test.store(&berlin, "a gate", &crawled("one")).await.image;
    // A second time changes nothing.
    for _ in 0..2 {
        let adopt = [judged("one", Deed::Adopt(image))];
        let decisions = crawls::settle(&test.warehouse, potsdam.id, sight, &adopt).await.unwrap();
        assert_eq!(decisions, [Decision::Kept(image)]);
    }
    assert_eq!(crawls::decided(test.database(), sight).await.unwrap()["one"], Decision::Kept(image));
    let listed = images::list(test.database(), potsdam.id, &Filter::default(), None, 10).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].sight.as_deref(), Some("Brandenburg Gate"));
    // The city had it without a sight; now it is known.
    let in_berlin = test.sight(&berlin, gate()).await;
    let again = NewImage { sight: Some(in_berlin), ..crawled("two") };
    assert!(!test.store(&berlin, "a gate", &again).await.new_in_city);
    let listed = images::list(test.database(), berlin.id, &Filter::default(), None, 10).await.unwrap();
    assert_eq!(listed[0].sight.as_deref(), Some("Brandenburg Gate"));
}

async fn a_quarantined_image_is_accepted_with_a_free_origin(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let city = test.city("Berlin").await;
    let quarantined = NewImage { review: Review::Quarantined, ..crawled("one") };
    let image = test.store(&city, "a gate", &quarantined).await.image;
    let review = async || images::get(test.database(), image).await.unwrap().unwrap().review;
    assert_eq!(review().await, Review::Quarantined);
    test.store(&city, "a gate", &crawled("two")).await;
    assert_eq!(review().await, Review::Accepted);
    test.store(&city, "a gate", &NewImage { review: Review::Quarantined, ..crawled("three") }).await;
    assert_eq!(review().await, Review::Accepted);
}
