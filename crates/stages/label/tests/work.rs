//! Labelling the images of a city, by a fake of Google Vision.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sightscan_blobs::{Address, Blobs};
use sightscan_label::{Answer, Error, Labeller, Labelling, Order, Picture, Result, Step, Tally};
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::images::crawled;
use sightscan_testkit::on_both_engines;
use sightscan_testkit::upstreams::World;
use sightscan_testkit::upstreams::vision::refusal;
use sightscan_types::names::CityName;
use sightscan_types::{CityId, ConsentId, ConsentKind, OriginKind, Outcome, Producer, ProducerKind, Sha256};
use sightscan_warehouse::consents::NewConsent;
use sightscan_warehouse::images::{self, Filter, Listed, NewImage};
use sightscan_warehouse::labelling::unlabelled;
use sightscan_warehouse::{Warehouse, cities, labels};
use tempfile::TempDir;

use crate::support::Google;

on_both_engines![
    row_20_w_c15_w_s02_a_city_has_a_lifetime_budget,
    row_21_row_23_w_l4_every_image_is_labelled_once,
    w_c49_a_used_up_quota_is_not_nothing_found,
    images_that_look_the_same_share_an_answer,
    an_image_whose_file_is_lost_hinders_no_other,
    an_image_that_is_withdrawn_meanwhile_hinders_no_other,
];

/// A city with pictures, and Vision which knows them.
struct Site {
    google: Google,
    warehouse: Warehouse,
    city: CityId,
    world: World,
    _test: TestDatabase,
    _folder: TempDir,
}

impl Site {
    /// `None` where the data is missing.
    async fn new(test: TestDatabase) -> Option<Self> {
        let world = World::of_sights()?;
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&Address::Folder(folder.path().join("blobs")), |_| None).unwrap();
        let warehouse = Warehouse { database: test.database.clone(), blobs };
        let mut transaction = warehouse.database.begin().await.unwrap();
        let name = CityName::parse("Paris").unwrap();
        let (city, _) = cities::find_or_create(&mut transaction, &name, None, 1).await.unwrap();
        transaction.commit().await.unwrap();
        let google = Google::start().await;
        google.vision.know(&world);
        Some(Self { google, warehouse, city: city.id, world, _test: test, _folder: folder })
    }

    /// Stores the picture with this number, looking like nothing else unless a hash is given.
    async fn store(&self, number: usize, hash: Option<u64>) {
        let picture = &self.world.pictures[number];
        let source = format!("https://pictures.example/{number}");
        let image = NewImage { perceptual_hash: hash, ..crawled(&source) };
        images::store(&self.warehouse, self.city, picture.bytes.clone(), &image).await.unwrap();
    }

    async fn label(&self, budget: u32) -> Result<Tally> {
        let step = Step { labeller: Arc::new(self.google.by_key()), is_paid: true, min_score: 0.0 };
        let labelling = Labelling { warehouse: self.warehouse.clone(), steps: vec![step] };
        let tell: sightscan_label::Tell = Arc::new(|_| ());
        labelling.label(&Order { city: self.city, budget }, &tell).await
    }

    async fn images(&self) -> Vec<Listed> {
        images::list(&self.warehouse.database, self.city, &Filter::default(), None, 1000).await.unwrap()
    }

    async fn calls(&self) -> i64 {
        cities::by_id(&self.warehouse.database, self.city).await.unwrap().unwrap().label_calls
    }
}

async fn row_20_w_c15_w_s02_a_city_has_a_lifetime_budget(test: TestDatabase) {
    let Some(site) = Site::new(test).await else { return };
    for number in 0..20 {
        site.store(number, None).await;
    }
    let tally = site.label(5).await.unwrap();
    assert_eq!((tally.images, tally.labelled, tally.paid, tally.without_budget), (20, 5, 5, 15));
    // Again and by many at once: the budget is that of the lifetime.
    let (one, two) = tokio::join!(site.label(5), site.label(5));
    assert_eq!((one.unwrap().paid, two.unwrap().paid), (0, 0));
    assert_eq!((site.google.vision.pictures_seen(), site.calls().await), (5, 5));
    site.store(20, None).await;
    assert_eq!(site.label(7).await.unwrap().paid, 2, "a greater budget reaches further");
    assert_eq!((site.google.vision.pictures_seen(), site.calls().await), (7, 7));
}

async fn row_21_row_23_w_l4_every_image_is_labelled_once(test: TestDatabase) {
    let Some(site) = Site::new(test).await else { return };
    let count = site.world.pictures.len();
    for number in (0..count).step_by(5) {
        site.store(number, None).await;
    }
    let tally = site.label(1000).await.unwrap();
    let images = site.images().await;
    assert_eq!((tally.labelled, tally.paid, tally.failed), (images.len(), images.len(), 0));
    assert!(tally.empty > 0 && tally.empty < tally.labelled, "{tally}");
    for listed in &images {
        assert_eq!(listed.label_producer, Some(ProducerKind::Vision));
        let label = labels::current(&site.warehouse.database, listed.id).await.unwrap().unwrap();
        let bytes = site.warehouse.blobs.get(&listed.sha256).await.unwrap();
        let picture = site.world.pictures.iter().find(|picture| picture.bytes == bytes).unwrap();
        assert_eq!(label.boxes.len(), picture.boxes.len(), "all landmarks of a picture are kept");
        assert_eq!(label.outcome == Outcome::Nothing, picture.boxes.is_empty());
        assert!(label.boxes.iter().all(|shown| shown.score.is_some() && shown.mid.is_some()));
    }
    assert!(site.google.vision.times_seen().values().all(|times| *times == 1));
    assert_eq!(site.label(1000).await.unwrap(), Tally::default(), "nothing is left");
}

