//! Marts: what readers see is what the core tables say.

use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_types::{ConsentId, ImageId, ProducerKind, Provenance, Review};
use sightscan_warehouse::cities::City;
use sightscan_warehouse::images::{self, Filter, NewImage};
use sightscan_warehouse::marts::{self, LabelStatistics, Refreshed};
use sightscan_warehouse::sights::{self, NewSight};

use crate::support::{TestWarehouse, crawled, donated};

on_both_engines![
    row_08_a_refresh_makes_new_counts_visible,
    row_08_labels_have_statistics,
    row_08_only_cities_that_changed_are_counted,
    a_licence_that_comes_later_is_shown,
    row_08_everything_anew_is_the_same_as_what_was_kept_up_to_date,
    row_08_refreshes_and_writers_do_not_disturb_each_other,
];

async fn refresh(test: &TestWarehouse, everything: bool) -> Refreshed {
    marts::refresh(test.database(), everything).await.unwrap()
}

async fn row_08_a_refresh_makes_new_counts_visible(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    let progress = async || marts::progress(test.database(), &berlin.slug).await.unwrap();
    let found = test.fresh_image(&berlin).await;
    let empty = test.fresh_image(&berlin).await;
    let failed = test.fresh_image(&berlin).await;
    test.store(&berlin, "a gift", &donated().0).await;
    assert_eq!(progress().await, None);
    assert_eq!(refresh(&test, false).await, Refreshed { cities: 1 });
    let before = progress().await.unwrap();
    assert_eq!((before.images, before.unlabelled, before.donated, before.labelled), (4, 4, 1, 0));
    test.label(found, ProducerKind::Vision, &["Gate", "Gate", "Reichstag"], 1).await;
    test.label(empty, ProducerKind::Vision, &[], 1).await;
    test.fail_to_label(failed, "quota").await;
    test.publish(&berlin, "a model", None).await;
    assert_eq!(progress().await.unwrap().labelled, 0);
    refresh(&test, false).await;
    let after = progress().await.unwrap();
    assert_eq!((after.images, after.labelled, after.empty, after.unlabelled), (4, 1, 1, 2));
    assert_eq!((after.boxes, after.models, after.sights), (3, 1, 0));
    assert!(after.refreshed_at >= before.refreshed_at);
}

async fn row_08_labels_have_statistics(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let (berlin, rome) = (test.city("Berlin").await, test.city("Rome").await);
    let [one, two] = [test.fresh_image(&berlin).await, test.fresh_image(&berlin).await];
    test.label(one, ProducerKind::Vision, &["Gate", "Gate"], 1).await;
    test.label(two, ProducerKind::Vision, &["Wrong"], 1).await;
    test.label(two, ProducerKind::Human, &["Gate", "Reichstag"], 2).await;
    test.label(test.fresh_image(&rome).await, ProducerKind::Vision, &["Gate"], 1).await;
    refresh(&test, false).await;
    let statistics = marts::label_statistics(test.database(), berlin.id).await.unwrap();
    let expected = |label: &str, images, boxes, human_boxes| LabelStatistics {
        label: label.to_owned(),
        images,
        boxes,
        human_boxes,
        mean_score: Some(0.75),
    };
    assert_eq!(statistics, [expected("Gate", 2, 3, 1), expected("Reichstag", 1, 1, 1)]);
}

async fn row_08_only_cities_that_changed_are_counted(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let (berlin, rome) = (test.city("Berlin").await, test.city("Rome").await);
    let shared = test.store(&berlin, "a flag", &crawled("1")).await.image;
    test.store(&rome, "a flag", &crawled("1")).await;
    assert_eq!(refresh(&test, false).await.cities, 2);
    assert_eq!(refresh(&test, false).await.cities, 0);
    test.fresh_image(&rome).await;
    assert_eq!(refresh(&test, false).await.cities, 1);
    test.label(shared, ProducerKind::Human, &["Flag"], 1).await;
    assert_eq!(refresh(&test, false).await.cities, 2, "both cities show the image");
    test.city("Paris").await;
    assert_eq!(refresh(&test, true).await.cities, 3);
}

async fn a_licence_that_comes_later_is_shown(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    let unknown = crawled("https://search.example/1.jpg");
    let unknown = NewImage { provenance: Provenance { licence: None, ..unknown.provenance }, ..unknown };
    test.store(&berlin, "a flag", &unknown).await;
    let listed = async |licence: Option<&str>| {
        let filter = Filter { licence: licence.map(str::to_owned), ..Filter::default() };
        let listed = images::list(test.database(), berlin.id, &filter, None, 10).await.unwrap();
        listed.into_iter().map(|image| image.source).collect::<Vec<_>>()
    };
    assert_eq!(listed(None).await, ["https://search.example/1.jpg"]);
    for source in ["https://commons.example/1.jpg", "https://commons.example/2.jpg"] {
        test.store(&berlin, "a flag", &crawled(source)).await;
    }
    let licence = crawled("").provenance.licence;
    assert!(licence.is_some());
    assert_eq!(listed(licence.as_deref()).await, ["https://commons.example/1.jpg"]);
    assert_eq!(listed(None).await, ["https://commons.example/1.jpg"]);
}

/// All rows of the marts that readers see, without the times at which they were counted.
async fn shown(test: &TestWarehouse) -> Vec<String> {
    let mut tool = test.tool().await;
    let mut rows = Vec::new();
    for columns in [
        "slug || ' ' || model_id || ' ' || version || ' ' || sha256 || ' ' || size || ' ' || created_at \
         FROM mart_current_models",
        "slug || ' ' || image_id || ' ' || sha256 || ' ' || width || ' ' || height || ' ' || source || ' ' || \
         COALESCE(licence, '-') || ' ' || COALESCE(sight, '-') || ' ' || review || ' ' || \
         COALESCE(label_producer, '-') || ' ' || labels || ' ' || added_at FROM mart_city_images",
        "slug || ' ' || images || ' ' || labelled || ' ' || empty || ' ' || unlabelled || ' ' || donated || ' ' || \
         boxes || ' ' || sights || ' ' || models FROM mart_city_progress",
        "city_id || ' ' || label || ' ' || images || ' ' || boxes || ' ' || human_boxes || ' ' || \
         COALESCE(CAST(mean_score AS TEXT), '-') FROM mart_label_statistics",
    ] {
        let mut table = tool.texts_of(format!("SELECT {columns}")).await;
        table.sort_unstable();
        rows.extend(table);
    }
    rows
}

/// Something that happens to the warehouse, drawn by chance.
struct Chance {
    seed: u64,
    random: fastrand::Rng,
    cities: Vec<City>,
    images: Vec<ImageId>,
    consents: Vec<ConsentId>,
}

impl Chance {
    async fn new(test: &TestWarehouse, seed: u64) -> Self {
        let mut cities = Vec::new();
        for name in ["Berlin", "Rome", "北京"] {
            cities.push(test.city(name).await);
        }
        let random = fastrand::Rng::with_seed(seed);
        Self { seed, random, cities, images: Vec::new(), consents: Vec::new() }
    }

    fn any_city(&mut self) -> City {
        self.cities[self.random.usize(..self.cities.len())].clone()
    }

    /// An image that is still there.
    async fn any_image(&mut self, test: &TestWarehouse) -> Option<ImageId> {
        let id = *self.images.get(self.random.usize(..self.images.len().max(1)))?;
        images::get(test.database(), id).await.unwrap().map(|image| image.id)
    }

    async fn happen(&mut self, test: &TestWarehouse) {
        match self.random.u8(..16) {
            0..=4 => self.store(test).await,
            5..=8 => self.label(test).await,
            9..=10 => self.withdraw(test).await,
            11 => self.review(test).await,
            12 => self.fail(test).await,
            13 => self.see(test).await,
            _ => self.publish(test).await,
        }
    }

    async fn store(&mut self, test: &TestWarehouse) {
        let city = self.any_city();
        // Nobody else withdraws it: a labelling that fails would be right then.
        let content = format!("content {} {}", self.seed, self.random.u8(..12));
        let image = if self.random.bool() {
            let (image, consent) = donated();
            self.consents.push(consent);
            image
        } else {
            crawled(&format!("source {}", self.random.u8(..20)))
        };
        let review = if self.random.bool() { Review::Accepted } else { Review::Pending };
        let image = NewImage { review, ..image };
        self.images.push(test.store(&city, &content, &image).await.image);
    }

    async fn label(&mut self, test: &TestWarehouse) {
        let Some(image) = self.any_image(test).await else { return };
        let kind = [ProducerKind::Human, ProducerKind::Vision, ProducerKind::Model][self.random.usize(..3)];
        let names = &["Gate", "Tower", "Gate"][..self.random.usize(..4)];
        test.label(image, kind, names, self.random.i64(..1000)).await;
    }

    async fn withdraw(&mut self, test: &TestWarehouse) {
        if let Some(consent) = self.consents.pop() {
            images::withdraw(&test.warehouse, consent, "no more").await.unwrap();
        }
    }

    async fn review(&mut self, test: &TestWarehouse) {
        let review = Review::ALL[self.random.usize(..Review::ALL.len())];
        if let Some(image) = self.any_image(test).await {
            test.review(image, review).await;
        }
    }

    async fn fail(&mut self, test: &TestWarehouse) {
        if let Some(image) = self.any_image(test).await {
            test.fail_to_label(image, "quota").await;
        }
    }

    async fn see(&mut self, test: &TestWarehouse) {
        let sight = NewSight { name: format!("Sight {}", self.random.u8(..9)), ..NewSight::default() };
        let city = self.any_city().id;
        let mut transaction = test.database().begin().await.unwrap();
        sights::find_or_create(&mut transaction, city, &sight, 1).await.unwrap();
        transaction.commit().await.unwrap();
    }

    async fn publish(&mut self, test: &TestWarehouse) {
        let (city, content) = (self.any_city(), format!("model {}", self.random.u8(..)));
        test.publish(&city, &content, None).await;
    }
}

/// Some seconds: after each of 200 events all marts are counted twice and compared, so that no later event hides a
/// change that was not noted.
async fn row_08_everything_anew_is_the_same_as_what_was_kept_up_to_date(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let mut chance = Chance::new(&test, 8).await;
    // The first count of all cities; later only those are counted that are noted.
    refresh(&test, true).await;
    for step in 0..200 {
        chance.happen(&test).await;
        refresh(&test, false).await;
        let kept = shown(&test).await;
        refresh(&test, true).await;
        assert_eq!(kept, shown(&test).await, "after step {step}");
    }
}

async fn row_08_refreshes_and_writers_do_not_disturb_each_other(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let writers = async |seed| {
        let mut chance = Chance::new(&test, seed).await;
        for _ in 0..30 {
            chance.happen(&test).await;
        }
    };
    let refreshes = async |everything| {
        for _ in 0..15 {
            refresh(&test, everything).await;
        }
    };
    tokio::join!(writers(1), writers(2), writers(3), refreshes(false), refreshes(true));
    refresh(&test, false).await;
    let kept = shown(&test).await;
    refresh(&test, true).await;
    assert_eq!(kept, shown(&test).await);
}