async fn w_c49_a_used_up_quota_is_not_nothing_found(test: TestDatabase) {
    let Some(site) = Site::new(test).await else { return };
    for number in 0..3 {
        site.store(number, None).await;
    }
    site.google.vision.refuse_next([refusal(403, "PERMISSION_DENIED", "billing is disabled")]);
    let error = site.label(10).await.unwrap_err();
    assert!(matches!(error, Error::Exhausted(_)), "{error}");
    assert_eq!(unlabelled(&site.warehouse.database, site.city).await.unwrap().len(), 3);
    assert_eq!(site.calls().await, 0, "what was not billed is given back");
    assert_eq!(site.label(10).await.unwrap().labelled, 3);
}

async fn images_that_look_the_same_share_an_answer(test: TestDatabase) {
    let Some(site) = Site::new(test).await else { return };
    for (number, hash) in [(0, 0), (1, 1), (2, u64::MAX)] {
        site.store(number, Some(hash)).await;
    }
    let tally = site.label(10).await.unwrap();
    assert_eq!((tally.labelled, tally.paid), (3, 2));
    let images = site.images().await;
    let labels = |number: usize| {
        let source = format!("https://pictures.example/{number}");
        images.iter().find(|image| image.source == source).map(|image| image.labels.clone()).unwrap()
    };
    assert_eq!(labels(0), labels(1));
    assert_eq!(site.google.vision.pictures_seen(), 2);
    let seen = site.google.vision.times_seen();
    let was_seen =
        |number: usize| seen.contains_key(&Sha256::of(&site.world.pictures[number].bytes).to_string());
    assert!(was_seen(2) && was_seen(0) != was_seen(1));
}

async fn an_image_whose_file_is_lost_hinders_no_other(test: TestDatabase) {
    let Some(site) = Site::new(test).await else { return };
    for number in 0..3 {
        site.store(number, None).await;
    }
    let lost = site.images().await[1].sha256;
    site.warehouse.blobs.delete(&lost).await.unwrap();
    let tally = site.label(10).await.unwrap();
    assert_eq!((tally.labelled, tally.failed, tally.paid), (2, 1, 2));
    assert_eq!(site.calls().await, 2, "the call for it is given back");
    let lost = &site.images().await[1];
    let history = labels::history(&site.warehouse.database, lost.id).await.unwrap();
    assert_eq!(history[0].outcome, Outcome::Failed);
}

/// Sees nothing, while a donor takes a picture back.
struct Slow {
    warehouse: Warehouse,
    consent: ConsentId,
}

impl Labeller for Slow {
    fn producer(&self) -> Producer {
        Producer { kind: ProducerKind::Model, name: "slow".to_owned() }
    }

    fn most_at_once(&self) -> usize {
        10
    }

    fn label(&self, pictures: Vec<Picture>) -> BoxFuture<'_, Vec<Answer>> {
        let looked = async move {
            images::withdraw(&self.warehouse, self.consent, "changed their mind").await.unwrap();
            pictures.iter().map(|_| Answer::Labelled(vec![])).collect()
        };
        looked.boxed()
    }
}

async fn an_image_that_is_withdrawn_meanwhile_hinders_no_other(test: TestDatabase) {
    let Some(site) = Site::new(test).await else { return };
    site.store(0, None).await;
    let consent = NewConsent {
        id: ConsentId::new(),
        kind: ConsentKind::Explicit,
        text_version: "1".to_owned(),
        requester: "somebody".to_owned(),
        deletion_token: Sha256::of(b"token"),
    };
    let consent_id = consent.id;
    let mut donated = NewImage { consent: Some(consent), ..crawled("donation") };
    donated.provenance.kind = OriginKind::Donation;
    let bytes = site.world.pictures[1].bytes.clone();
    images::store(&site.warehouse, site.city, bytes, &donated).await.unwrap();
    let slow = Slow { warehouse: site.warehouse.clone(), consent: consent_id };
    let step = Step { labeller: Arc::new(slow), is_paid: false, min_score: 0.0 };
    let labelling = Labelling { warehouse: site.warehouse.clone(), steps: vec![step] };
    let tell: sightscan_label::Tell = Arc::new(|_| ());
    labelling.label(&Order { city: site.city, budget: 0 }, &tell).await.unwrap();
    let [left] = &site.images().await[..] else { panic!("one is left") };
    assert_eq!(left.label_producer, Some(ProducerKind::Model));
}
